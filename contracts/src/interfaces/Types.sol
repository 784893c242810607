// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What happened in a run. Second half of the execution claim (docs/RECEIPT.md).
/// @dev Field order and types are part of the receipt format: they are hashed as an EIP-712 struct.
/// @param status 0 finished (exit), 1 trap, 2 out of fuel, 3 memory limit, 4 stack limit, 5 output limit
/// @param exitCode the guest's exit code; 0 unless status is 0
/// @param trapCode the profile's number of the trap; 0 unless status is 1 or 3
/// @param fuelUsed fuel charged for the run
/// @param outputBytes bytes of all output files and of both streams together
/// @param outputsRoot root of the outputs manifest
struct Outcome {
    uint8 status;
    uint32 exitCode;
    uint32 trapCode;
    uint64 fuelUsed;
    uint64 outputBytes;
    bytes32 outputsRoot;
}

/// @notice How the locked sum is turned into a payment:
/// `min(locked, base + (fuelUsed * fuelPrice + outputBytes * outputPrice) / 1_000_000)`.
/// @dev A fixed price is `base == price` with both rates zero. All sums are in the token's smallest unit (wei).
/// @param token ERC-20 contract, or the zero address for ETH
/// @param base sum due for any run that made a claim
/// @param fuelPrice sum per million units of fuel
/// @param outputPrice sum per million bytes of output
struct PriceTerms {
    address token;
    uint256 base;
    uint256 fuelPrice;
    uint256 outputPrice;
}

/// @notice An EIP-2612 permit for exactly the price, from the caller to PaymentConditions.
/// @param deadline last second in which it counts (block.timestamp)
/// @param v,r,s the token holder's signature over the token's own EIP-712 digest
struct Permit {
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @notice What an auditor states under their name about a receipt (docs/RECEIPT.md).
/// @dev Field order and types are part of the receipt format: they are hashed as an EIP-712 struct.
/// @param claimHash the receipt hash that was re-executed
/// @param replayedHash the receipt hash that came out; the same confirms, another (or zero) disputes
/// @param agreementId the agreement the receipt belongs to
/// @param evidenceDigest digest of the auditor's text
/// @param auditor who states it
/// @param issuedAt when, in seconds since 1970; informative
struct Verdict {
    bytes32 claimHash;
    bytes32 replayedHash;
    bytes32 agreementId;
    bytes32 evidenceDigest;
    address auditor;
    uint64 issuedAt;
}

/// @notice What two parties agree on for the case that they do not agree on a result.
/// @param window seconds in which a claimed release can be challenged, from the claim
/// @param resolution seconds for the auditors, from the end of the window
/// @param bond what a challenger puts up, in wei
/// @param threshold how many auditors decide; more than half of them
/// @param auditors at most 32, in ascending order
struct DisputeTerms {
    uint32 window;
    uint32 resolution;
    uint256 bond;
    uint8 threshold;
    address[] auditors;
}
