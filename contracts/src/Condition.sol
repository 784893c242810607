// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "./interfaces/ICondition.sol";
import {Agreement, IServiceAgreement} from "./interfaces/IServiceAgreement.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Role and signature checks that the condition contracts share
abstract contract Condition is ICondition {
    /// @inheritdoc ICondition
    IServiceAgreement public immutable serviceAgreement;

    constructor(IServiceAgreement serviceAgreement_) {
        serviceAgreement = serviceAgreement_;
    }

    function _asPublisher(bytes32 id) internal view returns (Agreement memory agreement) {
        agreement = serviceAgreement.getAgreement(id);
        require(msg.sender == agreement.publisher, NotPublisher(id, msg.sender));
    }

    function _asConsumer(bytes32 id) internal view returns (Agreement memory agreement) {
        agreement = serviceAgreement.getAgreement(id);
        require(msg.sender == agreement.consumer, NotConsumer(id, msg.sender));
    }

    function _checkSigned(address signer, bytes32 structHash, bytes memory signature) internal view {
        bytes32 digest = serviceAgreement.hashTypedData(structHash);
        require(Signatures.isValid(signer, digest, signature), InvalidSignature(signer, digest));
    }
}
