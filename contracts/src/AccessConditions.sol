// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Condition} from "./Condition.sol";
import {IAccessConditions} from "./interfaces/IAccessConditions.sol";
import {IDIDRegistry} from "./interfaces/IDIDRegistry.sol";
import {Agreement, AgreementState, IServiceAgreement} from "./interfaces/IServiceAgreement.sol";
import {ComputeTemplate} from "./libraries/ComputeTemplate.sol";

/// @title AccessConditions
/// @notice Specified in IAccessConditions.
contract AccessConditions is IAccessConditions, Condition {
    /// @inheritdoc IAccessConditions
    IDIDRegistry public immutable didRegistry;

    /// @dev A permission is tied to the agreement it came from, so that it ends with it.
    mapping(bytes32 documentKeyId => bytes32 serviceAgreementId) private _grantedBy;

    constructor(IServiceAgreement serviceAgreement_) Condition(serviceAgreement_) {
        didRegistry = serviceAgreement_.didRegistry();
    }

    /// @inheritdoc IAccessConditions
    function grantAccess(bytes32 serviceAgreementId, bytes32 derivedDid) external {
        Agreement memory agreement = _asPublisher(serviceAgreementId);
        bytes32 expected = didRegistry.derivedDid(serviceAgreementId, 0);
        require(derivedDid == expected, WrongDerivedDid(expected, derivedDid));
        _grant(serviceAgreementId, derivedDid);
        serviceAgreement.fulfillCondition(
            serviceAgreementId, ComputeTemplate.GRANT, keccak256(abi.encodePacked(agreement.did))
        );
    }

    /// @inheritdoc IAccessConditions
    function grantRunAccess(bytes32 serviceAgreementId, uint64 runIndex) external {
        AgreementState state = _asPublisher(serviceAgreementId).state;
        require(
            state != AgreementState.Terminated, IServiceAgreement.AgreementNotOpen(serviceAgreementId, state)
        );
        require(
            serviceAgreement.conditionFulfilled(serviceAgreementId, ComputeTemplate.GRANT),
            FirstRunNotGranted(serviceAgreementId)
        );
        _grant(serviceAgreementId, didRegistry.derivedDid(serviceAgreementId, runIndex));
    }

    /// @inheritdoc IAccessConditions
    function checkPermissions(address consumer, bytes32 documentKeyId) external view returns (bool) {
        bytes32 id = _grantedBy[documentKeyId];
        Agreement memory agreement = serviceAgreement.getAgreement(id);
        return consumer != address(0) && consumer == agreement.consumer
            && agreement.state != AgreementState.Terminated
            && serviceAgreement.conditionFulfilled(id, ComputeTemplate.GRANT);
    }

    // INTERNAL

    function _grant(bytes32 id, bytes32 derivedDid) private {
        require(didRegistry.ownerOf(derivedDid) != address(0), DerivedDidNotRegistered(derivedDid));
        _grantedBy[derivedDid] = id;
        emit AccessGranted(id, derivedDid);
    }
}
