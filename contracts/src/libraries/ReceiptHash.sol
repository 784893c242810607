// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Outcome, Verdict} from "../interfaces/Types.sol";

/// @title The receipt format's hashes (docs/RECEIPT.md), as EIP-712 structs
/// @dev Nothing here depends on a chain or a contract: a receipt hash is the same everywhere.
/// A `specHash` is `hashStruct(JobSpec)`; contracts are only ever given the hash, so the spec stays private.
library ReceiptHash {
    bytes internal constant JOB_SPEC_TYPE = "JobSpec(bytes32 profile,bytes32 agreementId,uint64 runIndex,"
        "bytes32 moduleDigest,bytes32 algorithmRoot,bytes32 invocationRoot,bytes32 inputsRoot,bytes32 randomSeed,"
        "uint64 clockStart,uint64 clockStep,uint64 fuelLimit,uint64 memoryLimit,uint64 stackLimit,"
        "uint64 outputLimit,uint64 filesLimit,bytes32 blindCommit)";

    bytes internal constant OUTCOME_TYPE =
        "Outcome(uint8 status,uint32 exitCode,uint32 trapCode,uint64 fuelUsed,uint64 outputBytes,bytes32 outputsRoot)";

    bytes32 internal constant JOB_SPEC_TYPEHASH = keccak256(JOB_SPEC_TYPE);

    bytes32 internal constant OUTCOME_TYPEHASH = keccak256(OUTCOME_TYPE);

    bytes32 internal constant EXECUTION_CLAIM_TYPEHASH =
        keccak256(bytes.concat("ExecutionClaim(JobSpec spec,Outcome outcome)", JOB_SPEC_TYPE, OUTCOME_TYPE));

    bytes32 internal constant JOB_ORDER_TYPEHASH = keccak256(
        bytes.concat("JobOrder(bytes32 serviceAgreementId,uint64 runIndex,JobSpec spec)", JOB_SPEC_TYPE)
    );

    bytes32 internal constant VERDICT_TYPEHASH = keccak256(
        "Verdict(bytes32 claimHash,bytes32 replayedHash,bytes32 agreementId,bytes32 evidenceDigest,address auditor,"
        "uint64 issuedAt)"
    );

    /// @notice hashStruct(Verdict): what an auditor signs, under the deployment's domain.
    function verdictHash(Verdict memory verdict) internal pure returns (bytes32) {
        return keccak256(abi.encode(VERDICT_TYPEHASH, verdict));
    }

    /// @notice hashStruct(Outcome).
    function outcomeHash(Outcome memory outcome) internal pure returns (bytes32) {
        return keccak256(abi.encode(OUTCOME_TYPEHASH, outcome));
    }

    /// @notice hashStruct(ExecutionClaim): the receipt hash.
    function receiptHash(bytes32 specHash, Outcome memory outcome) internal pure returns (bytes32) {
        return keccak256(abi.encode(EXECUTION_CLAIM_TYPEHASH, specHash, outcomeHash(outcome)));
    }

    /// @notice hashStruct(JobOrder): what a consumer signs, under the deployment's domain, to order a run.
    function jobOrderHash(bytes32 serviceAgreementId, uint64 runIndex, bytes32 specHash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(JOB_ORDER_TYPEHASH, serviceAgreementId, runIndex, specHash));
    }
}
