// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "./ICondition.sol";
import {IDIDRegistry} from "./IDIDRegistry.sol";
import {IPayouts} from "./IPayouts.sol";
import {DisputeTerms, Verdict} from "./Types.sol";

/// @notice None → Claimed → Passed, or → Challenged → Passed or Rejected. Passed and Rejected accept nothing more.
enum Phase {
    None,
    Claimed,
    Challenged,
    Passed,
    Rejected
}

/// @notice Where an agreement stands. Times are in seconds (block.timestamp).
/// @param phase see Phase
/// @param confirming auditors that confirmed the receipt
/// @param disputing auditors that disputed it
/// @param heard bit i: a verdict of auditor i was counted
/// @param challengeDeadline the claim can be challenged before this time
/// @param resolutionDeadline verdicts are heard before this time; from it on silence is for the publisher
/// @param receiptHash what is claimed
/// @param termsHash value hash of the terms, as the agreement has it
/// @param bond held for the winner, in wei
struct Dispute {
    Phase phase;
    uint8 confirming;
    uint8 disputing;
    uint32 heard;
    uint64 challengeDeadline;
    uint64 resolutionDeadline;
    bytes32 receiptHash;
    bytes32 termsHash;
    uint256 bond;
}

/// @title DisputeConditions: time to object before a payment
/// @notice Condition 6, in templates that have it: the release then waits for it. After access was granted the publisher
/// claims the release. Unless the consumer challenges the claim within the window, with a bond and the signed verdict of one
/// of the auditors that the agreement names, it passes. If it is challenged, k of the n auditors decide: their verdicts
/// confirm it (it passes, and the publisher gets the bond) or dispute it (the consumer gets the bond, and can take the refund
/// at once). If they stay silent it passes too.
/// @dev Roles: *publisher* and *consumer* of each agreement; the *auditors* its terms name. There is no owner. It holds bonds
/// only, in wei, each for one agreement; the price stays in PaymentConditions.
/// Agreed are the terms by their value hash, valueHashes[6] = `disputeValueHash`. They are shown on chain by whoever needs
/// them. Every deadline is fixed at the claim, and all of them lie PAYOUT_MARGIN before the release deadline, so that a
/// challenge cannot drag on until the consumer can take a refund anyway.
/// Invariants: a phase never goes back; an auditor is heard once; since k is more than half of n, the order in which verdicts
/// arrive does not matter.
/// Assumes: auditors are honest in their majority, and re-execute what they judge. For attested receipts that is not
/// possible; such a template should not be combined with disputes.
/// Warning: the publisher must check the terms before it executes the agreement. With terms that are invalid, or whose
/// periods do not fit before the release deadline, it can never be paid.
/// Warning: a consumer whose auditor is right but whose other auditors are silent loses the bond.
interface IDisputeConditions is ICondition, IPayouts {
    /// @notice The publisher wants to be paid for this receipt.
    event ReleaseClaimed(
        bytes32 indexed serviceAgreementId,
        bytes32 indexed receiptHash,
        uint256 challengeDeadline,
        uint256 resolutionDeadline
    );

    /// @notice The consumer objects, and puts up `bond` wei.
    event ReleaseChallenged(bytes32 indexed serviceAgreementId, address indexed consumer, uint256 bond);

    /// @notice An auditor's verdict was counted.
    event VerdictHeard(
        bytes32 indexed serviceAgreementId, address indexed auditor, bool confirms, bytes32 evidenceDigest
    );

    /// @notice Condition 6 is fulfilled: the publisher can release.
    event ReleasePassed(bytes32 indexed serviceAgreementId, bytes32 indexed receiptHash);

    /// @notice Condition 6 has failed: the consumer can take a refund.
    event ReleaseRejected(bytes32 indexed serviceAgreementId, bytes32 indexed receiptHash);

    /// @notice The bond went to `winner`.
    event BondSettled(bytes32 indexed serviceAgreementId, address indexed winner, uint256 amount);

    /// @notice This call is not for the phase the agreement is in.
    error WrongPhase(bytes32 serviceAgreementId, Phase phase);

