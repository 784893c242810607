// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "./ICondition.sol";
import {IDIDRegistry} from "./IDIDRegistry.sol";
import {IPayouts} from "./IPayouts.sol";
import {Outcome, Permit, PriceTerms} from "./Types.sol";

/// @title PaymentConditions: the escrow
/// @notice Conditions 1 (lock), 4 (release) and 5 (refund). Each agreement's sum is kept apart and leaves exactly once:
/// split between publisher and consumer by a release, or back to the consumer by a refund.
/// @dev Roles: *publisher* and *consumer* of each agreement; nobody else can move money and there is no owner.
/// Sums are in the token's smallest unit (wei); the zero address stands for ETH.
/// Invariants: what this contract holds of a token is at least what is locked in it and credited in it. An agreement's sum
/// is paid from what was locked for it and from nothing else. An agreement that was paid for has exactly one receipt hash
/// for run 0, and it never changes.
/// Assumes of an ERC-20: no fee on transfer (measured when locked, refused), balances that do not shrink by
/// themselves, and no callbacks that drain gas. One that returns false instead of reverting, or nothing at all, is fine.
/// Warning: a token that can freeze this contract freezes the sums in it.
interface IPaymentConditions is ICondition, IPayouts {
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

    /// @notice The receipt of a run: for run 0 the one the payment was released against.
    event ReceiptCommitted(
        bytes32 indexed serviceAgreementId,
        bytes32 indexed receiptHash,
        address indexed publisher,
        uint64 runIndex
    );

    /// @notice The receipt is attested only: the run was made in a container, and nobody can recompute it. Follows
    /// ReceiptCommitted.
    event ReceiptAttested(bytes32 indexed serviceAgreementId, bytes32 indexed receiptHash, uint64 runIndex);

    /// @notice A provider's transparency log had `size` entries and this root.
    event LogAnchored(address indexed provider, uint64 size, bytes32 root);

    /// @notice The asset is not the agreement's.
    error WrongAsset(bytes32 expected, bytes32 actual);

    /// @notice A price of zero.
    error ZeroPrice();

    /// @notice Price and rates are below 2^128.
    error SumTooLarge(uint256 sum);

    /// @notice The ETH sent is not what is to be locked (zero for an ERC-20).
    error WrongValueSent(uint256 expected, uint256 actual);

    /// @notice The agreement would release and refund another price than the one to be locked.
    error PriceMismatch(bytes32 serviceAgreementId, uint256 price);

    /// @notice The token delivered another amount than was asked for.
    error WrongAmountReceived(uint256 expected, uint256 actual);

    /// @notice The receipt hash is not the one registered for the run.
    error ReceiptMismatch(bytes32 registered, bytes32 recomputed);

    /// @notice A permit without a token contract to give it to.
    error PermitNeedsToken(address token);

    /// @notice The agreement's template names another function for the release: receipts of containers are released as
    /// attested, others are not.
    error WrongRelease(bytes4 expected, bytes4 actual);

    /// @notice The run has its receipt already.
    error ReceiptExists(bytes32 serviceAgreementId, uint64 runIndex);

    /// @notice This run's receipt is committed by its release.
    error RunIsPaid(uint64 runIndex);

    /// @notice Later runs can have receipts once the first was paid.
    error NotReleased(bytes32 serviceAgreementId);

    /// @notice The provider anchored a log of this size, or a larger one, before.
    error LogNotLarger(uint64 anchored, uint64 size);

    /// @notice Fulfil condition 1: lock the agreed price; consumer only, once, before the lock deadline.
    /// @dev Price and terms must be exactly those hashed in the agreement; release and refund must be agreed for the
    /// same price, so that the sum can always leave again. ERC-20: approve this contract before.
    /// Reverts: NotConsumer, WrongAsset, ZeroPrice, SumTooLarge, WrongValueSent, PriceMismatch, WrongAmountReceived.
    /// @param assetId the agreement's did
    /// @param price sum to lock: the most the run can cost
    /// @param terms how the price is metered; `terms.token` is what it is paid in
    function lockPayment(
        bytes32 serviceAgreementId,
        bytes32 assetId,
        uint256 price,
        PriceTerms calldata terms
    ) external payable;

