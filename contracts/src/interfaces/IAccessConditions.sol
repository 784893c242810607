// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "./ICondition.sol";
import {IDIDRegistry} from "./IDIDRegistry.sol";

/// @title AccessConditions: whether the consumer may fetch the outputs
/// @notice Condition 3 (grant). What is granted is the derived asset of run 0, which must be registered before. Assets of
/// later runs of the same agreement follow without a condition of their own.
/// @dev Roles: the *publisher* of each agreement. Holds no money.
/// Invariant: nobody has permission under an agreement that was refunded or cancelled.
interface IAccessConditions is ICondition {
    /// @notice The consumer may fetch the derived asset.
    event AccessGranted(bytes32 indexed serviceId, bytes32 indexed asset);

    /// @notice The DID is not the one of run 0 of this agreement.
    error WrongDerivedDid(bytes32 expected, bytes32 actual);

    /// @notice Access to the outputs of run 0 comes first.
    error FirstRunNotGranted(bytes32 serviceAgreementId);

    /// @notice The derived asset is not registered yet.
    error DerivedDidNotRegistered(bytes32 did);

    /// @notice Fulfil condition 3; publisher only, before the grant deadline.
    /// @dev Reverts: NotPublisher, WrongDerivedDid, DerivedDidNotRegistered.
    /// Warning: from here on the consumer can take no refund until the release deadline. A publisher that registered a wrong
    /// receipt hash cannot be paid any more; it can give the sum back at once (`forgoPayment`), or leave it to the deadline.
    function grantAccess(bytes32 serviceAgreementId, bytes32 derivedDid) external;

    /// @notice Let the consumer fetch the outputs of a later run; publisher only, once condition 3 is fulfilled.
    /// @dev Reverts: NotPublisher, AgreementNotOpen (terminated), FirstRunNotGranted, DerivedDidNotRegistered.
    /// @param runIndex number of the run under its agreement
    function grantRunAccess(bytes32 serviceAgreementId, uint64 runIndex) external;

    /// @notice Whether `consumer` may fetch `documentKeyId`: granted to them, and the agreement is not terminated.
    /// @param documentKeyId the derived asset's DID
    function checkPermissions(address consumer, bytes32 documentKeyId) external view returns (bool);

    /// @notice The deployment's registry, fixed at construction.
    function didRegistry() external view returns (IDIDRegistry);
}
