// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Condition} from "./Condition.sol";
import {IComputeConditions} from "./interfaces/IComputeConditions.sol";
import {Agreement, AgreementState, IServiceAgreement} from "./interfaces/IServiceAgreement.sol";
import {AgreementHash} from "./libraries/AgreementHash.sol";
import {ComputeTemplate} from "./libraries/ComputeTemplate.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title ComputeConditions
/// @notice Specified in IComputeConditions.
contract ComputeConditions is IComputeConditions, Condition {
    /// @inheritdoc IComputeConditions
    mapping(bytes32 id => bytes32) public checksumOf;

    mapping(bytes32 id => bytes32) private _submittedHash;
    mapping(bytes32 id => bytes) private _submittedSignature;

    constructor(IServiceAgreement serviceAgreement_) Condition(serviceAgreement_) {}

    // UPLOAD

    /// @inheritdoc IComputeConditions
    function fulfillAlgorithmUpload(
        bytes32 serviceAgreementId,
        bytes32 did,
        bytes32 checksum,
        bytes calldata signedChecksum
    ) external {
        Agreement memory agreement = _asPublisher(serviceAgreementId);
        require(checksum != 0, ZeroChecksum());
        _fulfillUpload(serviceAgreementId, agreement, did, checksum, signedChecksum);
    }

    /// @inheritdoc IComputeConditions
    function submitHashSignature(bytes32 serviceAgreementId, bytes calldata signature) external {
        Agreement memory agreement = _asConsumer(serviceAgreementId);
        require(signature.length > 0, EmptySignature());
        _checkUploadOpen(serviceAgreementId);
        emit HashSignatureSubmitted(serviceAgreementId, msg.sender);
        bytes32 checksum = _submittedHash[serviceAgreementId];
        if (checksum == 0) {
            _submittedSignature[serviceAgreementId] = signature;
        } else {
            delete _submittedHash[serviceAgreementId];
            _fulfillUpload(serviceAgreementId, agreement, 0, checksum, signature);
        }
    }

    /// @inheritdoc IComputeConditions
    function submitAlgorithmHash(bytes32 serviceAgreementId, bytes32 checksum) external {
        Agreement memory agreement = _asPublisher(serviceAgreementId);
        require(checksum != 0, ZeroChecksum());
        _checkUploadOpen(serviceAgreementId);
        emit HashSubmitted(serviceAgreementId, msg.sender, checksum);
        bytes memory signature = _submittedSignature[serviceAgreementId];
        if (signature.length == 0) {
            _submittedHash[serviceAgreementId] = checksum;
        } else {
            delete _submittedSignature[serviceAgreementId];
            _fulfillUpload(serviceAgreementId, agreement, 0, checksum, signature);
        }
    }

    // AUTHORISE

    /// @inheritdoc IComputeConditions
    function authorizeComputation(bytes32 serviceAgreementId, address consumer) external {
        Agreement memory agreement = _asPublisher(serviceAgreementId);
        require(consumer == agreement.consumer, WrongConsumer(serviceAgreementId, consumer));
        emit ComputeGranted(serviceAgreementId, consumer, agreement.did);
        _fulfill(serviceAgreementId, agreement, ComputeTemplate.AUTHORIZE);
    }

    // VIEWS

    /// @inheritdoc IComputeConditions
    function checkPermissions(bytes32 serviceAgreementId, address consumer) public view returns (bool) {
        Agreement memory agreement = serviceAgreement.getAgreement(serviceAgreementId);
        return consumer == agreement.consumer && agreement.state != AgreementState.Terminated
            && serviceAgreement.conditionFulfilled(serviceAgreementId, ComputeTemplate.AUTHORIZE);
    }

    /// @inheritdoc IComputeConditions
    function checkPermissions(address consumer, bytes32 serviceAgreementId) external view returns (bool) {
        return checkPermissions(serviceAgreementId, consumer);
    }

    // INTERNAL

    function _checkUploadOpen(bytes32 id) private view {
        require(checksumOf[id] == 0, UploadAlreadyFulfilled(id));
        AgreementState state = serviceAgreement.getAgreement(id).state;
        require(state == AgreementState.Executed, IServiceAgreement.AgreementNotOpen(id, state));
    }

    function _fulfillUpload(
        bytes32 id,
        Agreement memory agreement,
        bytes32 did,
        bytes32 checksum,
        bytes memory signature
    ) private {
        _checkUploadSigned(id, agreement.consumer, checksum, signature);
        checksumOf[id] = checksum;
        emit FulfillUpload(id, did, agreement.consumer, checksum);
        _fulfill(id, agreement, ComputeTemplate.UPLOAD);
    }

    function _checkUploadSigned(bytes32 id, address consumer, bytes32 checksum, bytes memory signature)
        private
        view
    {
        bytes32 legacy = AgreementHash.legacyUploadDigest(id, checksum);
        if (serviceAgreement.legacySignatures() && Signatures.isValid(consumer, legacy, signature)) return;
        _checkSigned(consumer, AgreementHash.uploadHash(id, checksum), signature);
    }

    function _fulfill(bytes32 id, Agreement memory agreement, uint8 index) private {
        serviceAgreement.fulfillCondition(id, index, keccak256(abi.encodePacked(agreement.did)));
    }
}