    /// @notice `lockPayment` in a token without an allowance, in one transaction; consumer only.
    /// @dev A permit that the token refuses is ignored: what counts is that the allowance is there, because anyone may have
    /// handed the permit in before. Reverts: PermitNeedsToken, and as `lockPayment`.
    /// @param permit the consumer's EIP-2612 permit of `price` for this contract
    function lockPaymentWithPermit(
        bytes32 serviceAgreementId,
        bytes32 assetId,
        uint256 price,
        PriceTerms calldata terms,
        Permit calldata permit
    ) external;

    /// @notice Fulfil condition 4: be paid for run 0 against its receipt; publisher only.
    /// @dev Recomputes the receipt hash, which must be the checksum of the registered derived asset, and checks that the
    /// consumer ordered exactly this spec: signature over JobOrder(serviceAgreementId, 0, spec). Pays `amountDue` to
    /// the publisher and the rest to the consumer in the same transaction. Who currently owns the derived asset does
    /// not matter, or the consumer could block the payment by giving it away.
    /// Reverts: NotPublisher, WrongRelease, InvalidSignature, ReceiptMismatch.
    /// Warning: from the release deadline on the consumer can take a refund instead, so be in time.
    /// Warning: an ERC-1271 wallet can revoke its signature between run and release, and have result and refund; a publisher
    /// may want to accept ECDSA orders only.
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

    /// @notice `releasePayment` for a run in a container: the same checks, and the receipt is marked as attested.
    /// @dev Which of the two it is was agreed with the template, whose fingerprint of condition 4 names the function; so
    /// neither side can pass one kind off as the other. Reverts: as `releasePayment`.
    function releaseAttestedPayment(
        bytes32 serviceAgreementId,
        bytes32 assetId,
        uint256 price,
        bytes32 specHash,
        Outcome calldata outcome,
        bytes calldata specSignature
    ) external;

    /// @notice Commit the receipt of a later run of an agreement that was paid; publisher only, once for each run.
    /// @dev Needs what a release needs: the consumer's order for this very run, and the derived asset registered under the
    /// receipt hash. No money moves. Reverts: NotPublisher, RunIsPaid, NotReleased, InvalidSignature, ReceiptMismatch,
    /// ReceiptExists.
    /// @param runIndex number of the run under its agreement, from 1
    function commitReceipt(
        bytes32 serviceAgreementId,
        uint64 runIndex,
        bytes32 specHash,
        Outcome calldata outcome,
        bytes calldata specSignature
    ) external;

    /// @notice Fulfil condition 5: get everything back; consumer only. Possible from the grant deadline on if access was not
    /// granted, from the release deadline on if it was but the payment not released, and at once if the release has become
    /// impossible.
    /// @dev Reverts: NotConsumer.
    function refundPayment(bytes32 serviceAgreementId, bytes32 assetId, uint256 price) external;

    /// @notice Give everything back to the consumer at once; publisher only, at any time between lock and release.
    /// @dev For a publisher that cannot or will not run, or that registered a wrong receipt hash. Fulfils condition 5.
    /// Reverts: NotPublisher.
    function forgoPayment(bytes32 serviceAgreementId, bytes32 assetId, uint256 price) external;

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

    /// @notice The terms the price was locked under; kept after settlement. A base above the price is given as the price,
    /// which comes to the same.
    function priceTermsOf(bytes32 serviceAgreementId) external view returns (PriceTerms memory);

    /// @notice What a release would pay the publisher now:
    /// min(locked, base + (fuelUsed * fuelPrice + outputBytes * outputPrice) / 1_000_000), rounded down.
    function amountDue(bytes32 serviceAgreementId, uint64 fuelUsed, uint64 outputBytes)
        external
        view
        returns (uint256);

    /// @notice The receipt hash the payment was released against; zero before.
    function receiptOf(bytes32 serviceAgreementId) external view returns (bytes32);

    /// @notice The receipt hash of any run; zero before it is committed.
    function receiptOfRun(bytes32 serviceAgreementId, uint64 runIndex) external view returns (bytes32);

    /// @notice Whether the agreement's receipts are attested only: its template is one for containers.
    function isAttested(bytes32 serviceAgreementId) external view returns (bool);

    /// @notice The deployment's registry, fixed at construction.
    function didRegistry() external view returns (IDIDRegistry);
}