    /// @notice The terms are not those of the agreement; compared by value hash.
    error WrongDisputeTerms(bytes32 expected, bytes32 actual);

    /// @notice No window, more than 32 auditors or not in ascending order, or a threshold that is not more than half of them.
    error InvalidDisputeTerms();

    /// @notice Condition 3 comes first.
    error AccessNotGranted(bytes32 serviceAgreementId);

    /// @notice Window and resolution would end after `latest`, too close to the release deadline.
    error ClaimTooLate(uint256 resolutionDeadline, uint256 latest);

    /// @notice The time for this is over.
    error TooLate(uint256 deadline, uint256 nowTime);

    /// @notice The time for this has not come.
    error TooEarly(uint256 deadline, uint256 nowTime);

    /// @notice The ETH sent is not the bond.
    error WrongBond(uint256 expected, uint256 actual);

    /// @notice A challenge needs a verdict that disputes.
    error VerdictConfirms(bytes32 claimHash);

    /// @notice The verdict is about another receipt or agreement.
    error WrongVerdict(bytes32 expected, bytes32 actual);

    /// @notice The agreement does not name this auditor.
    error NotAuditor(address auditor);

    /// @notice A verdict of this auditor was counted before.
    error AlreadyHeard(address auditor);

    /// @notice The agreement is not terminated, so the dispute goes on.
    error StillOpen(bytes32 serviceAgreementId);

    /// @notice Start the window; publisher only, once access is granted, once.
    /// @dev Reverts: NotPublisher, WrongPhase, WrongDisputeTerms, InvalidDisputeTerms, AccessNotGranted, ClaimTooLate.
    function claimRelease(bytes32 serviceAgreementId, DisputeTerms calldata terms) external;

    /// @notice Object to the claim; consumer only, before the challenge deadline, with exactly the bond.
    /// @dev The verdict must dispute and counts as the first one heard; with a threshold of one it decides.
    /// Reverts: NotConsumer, WrongPhase, TooLate, WrongBond, VerdictConfirms, and as `submitVerdict`.
    function challengeRelease(
        bytes32 serviceAgreementId,
        DisputeTerms calldata terms,
        Verdict calldata verdict,
        bytes calldata signature
    ) external payable;

    /// @notice Hand in an auditor's verdict on a challenged claim, before the resolution deadline; anyone.
    /// @dev Reverts: WrongPhase, TooLate, WrongDisputeTerms, WrongVerdict, NotAuditor, AlreadyHeard, InvalidSignature.
    /// @param signature the auditor's over Verdict under the deployment's domain: 65-byte ECDSA, or ERC-1271
    function submitVerdict(
        bytes32 serviceAgreementId,
        DisputeTerms calldata terms,
        Verdict calldata verdict,
        bytes calldata signature
    ) external;

    /// @notice Let a claim pass that nobody challenged in time, or that the auditors left open; anyone.
    /// @dev Reverts: WrongPhase, TooEarly.
    function passRelease(bytes32 serviceAgreementId) external;

    /// @notice Give the bond of an undecided challenge back to the consumer, if the agreement ended otherwise: the publisher
    /// gave the payment back, or let the release deadline pass; anyone.
    /// @dev Reverts: WrongPhase, StillOpen.
    function reclaimBond(bytes32 serviceAgreementId) external;

    /// @notice Where the agreement stands; all zero before a claim.
    function disputeOf(bytes32 serviceAgreementId) external view returns (Dispute memory);

    /// @notice valueHashes[6]: keccak256(packed(did, window, resolution, bond, threshold, auditors)).
    /// @dev Reverts: InvalidDisputeTerms. So it is the check to make before signing or executing.
    function disputeValueHash(bytes32 did, DisputeTerms calldata terms) external pure returns (bytes32);

    /// @notice Seconds between the last resolution deadline and the release deadline.
    function PAYOUT_MARGIN() external view returns (uint256);

    /// @notice The deployment's registry, fixed at construction.
    function didRegistry() external view returns (IDIDRegistry);
}
