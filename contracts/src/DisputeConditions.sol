// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Condition} from "./Condition.sol";
import {Payouts} from "./Payouts.sol";
import {IDIDRegistry} from "./interfaces/IDIDRegistry.sol";
import {Dispute, IDisputeConditions, Phase} from "./interfaces/IDisputeConditions.sol";
import {Agreement, AgreementState, IServiceAgreement} from "./interfaces/IServiceAgreement.sol";
import {DisputeTerms, Verdict} from "./interfaces/Types.sol";
import {ComputeTemplate} from "./libraries/ComputeTemplate.sol";
import {ReceiptHash} from "./libraries/ReceiptHash.sol";

/// @title DisputeConditions
/// @notice Specified in IDisputeConditions.
contract DisputeConditions is IDisputeConditions, Condition, Payouts {
    /// @dev One bit for each in `Dispute.heard`.
    uint256 private constant MAX_AUDITORS = 32;

    /// @inheritdoc IDisputeConditions
    uint256 public constant PAYOUT_MARGIN = 1 days;

    /// @inheritdoc IDisputeConditions
    IDIDRegistry public immutable didRegistry;

    mapping(bytes32 id => Dispute) private _disputes;

    constructor(IServiceAgreement serviceAgreement_) Condition(serviceAgreement_) {
        didRegistry = serviceAgreement_.didRegistry();
    }

    // STEPS

    /// @inheritdoc IDisputeConditions
    function claimRelease(bytes32 serviceAgreementId, DisputeTerms calldata terms) external {
        Agreement memory agreement = _asPublisher(serviceAgreementId);
        Dispute storage dispute = _disputes[serviceAgreementId];
        _checkPhase(serviceAgreementId, dispute, Phase.None);
        bytes32 agreed = serviceAgreement.valueHash(serviceAgreementId, ComputeTemplate.DISPUTE);
        bytes32 offered = disputeValueHash(agreement.did, terms);
        require(agreed == offered, WrongDisputeTerms(agreed, offered));
        require(
            serviceAgreement.conditionFulfilled(serviceAgreementId, ComputeTemplate.GRANT),
            AccessNotGranted(serviceAgreementId)
        );
        uint256 challengeDeadline = block.timestamp + terms.window;
        uint256 resolutionDeadline = challengeDeadline + terms.resolution;
        uint256 latest = agreement.releaseDeadline - PAYOUT_MARGIN;
        require(resolutionDeadline <= latest, ClaimTooLate(resolutionDeadline, latest));
        bytes32 receiptHash = didRegistry.checksumOf(didRegistry.derivedDid(serviceAgreementId, 0));
        (dispute.phase, dispute.receiptHash, dispute.termsHash) = (Phase.Claimed, receiptHash, agreed);
        dispute.challengeDeadline = uint64(challengeDeadline);
        dispute.resolutionDeadline = uint64(resolutionDeadline);
        emit ReleaseClaimed(serviceAgreementId, receiptHash, challengeDeadline, resolutionDeadline);
    }

    /// @inheritdoc IDisputeConditions
    function challengeRelease(
        bytes32 serviceAgreementId,
        DisputeTerms calldata terms,
        Verdict calldata verdict,
        bytes calldata signature
    ) external payable nonReentrant {
        Agreement memory agreement = _asConsumer(serviceAgreementId);
        Dispute storage dispute = _disputes[serviceAgreementId];
        _checkPhase(serviceAgreementId, dispute, Phase.Claimed);
        _checkBefore(dispute.challengeDeadline);
        require(msg.value == terms.bond, WrongBond(terms.bond, msg.value));
        require(verdict.replayedHash != verdict.claimHash, VerdictConfirms(verdict.claimHash));
        (dispute.phase, dispute.bond) = (Phase.Challenged, msg.value);
        emit ReleaseChallenged(serviceAgreementId, agreement.consumer, msg.value);
        _hear(serviceAgreementId, agreement, terms, verdict, signature);
    }

    /// @inheritdoc IDisputeConditions
    function submitVerdict(
        bytes32 serviceAgreementId,
        DisputeTerms calldata terms,
        Verdict calldata verdict,
        bytes calldata signature
    ) external nonReentrant {
        Dispute storage dispute = _disputes[serviceAgreementId];
        _checkPhase(serviceAgreementId, dispute, Phase.Challenged);
        _checkBefore(dispute.resolutionDeadline);
        Agreement memory agreement = serviceAgreement.getAgreement(serviceAgreementId);
        _hear(serviceAgreementId, agreement, terms, verdict, signature);
    }

    /// @inheritdoc IDisputeConditions
    function passRelease(bytes32 serviceAgreementId) external nonReentrant {
        Dispute storage dispute = _disputes[serviceAgreementId];
        Phase phase = dispute.phase;
        require(phase == Phase.Claimed || phase == Phase.Challenged, WrongPhase(serviceAgreementId, phase));
        uint256 deadline = phase == Phase.Claimed ? dispute.challengeDeadline : dispute.resolutionDeadline;
        require(block.timestamp >= deadline, TooEarly(deadline, block.timestamp));
        _pass(serviceAgreementId, serviceAgreement.getAgreement(serviceAgreementId));
    }

    /// @inheritdoc IDisputeConditions
    function reclaimBond(bytes32 serviceAgreementId) external nonReentrant {
        Agreement memory agreement = serviceAgreement.getAgreement(serviceAgreementId);
        Dispute storage dispute = _disputes[serviceAgreementId];
        _checkPhase(serviceAgreementId, dispute, Phase.Challenged);
        require(agreement.state == AgreementState.Terminated, StillOpen(serviceAgreementId));
        uint256 bond = _end(dispute, Phase.Rejected);
        _payBond(serviceAgreementId, agreement.consumer, bond);
    }

    // VIEWS

    /// @inheritdoc IDisputeConditions
    function disputeOf(bytes32 serviceAgreementId) external view returns (Dispute memory) {
        return _disputes[serviceAgreementId];
    }

    /// @inheritdoc IDisputeConditions
    function disputeValueHash(bytes32 did, DisputeTerms calldata terms) public pure returns (bytes32) {
        uint256 count = terms.auditors.length;
        require(
            terms.window > 0 && count <= MAX_AUDITORS && terms.threshold <= count
                && 2 * uint256(terms.threshold) > count,
            InvalidDisputeTerms()
        );
        for (uint256 i; i < count; ++i) {
            require(terms.auditors[i] > (i == 0 ? address(0) : terms.auditors[i - 1]), InvalidDisputeTerms());
        }
        return keccak256(
            abi.encodePacked(did, terms.window, terms.resolution, terms.bond, terms.threshold, terms.auditors)
        );
    }

    // INTERNAL

    function _checkPhase(bytes32 id, Dispute storage dispute, Phase expected) private view {
        require(dispute.phase == expected, WrongPhase(id, dispute.phase));
    }

    function _checkBefore(uint256 deadline) private view {
        require(block.timestamp < deadline, TooLate(deadline, block.timestamp));
    }

    /// @dev Counts one auditor's verdict, and ends the dispute with the one that makes the threshold.
    function _hear(
        bytes32 id,
        Agreement memory agreement,
        DisputeTerms calldata terms,
        Verdict calldata verdict,
        bytes calldata signature
    ) private {
        Dispute storage dispute = _disputes[id];
        bytes32 offered = disputeValueHash(agreement.did, terms);
        require(offered == dispute.termsHash, WrongDisputeTerms(dispute.termsHash, offered));
        require(
            verdict.agreementId == id && verdict.claimHash == dispute.receiptHash,
            WrongVerdict(dispute.receiptHash, verdict.claimHash)
        );
        uint32 bit = _auditorBit(terms.auditors, verdict.auditor);
        require(dispute.heard & bit == 0, AlreadyHeard(verdict.auditor));
        _checkSigned(verdict.auditor, ReceiptHash.verdictHash(verdict), signature);
        bool confirms = verdict.replayedHash == verdict.claimHash;
        dispute.heard |= bit;
        emit VerdictHeard(id, verdict.auditor, confirms, verdict.evidenceDigest);
        uint8 count = confirms ? ++dispute.confirming : ++dispute.disputing;
        if (count < terms.threshold) return;
        if (confirms) _pass(id, agreement);
        else _reject(id, agreement);
    }

    function _auditorBit(address[] calldata auditors, address auditor) private pure returns (uint32) {
        for (uint256 i; i < auditors.length; ++i) {
            if (auditors[i] == auditor) return uint32(1) << uint32(i);
        }
        revert NotAuditor(auditor);
    }

    function _pass(bytes32 id, Agreement memory agreement) private {
        Dispute storage dispute = _disputes[id];
        uint256 bond = _end(dispute, Phase.Passed);
        emit ReleasePassed(id, dispute.receiptHash);
        serviceAgreement.fulfillCondition(id, ComputeTemplate.DISPUTE, dispute.termsHash);
        _payBond(id, agreement.publisher, bond);
    }

    function _reject(bytes32 id, Agreement memory agreement) private {
        Dispute storage dispute = _disputes[id];
        uint256 bond = _end(dispute, Phase.Rejected);
        emit ReleaseRejected(id, dispute.receiptHash);
        serviceAgreement.abortCondition(id, ComputeTemplate.DISPUTE);
        _payBond(id, agreement.consumer, bond);
    }

    function _end(Dispute storage dispute, Phase phase) private returns (uint256 bond) {
        dispute.phase = phase;
        bond = dispute.bond;
        dispute.bond = 0;
    }

    function _payBond(bytes32 id, address winner, uint256 bond) private {
        if (bond == 0) return;
        emit BondSettled(id, winner, bond);
        _pay(address(0), winner, bond);
    }
}
