// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "./ICondition.sol";
import {IDIDRegistry} from "./IDIDRegistry.sol";
import {Outcome, PriceTerms} from "./Types.sol";

/// @title PaymentConditions: the escrow
/// @notice Conditions 1 (lock), 4 (release) and 5 (refund). Each agreement's sum is kept apart and leaves exactly once:
/// split between publisher and consumer by a release, or back to the consumer by a refund.
/// @dev Roles: *publisher* and *consumer* of each agreement; nobody else can move money and there is no owner.
/// Sums are in the token's smallest unit (wei); the zero address stands for ETH.
/// Assumes of an ERC-20: no fee on transfer (measured when locked, refused), balances that do not shrink by
/// themselves, and no callbacks that drain gas.
/// Warning: a token that can freeze this contract freezes the sums in it.
interface IPaymentConditions is ICondition {
    /// @notice The consumer locked the price. `sender` = consumer, `receiver` = publisher.
    event PaymentLocked(
        bytes32 indexed serviceId, address indexed sender, address indexed receiver, uint256 amount
    );

    /// @notice The publisher was paid `amount`. `sender` = consumer, `receiver` = publisher.
    event PaymentReleased(
        bytes32 indexed serviceId, address indexed sender, address indexed receiver, uint256 amount
    );

    /// @notice The consumer got `amount` back: all of it, or what a metered run left over.
    /// `sender` = publisher, `receiver` = consumer.
    event PaymentRefund(
        bytes32 indexed serviceId, address indexed sender, address indexed receiver, uint256 amount
    );

    /// @notice The receipt the payment was released against.
    event ReceiptCommitted(
        bytes32 indexed serviceAgreementId,
        bytes32 indexed receiptHash,
        address indexed publisher,
        uint64 runIndex
    );

    /// @notice A payout could not be delivered and waits for `withdraw`.
    event PaymentCredited(address indexed token, address indexed account, uint256 amount);

    /// @notice A waiting payout was collected.
    event CreditWithdrawn(address indexed token, address indexed account, uint256 amount);

    /// @notice A provider's transparency log had `size` entries and this root.
    event LogAnchored(address indexed provider, uint64 size, bytes32 root);

    /// @notice The asset is not the agreement's.
    error WrongAsset(bytes32 expected, bytes32 actual);

    /// @notice A price of zero.
    error ZeroPrice();

    /// @notice The ETH sent is not what is to be locked (zero for an ERC-20).
    error WrongValueSent(uint256 expected, uint256 actual);

    /// @notice The agreement would release or refund another price than the one to be locked.
    error PriceMismatch(bytes32 serviceAgreementId, uint256 price);

    /// @notice The token delivered another amount than was asked for.
    error WrongAmountReceived(uint256 expected, uint256 actual);

    /// @notice The receipt hash is not the one registered for run 0.
    error ReceiptMismatch(bytes32 registered, bytes32 recomputed);

    /// @notice There is nothing to withdraw.
    error NoCredit(address token, address account);

    /// @notice The provider anchored a log of this size, or a larger one, before.
    error LogNotLarger(uint64 anchored, uint64 size);

    /// @notice Fulfil condition 1: lock the agreed price; consumer only, once, before the lock deadline.
    /// @dev Price and terms must be exactly those hashed in the agreement; release and refund must be agreed for the
    /// same price, so that the sum can always leave again. ERC-20: approve this contract before.
    /// Reverts: NotConsumer, WrongAsset, ZeroPrice, WrongValueSent, PriceMismatch, WrongAmountReceived.
    /// @param assetId the agreement's did
    /// @param price sum to lock: the most the run can cost
    /// @param terms how the price is metered; `terms.token` is what it is paid in
    function lockPayment(
        bytes32 serviceAgreementId,
        bytes32 assetId,
        uint256 price,
        PriceTerms calldata terms
    ) external payable;

    /// @notice Fulfil condition 4: be paid for run 0 against its receipt; publisher only.
    /// @dev Recomputes the receipt hash, which must be the checksum of the registered derived asset, and checks that the
    /// consumer ordered exactly this spec: signature over JobOrder(serviceAgreementId, 0, spec). Pays `amountDue` to
    /// the publisher and the rest to the consumer in the same transaction. Who currently owns the derived asset does
    /// not matter, or the consumer could block the payment by giving it away.
    /// Reverts: NotPublisher, InvalidSignature, ReceiptMismatch.
    /// Warning: an ERC-1271 wallet can revoke its signature between run and release; a publisher may want to accept
    /// ECDSA orders only.
    /// @param specHash hashStruct(JobSpec)
    /// @param outcome what happened in the run
    /// @param specSignature the consumer's: 65-byte ECDSA, or ERC-1271
    function releasePayment(
        bytes32 serviceAgreementId,
        bytes32 assetId,
        uint256 price,
        bytes32 specHash,
        Outcome calldata outcome,
        bytes calldata specSignature
    ) external;

    /// @notice Fulfil condition 5: get everything back; consumer only, once the grant deadline has passed without a
    /// grant of access.
    /// @dev Reverts: NotConsumer.
    function refundPayment(bytes32 serviceAgreementId, bytes32 assetId, uint256 price) external;

    /// @notice Collect the caller's payouts that could not be delivered.
    /// @dev Reverts: NoCredit, and if the caller cannot receive it now either.
    function withdraw(address token) external;

    /// @notice State size and root of the caller's own transparency log, for good; anyone, for themselves.
    /// @dev The contract cannot see a log. It holds that the sizes of one provider strictly grow, so that two anchors never
    /// compete for one size; whether each tree extends the last is for auditors, who compare the log with the events.
    /// Reverts: LogNotLarger.
    /// @param size number of entries; greater than the caller's last, so never zero
    /// @param root root of the Merkle tree over them
    function anchorLog(uint64 size, bytes32 root) external;

    /// @notice The provider's last anchor and the block it is in; all zero before the first.
    function anchorOf(address provider) external view returns (uint64 size, bytes32 root, uint64 blockNumber);

    /// @notice What is locked for an agreement now; the amount is zero before lock and after release or refund.
    function lockedOf(bytes32 serviceAgreementId) external view returns (address token, uint256 amount);

    /// @notice The terms the price was locked under; kept after settlement.
    function priceTermsOf(bytes32 serviceAgreementId) external view returns (PriceTerms memory);

    /// @notice What a release would pay the publisher now:
    /// min(locked, base + (fuelUsed * fuelPrice + outputBytes * outputPrice) / 1_000_000), rounded down.
    /// @dev Where the arithmetic exceeds 256 bits, all that is locked is due.
    function amountDue(bytes32 serviceAgreementId, uint64 fuelUsed, uint64 outputBytes)
        external
        view
        returns (uint256);

    /// @notice The receipt hash the payment was released against; zero before.
    function receiptOf(bytes32 serviceAgreementId) external view returns (bytes32);

    /// @notice Payouts waiting for `account`, in `token` (zero address: ETH).
    function credits(address token, address account) external view returns (uint256);

    /// @notice The deployment's registry, fixed at construction.
    function didRegistry() external view returns (IDIDRegistry);
}
