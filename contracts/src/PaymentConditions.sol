// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Condition} from "./Condition.sol";
import {IDIDRegistry} from "./interfaces/IDIDRegistry.sol";
import {IPaymentConditions} from "./interfaces/IPaymentConditions.sol";
import {Agreement, IServiceAgreement} from "./interfaces/IServiceAgreement.sol";
import {Outcome, PriceTerms} from "./interfaces/Types.sol";
import {ComputeTemplate} from "./libraries/ComputeTemplate.sol";
import {ReceiptHash} from "./libraries/ReceiptHash.sol";

/// @title PaymentConditions
/// @notice Specified in IPaymentConditions.
contract PaymentConditions is IPaymentConditions, Condition, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev Enough for a wallet contract to receive ETH, too little for it to make the other party's call expensive.
    uint256 private constant PUSH_GAS = 50_000;

    /// @dev Rates are per million units.
    uint256 private constant RATE_UNIT = 1_000_000;

    /// @dev The run that is paid.
    uint64 private constant PAID_RUN = 0;

    /// @inheritdoc IPaymentConditions
    IDIDRegistry public immutable didRegistry;

    /// @inheritdoc IPaymentConditions
    mapping(bytes32 id => bytes32) public receiptOf;

    /// @inheritdoc IPaymentConditions
    mapping(address token => mapping(address account => uint256)) public credits;

    /// @dev A provider's last anchor.
    struct Anchor {
        uint64 size;
        uint64 blockNumber;
        bytes32 root;
    }

    mapping(address provider => Anchor) private _anchors;
    mapping(bytes32 id => uint256) private _locked;
    mapping(bytes32 id => PriceTerms) private _terms;

    constructor(IServiceAgreement serviceAgreement_) Condition(serviceAgreement_) {
        didRegistry = serviceAgreement_.didRegistry();
    }

    // CONDITIONS

    /// @inheritdoc IPaymentConditions
    function lockPayment(
        bytes32 serviceAgreementId,
        bytes32 assetId,
        uint256 price,
        PriceTerms calldata terms
    ) external payable nonReentrant {
        Agreement memory agreement = _asConsumer(serviceAgreementId);
        require(assetId == agreement.did, WrongAsset(agreement.did, assetId));
        require(price > 0, ZeroPrice());
        uint256 value = terms.token == address(0) ? price : 0;
        require(msg.value == value, WrongValueSent(value, msg.value));
        _checkCanLeave(serviceAgreementId, _priceHash(assetId, price), price);
        _locked[serviceAgreementId] = price;
        _terms[serviceAgreementId] = terms;
        emit PaymentLocked(serviceAgreementId, msg.sender, agreement.publisher, price);
        _fulfill(serviceAgreementId, ComputeTemplate.LOCK, _termsHash(assetId, price, terms));
        if (terms.token != address(0)) _pull(IERC20(terms.token), price);
    }

    /// @inheritdoc IPaymentConditions
    function releasePayment(
        bytes32 serviceAgreementId,
        bytes32 assetId,
        uint256 price,
        bytes32 specHash,
        Outcome calldata outcome,
        bytes calldata specSignature
    ) external nonReentrant {
        Agreement memory agreement = _asPublisher(serviceAgreementId);
        _checkSigned(
            agreement.consumer,
            ReceiptHash.jobOrderHash(serviceAgreementId, PAID_RUN, specHash),
            specSignature
        );
        bytes32 receiptHash = ReceiptHash.receiptHash(specHash, outcome);
        _checkRegistered(serviceAgreementId, receiptHash);
        _fulfill(serviceAgreementId, ComputeTemplate.RELEASE, _priceHash(assetId, price));
        receiptOf[serviceAgreementId] = receiptHash;
        emit ReceiptCommitted(serviceAgreementId, receiptHash, agreement.publisher, PAID_RUN);
        _settle(
            serviceAgreementId,
            agreement,
            amountDue(serviceAgreementId, outcome.fuelUsed, outcome.outputBytes)
        );
    }

    /// @inheritdoc IPaymentConditions
    function refundPayment(bytes32 serviceAgreementId, bytes32 assetId, uint256 price) external nonReentrant {
        Agreement memory agreement = _asConsumer(serviceAgreementId);
        _fulfill(serviceAgreementId, ComputeTemplate.REFUND, _priceHash(assetId, price));
        uint256 amount = _locked[serviceAgreementId];
        _locked[serviceAgreementId] = 0;
        emit PaymentRefund(serviceAgreementId, agreement.publisher, agreement.consumer, amount);
        _pay(_terms[serviceAgreementId].token, agreement.consumer, amount);
    }

    /// @inheritdoc IPaymentConditions
    function withdraw(address token) external nonReentrant {
        uint256 amount = credits[token][msg.sender];
        require(amount > 0, NoCredit(token, msg.sender));
        credits[token][msg.sender] = 0;
        emit CreditWithdrawn(token, msg.sender, amount);
        if (token == address(0)) {
            Address.sendValue(payable(msg.sender), amount);
        } else {
            IERC20(token).safeTransfer(msg.sender, amount);
        }
    }

    // LOGS

    /// @inheritdoc IPaymentConditions
    function anchorLog(uint64 size, bytes32 root) external {
        Anchor storage anchor = _anchors[msg.sender];
        require(size > anchor.size, LogNotLarger(anchor.size, size));
        (anchor.size, anchor.blockNumber, anchor.root) = (size, uint64(block.number), root);
        emit LogAnchored(msg.sender, size, root);
    }

    // VIEWS

    /// @inheritdoc IPaymentConditions
    function anchorOf(address provider)
        external
        view
        returns (uint64 size, bytes32 root, uint64 blockNumber)
    {
        Anchor storage anchor = _anchors[provider];
        return (anchor.size, anchor.root, anchor.blockNumber);
    }

    /// @inheritdoc IPaymentConditions
    function lockedOf(bytes32 serviceAgreementId) external view returns (address token, uint256 amount) {
        return (_terms[serviceAgreementId].token, _locked[serviceAgreementId]);
    }

    /// @inheritdoc IPaymentConditions
    function priceTermsOf(bytes32 serviceAgreementId) external view returns (PriceTerms memory) {
        return _terms[serviceAgreementId];
    }

    /// @inheritdoc IPaymentConditions
    function amountDue(bytes32 serviceAgreementId, uint64 fuelUsed, uint64 outputBytes)
        public
        view
        returns (uint256)
    {
        uint256 locked = _locked[serviceAgreementId];
        PriceTerms storage terms = _terms[serviceAgreementId];
        (bool fuelFits, uint256 fuel) = Math.tryMul(fuelUsed, terms.fuelPrice);
        (bool outputFits, uint256 output) = Math.tryMul(outputBytes, terms.outputPrice);
        (bool sumFits, uint256 sum) = Math.tryAdd(fuel, output);
        (bool dueFits, uint256 due) = Math.tryAdd(terms.base, sum / RATE_UNIT);
        bool fits = fuelFits && outputFits && sumFits && dueFits;
        return fits ? Math.min(locked, due) : locked;
    }

    // INTERNAL

    function _priceHash(bytes32 assetId, uint256 price) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(assetId, price));
    }

    function _termsHash(bytes32 assetId, uint256 price, PriceTerms calldata terms)
        private
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encodePacked(assetId, price, terms.token, terms.base, terms.fuelPrice, terms.outputPrice)
        );
    }

    function _checkCanLeave(bytes32 id, bytes32 priceHash, uint256 price) private view {
        require(
            serviceAgreement.valueHash(id, ComputeTemplate.RELEASE) == priceHash
                && serviceAgreement.valueHash(id, ComputeTemplate.REFUND) == priceHash,
            PriceMismatch(id, price)
        );
    }

    function _checkRegistered(bytes32 id, bytes32 receiptHash) private view {
        bytes32 registered = didRegistry.checksumOf(didRegistry.derivedDid(id, PAID_RUN));
        require(registered == receiptHash, ReceiptMismatch(registered, receiptHash));
    }

    function _fulfill(bytes32 id, uint8 index, bytes32 valueHash) private {
        serviceAgreement.fulfillCondition(id, index, valueHash);
    }

    function _settle(bytes32 id, Agreement memory agreement, uint256 due) private {
        address token = _terms[id].token;
        uint256 rest = _locked[id] - due;
        _locked[id] = 0;
        emit PaymentReleased(id, agreement.consumer, agreement.publisher, due);
        if (rest > 0) emit PaymentRefund(id, agreement.publisher, agreement.consumer, rest);
        _pay(token, agreement.publisher, due);
        _pay(token, agreement.consumer, rest);
    }

    function _pull(IERC20 token, uint256 amount) private {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        require(received == amount, WrongAmountReceived(amount, received));
    }

    /// @dev A receiver that refuses gets a credit instead, so that it cannot block the other party's payout.
    function _pay(address token, address to, uint256 amount) private {
        if (amount == 0) return;
        bool paid = token == address(0) ? _pushEther(to, amount) : IERC20(token).trySafeTransfer(to, amount);
        if (paid) return;
        credits[token][to] += amount;
        emit PaymentCredited(token, to, amount);
    }

    /// @dev Assembly because a Solidity call copies whatever the receiver returns, at the caller's cost.
    function _pushEther(address to, uint256 amount) private returns (bool success) {
        assembly ("memory-safe") {
            success := call(PUSH_GAS, to, amount, 0, 0, 0, 0)
        }
    }
}
