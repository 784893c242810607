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
