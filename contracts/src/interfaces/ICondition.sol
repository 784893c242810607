// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IServiceAgreement} from "./IServiceAgreement.sol";

/// @title What every condition contract has in common
/// @notice A condition contract checks who calls and what they prove, then reports to ServiceAgreement, which alone
/// decides whether the condition may be fulfilled now.
/// @dev Besides the errors below, every state-changing call passes on the errors of
/// `IServiceAgreement.fulfillCondition`.
interface ICondition {
    /// @notice The caller is not the agreement's publisher (or there is no such agreement).
    error NotPublisher(bytes32 serviceAgreementId, address caller);

    /// @notice The caller is not the agreement's consumer (or there is no such agreement).
    error NotConsumer(bytes32 serviceAgreementId, address caller);

    /// @notice The consumer's signature does not fit the digest it should be over.
    error InvalidSignature(address signer, bytes32 digest);

    /// @notice The deployment's agreements, fixed at construction.
    function serviceAgreement() external view returns (IServiceAgreement);
}
