// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Condition} from "./Condition.sol";
import {Payouts} from "./Payouts.sol";
import {IDIDRegistry} from "./interfaces/IDIDRegistry.sol";
import {IPaymentConditions} from "./interfaces/IPaymentConditions.sol";
import {Agreement, IServiceAgreement} from "./interfaces/IServiceAgreement.sol";
import {Outcome, Permit, PriceTerms} from "./interfaces/Types.sol";
import {ComputeTemplate} from "./libraries/ComputeTemplate.sol";
import {ReceiptHash} from "./libraries/ReceiptHash.sol";

/// @title PaymentConditions
/// @notice Specified in IPaymentConditions.
contract PaymentConditions is IPaymentConditions, Condition, Payouts {
    using SafeERC20 for IERC20;

    /// @dev What is locked for an agreement, and the terms it was locked under; two slots for a fixed price, three for a
    /// metered one.
    struct Escrow {
        uint128 locked;
        uint128 base;
        address token;
        uint128 fuelPrice;
        uint128 outputPrice;
    }

    /// @dev A provider's last anchor.
    struct Anchor {
        uint64 size;
        uint64 blockNumber;
        bytes32 root;
    }

    /// @dev Rates are per million units.
    uint256 private constant RATE_UNIT = 1_000_000;

    /// @dev The run that is paid.
    uint64 private constant PAID_RUN = 0;

    /// @inheritdoc IPaymentConditions
    IDIDRegistry public immutable didRegistry;

    mapping(bytes32 id => Escrow) private _escrows;

    /// @dev Of later runs; the paid one's is committed by its release. The hash itself is kept once, by the registry, where
    /// it never changes.
    mapping(bytes32 id => mapping(uint64 runIndex => bool)) private _committed;

    mapping(address provider => Anchor) private _anchors;

    constructor(IServiceAgreement serviceAgreement_) Condition(serviceAgreement_) {
        didRegistry = serviceAgreement_.didRegistry();
    }

    // LOCK

    /// @inheritdoc IPaymentConditions
    function lockPayment(
        bytes32 serviceAgreementId,
        bytes32 assetId,
        uint256 price,
        PriceTerms calldata terms
    ) external payable nonReentrant {
        _lock(serviceAgreementId, assetId, price, terms);
    }

    /// @inheritdoc IPaymentConditions
    function lockPaymentWithPermit(
        bytes32 serviceAgreementId,
        bytes32 assetId,
        uint256 price,
        PriceTerms calldata terms,
        Permit calldata permit
    ) external nonReentrant {
        require(terms.token.code.length > 0, PermitNeedsToken(terms.token));
        // Whoever sees the permit can hand it in first; then it fails here, but the allowance it gave is there.
        try IERC20Permit(terms.token)
            .permit(msg.sender, address(this), price, permit.deadline, permit.v, permit.r, permit.s) {}
            catch {}
        _lock(serviceAgreementId, assetId, price, terms);
    }

    // RELEASE

    /// @inheritdoc IPaymentConditions
    function releasePayment(
        bytes32 serviceAgreementId,
        bytes32 assetId,
        uint256 price,
        bytes32 specHash,
        Outcome calldata outcome,
        bytes calldata specSignature
    ) external nonReentrant {
        _release(serviceAgreementId, assetId, price, specHash, outcome, specSignature);
    }

    /// @inheritdoc IPaymentConditions
    function releaseAttestedPayment(
        bytes32 serviceAgreementId,
        bytes32 assetId,
        uint256 price,
        bytes32 specHash,
        Outcome calldata outcome,
        bytes calldata specSignature
    ) external nonReentrant {
        _release(serviceAgreementId, assetId, price, specHash, outcome, specSignature);
    }

    /// @inheritdoc IPaymentConditions
    function commitReceipt(
        bytes32 serviceAgreementId,
        uint64 runIndex,
        bytes32 specHash,
        Outcome calldata outcome,
        bytes calldata specSignature
    ) external {
        Agreement memory agreement = _asPublisher(serviceAgreementId);
        require(runIndex != PAID_RUN, RunIsPaid(runIndex));
        require(
            serviceAgreement.conditionFulfilled(serviceAgreementId, ComputeTemplate.RELEASE),
            NotReleased(serviceAgreementId)
        );
        require(!_committed[serviceAgreementId][runIndex], ReceiptExists(serviceAgreementId, runIndex));
        bytes32 receiptHash = _provenReceipt(
            serviceAgreementId, runIndex, agreement.consumer, specHash, outcome, specSignature
        );
        _committed[serviceAgreementId][runIndex] = true;
        emit ReceiptCommitted(serviceAgreementId, receiptHash, agreement.publisher, runIndex);
        if (_isAttested(agreement.templateId)) {
            emit ReceiptAttested(serviceAgreementId, receiptHash, runIndex);
        }
    }

    // REFUND

    /// @inheritdoc IPaymentConditions
    function refundPayment(bytes32 serviceAgreementId, bytes32 assetId, uint256 price) external nonReentrant {
        _refund(serviceAgreementId, _asConsumer(serviceAgreementId), _priceHash(assetId, price));
    }

    /// @inheritdoc IPaymentConditions
    function forgoPayment(bytes32 serviceAgreementId, bytes32 assetId, uint256 price) external nonReentrant {
        Agreement memory agreement = _asPublisher(serviceAgreementId);
        if (!serviceAgreement.isAborted(serviceAgreementId)) {
            serviceAgreement.abortCondition(serviceAgreementId, ComputeTemplate.RELEASE);
        }
        _refund(serviceAgreementId, agreement, _priceHash(assetId, price));
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
        Escrow storage escrow = _escrows[serviceAgreementId];
        return (escrow.token, escrow.locked);
    }

    /// @inheritdoc IPaymentConditions
    function priceTermsOf(bytes32 serviceAgreementId) external view returns (PriceTerms memory) {
        Escrow storage escrow = _escrows[serviceAgreementId];
        return PriceTerms(escrow.token, escrow.base, escrow.fuelPrice, escrow.outputPrice);
    }

    /// @inheritdoc IPaymentConditions
    function receiptOf(bytes32 serviceAgreementId) external view returns (bytes32) {
        return receiptOfRun(serviceAgreementId, PAID_RUN);
    }

    /// @inheritdoc IPaymentConditions
    function receiptOfRun(bytes32 serviceAgreementId, uint64 runIndex) public view returns (bytes32) {
        bool committed = runIndex == PAID_RUN
            ? serviceAgreement.conditionFulfilled(serviceAgreementId, ComputeTemplate.RELEASE)
            : _committed[serviceAgreementId][runIndex];
        return committed ? _registered(serviceAgreementId, runIndex) : bytes32(0);
    }

    /// @inheritdoc IPaymentConditions
    function isAttested(bytes32 serviceAgreementId) external view returns (bool) {
        return _isAttested(serviceAgreement.getAgreement(serviceAgreementId).templateId);
    }

    /// @inheritdoc IPaymentConditions
    function amountDue(bytes32 serviceAgreementId, uint64 fuelUsed, uint64 outputBytes)
        public
        view
        returns (uint256)
    {
        Escrow storage escrow = _escrows[serviceAgreementId];
        // 64 by 128 bits each, so nothing here can overflow.
        uint256 metered = fuelUsed * uint256(escrow.fuelPrice) + outputBytes * uint256(escrow.outputPrice);
        return Math.min(escrow.locked, escrow.base + metered / RATE_UNIT);
    }

    // INTERNAL: STEPS

    function _lock(bytes32 id, bytes32 assetId, uint256 price, PriceTerms calldata terms) private {
        Agreement memory agreement = _asConsumer(id);
        require(assetId == agreement.did, WrongAsset(agreement.did, assetId));
        require(price > 0, ZeroPrice());
        uint256 value = terms.token == address(0) ? price : 0;
        require(msg.value == value, WrongValueSent(value, msg.value));
        require(
            serviceAgreement.valueHash(id, ComputeTemplate.RELEASE) == _priceHash(assetId, price),
            PriceMismatch(id, price)
        );
        _escrows[id] = Escrow({
            locked: _fitting(price),
            base: _fitting(Math.min(price, terms.base)),
            token: terms.token,
            fuelPrice: _fitting(terms.fuelPrice),
            outputPrice: _fitting(terms.outputPrice)
        });
        emit PaymentLocked(id, msg.sender, agreement.publisher, price);
        _fulfill(id, ComputeTemplate.LOCK, _termsHash(assetId, price, terms));
        if (terms.token != address(0)) _pull(IERC20(terms.token), price);
    }

    function _release(
        bytes32 id,
        bytes32 assetId,
        uint256 price,
        bytes32 specHash,
        Outcome calldata outcome,
        bytes calldata specSignature
    ) private {
        Agreement memory agreement = _asPublisher(id);
        bytes4 agreed = serviceAgreement.conditionFingerprint(agreement.templateId, ComputeTemplate.RELEASE);
        require(msg.sig == agreed, WrongRelease(agreed, msg.sig));
        bytes32 receiptHash =
            _provenReceipt(id, PAID_RUN, agreement.consumer, specHash, outcome, specSignature);
        _fulfill(id, ComputeTemplate.RELEASE, _priceHash(assetId, price));
        emit ReceiptCommitted(id, receiptHash, agreement.publisher, PAID_RUN);
        if (agreed == this.releaseAttestedPayment.selector) emit ReceiptAttested(id, receiptHash, PAID_RUN);
        _settle(id, agreement, amountDue(id, outcome.fuelUsed, outcome.outputBytes));
    }

    function _refund(bytes32 id, Agreement memory agreement, bytes32 priceHash) private {
        _fulfill(id, ComputeTemplate.REFUND, priceHash);
        uint256 amount = _escrows[id].locked;
        _escrows[id].locked = 0;
        emit PaymentRefund(id, agreement.publisher, agreement.consumer, amount);
        _pay(_escrows[id].token, agreement.consumer, amount);
    }

    // INTERNAL: RECEIPTS

    /// @dev The receipt hash, recomputed, once it is shown that the consumer ordered the spec as this very run and that the
    /// run's derived asset was registered under it.
    function _provenReceipt(
        bytes32 id,
        uint64 runIndex,
        address consumer,
        bytes32 specHash,
        Outcome calldata outcome,
        bytes calldata specSignature
    ) private view returns (bytes32 receiptHash) {
        _checkSigned(consumer, ReceiptHash.jobOrderHash(id, runIndex, specHash), specSignature);
        receiptHash = ReceiptHash.receiptHash(specHash, outcome);
        bytes32 registered = _registered(id, runIndex);
        require(registered == receiptHash, ReceiptMismatch(registered, receiptHash));
    }

    function _registered(bytes32 id, uint64 runIndex) private view returns (bytes32) {
        return didRegistry.checksumOf(didRegistry.derivedDid(id, runIndex));
    }

    function _isAttested(bytes32 templateId) private view returns (bool) {
        return serviceAgreement.conditionFingerprint(templateId, ComputeTemplate.RELEASE)
            == this.releaseAttestedPayment.selector;
    }

    // INTERNAL: MONEY

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

    function _fitting(uint256 sum) private pure returns (uint128) {
        require(sum <= type(uint128).max, SumTooLarge(sum));
        return uint128(sum);
    }

    function _fulfill(bytes32 id, uint8 index, bytes32 valueHash) private {
        serviceAgreement.fulfillCondition(id, index, valueHash);
    }

    function _settle(bytes32 id, Agreement memory agreement, uint256 due) private {
        address token = _escrows[id].token;
        uint256 rest = _escrows[id].locked - due;
        _escrows[id].locked = 0;
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
}
