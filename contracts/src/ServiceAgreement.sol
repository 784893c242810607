// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IDIDRegistry} from "./interfaces/IDIDRegistry.sol";
import {Agreement, AgreementState, IServiceAgreement} from "./interfaces/IServiceAgreement.sol";
import {AgreementHash} from "./libraries/AgreementHash.sol";
import {ComputeTemplate} from "./libraries/ComputeTemplate.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title ServiceAgreement
/// @notice Specified in IServiceAgreement.
contract ServiceAgreement is IServiceAgreement, Ownable2Step, EIP712 {
    /// @dev Sets of conditions are bit masks, one bit per index, wide enough for every uint8.
    struct Template {
        address owner;
        bool approved;
        uint16 needed;
        uint256 fulfillmentMask;
        address[] contracts;
        bytes32[] conditionKeys;
        uint256[] dependencies;
        uint256[] timeoutDependencies;
    }

    /// @dev One bit for each value of uint8.
    uint256 private constant MAX_CONDITIONS = 256;

    /// @inheritdoc IServiceAgreement
    IDIDRegistry public immutable didRegistry;

    mapping(bytes32 templateId => Template) private _templates;
    mapping(bytes32 id => Agreement) private _agreements;
    mapping(bytes32 id => bytes32[]) private _valueHashes;
    mapping(bytes32 id => uint256 mask) private _fulfilled;

    constructor(IDIDRegistry didRegistry_) Ownable(msg.sender) EIP712("Brizo", "1") {
        require(address(didRegistry_) != address(0), ZeroAddress());
        didRegistry = didRegistry_;
    }

    // TEMPLATES

    /// @inheritdoc IServiceAgreement
    function setupAgreementTemplate(
        bytes32 templateId,
        address[] calldata contracts,
        bytes4[] calldata fingerprints,
        uint8[][] calldata dependencies,
        uint8[][] calldata timeoutDependencies,
        uint8[] calldata fulfillmentIndices,
        uint8 fulfillmentOperator
    ) external onlyOwner {
        Template storage template = _templates[templateId];
        require(template.owner == address(0), TemplateExists(templateId));
        uint256 count = contracts.length;
        require(count >= ComputeTemplate.LENGTH && count <= MAX_CONDITIONS, InvalidConditionCount(count));
        template.owner = msg.sender;
        template.approved = true;
        _setConditions(template, templateId, contracts, fingerprints);
        _setDependencies(template, dependencies, timeoutDependencies);
        _setFulfillment(template, fulfillmentIndices, fulfillmentOperator);
        emit SetupAgreementTemplate(templateId, msg.sender);
    }

    /// @inheritdoc IServiceAgreement
    function revokeAgreementTemplate(bytes32 templateId) external onlyOwner {
        _approved(templateId).approved = false;
        emit AgreementTemplateRevoked(templateId);
    }

    // AGREEMENTS

    /// @inheritdoc IServiceAgreement
    function executeAgreement(
        bytes32 templateId,
        bytes calldata signature,
        address consumer,
        bytes32[] calldata valueHashes,
        uint256[] calldata timeoutValues,
        bytes32 serviceAgreementId,
        bytes32 did
    ) external {
        require(consumer != address(0), ZeroAddress());
        require(
            _agreements[serviceAgreementId].state == AgreementState.None, AgreementExists(serviceAgreementId)
        );
        _checkMayOffer(did);
        _checkValues(templateId, did, valueHashes, timeoutValues);
        bytes32 digest = agreementDigest(
            serviceAgreementId, templateId, did, msg.sender, consumer, valueHashes, timeoutValues
        );
        require(Signatures.isValid(consumer, digest, signature), InvalidSignature(consumer, digest));
        _store(serviceAgreementId, templateId, did, consumer, timeoutValues);
        _valueHashes[serviceAgreementId] = valueHashes;
        _announce(serviceAgreementId, templateId, did, consumer);
    }

    /// @inheritdoc IServiceAgreement
    function fulfillCondition(bytes32 serviceAgreementId, uint8 index, bytes32 valueHash_) external {
        Agreement storage agreement = _open(serviceAgreementId);
        Template storage template = _templates[agreement.templateId];
        _checkCaller(template, index);
        bytes32 expected = _valueHashes[serviceAgreementId][index];
        require(valueHash_ == expected, WrongValueHash(index, expected, valueHash_));
        _checkOrder(serviceAgreementId, agreement, template, index);
        _fulfilled[serviceAgreementId] |= _bit(index);
        emit ConditionFulfilled(serviceAgreementId, agreement.templateId, template.conditionKeys[index]);
        if (index == ComputeTemplate.REFUND) {
            _terminate(serviceAgreementId, agreement);
        } else if (index == ComputeTemplate.RELEASE && _isSatisfied(serviceAgreementId, template)) {
            _complete(serviceAgreementId, agreement, template);
        }
    }

    /// @inheritdoc IServiceAgreement
    function fulfillAgreement(bytes32 serviceAgreementId) external {
        Agreement storage agreement = _open(serviceAgreementId);
        Template storage template = _templates[agreement.templateId];
        require(
            conditionFulfilled(serviceAgreementId, ComputeTemplate.RELEASE)
                && _isSatisfied(serviceAgreementId, template),
            NotFulfillable(serviceAgreementId)
        );
        _complete(serviceAgreementId, agreement, template);
    }

    /// @inheritdoc IServiceAgreement
    function cancelAgreement(bytes32 serviceAgreementId) external {
        Agreement storage agreement = _open(serviceAgreementId);
        require(
            !conditionFulfilled(serviceAgreementId, ComputeTemplate.LOCK), PaymentIsLocked(serviceAgreementId)
        );
        _checkPassed(agreement, ComputeTemplate.LOCK);
        _terminate(serviceAgreementId, agreement);
    }

    // VIEWS

    /// @inheritdoc IServiceAgreement
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @inheritdoc IServiceAgreement
    function hashTypedData(bytes32 structHash) public view returns (bytes32) {
        return _hashTypedDataV4(structHash);
    }

    /// @inheritdoc IServiceAgreement
    function agreementDigest(
        bytes32 serviceAgreementId,
        bytes32 templateId,
        bytes32 did,
        address publisher,
        address consumer,
        bytes32[] calldata valueHashes,
        uint256[] calldata timeouts
    ) public view returns (bytes32) {
        bytes32 keysHash = keccak256(abi.encodePacked(_approved(templateId).conditionKeys));
        bytes32 valuesHash = keccak256(abi.encodePacked(valueHashes));
        bytes32 timeoutsHash = keccak256(abi.encodePacked(timeouts));
        bytes memory head = abi.encode(
            AgreementHash.AGREEMENT_TYPEHASH, serviceAgreementId, templateId, did, publisher, consumer
        );
        return hashTypedData(keccak256(bytes.concat(head, keysHash, valuesHash, timeoutsHash)));
    }

    /// @inheritdoc IServiceAgreement
    function getAgreement(bytes32 serviceAgreementId) external view returns (Agreement memory) {
        return _agreements[serviceAgreementId];
    }

    /// @inheritdoc IServiceAgreement
    function conditionFulfilled(bytes32 serviceAgreementId, uint8 index) public view returns (bool) {
        return _fulfilled[serviceAgreementId] & _bit(index) != 0;
    }

    /// @inheritdoc IServiceAgreement
    function valueHash(bytes32 serviceAgreementId, uint8 index) external view returns (bytes32) {
        bytes32[] storage hashes = _valueHashes[serviceAgreementId];
        require(index < hashes.length, UnknownCondition(index));
        return hashes[index];
    }

    /// @inheritdoc IServiceAgreement
    function getTemplateConditionKeys(bytes32 templateId) external view returns (bytes32[] memory) {
        return _templates[templateId].conditionKeys;
    }

    /// @inheritdoc IServiceAgreement
    function isTemplateApproved(bytes32 templateId) external view returns (bool) {
        return _templates[templateId].approved;
    }

    // INTERNAL: TEMPLATES

    function _approved(bytes32 templateId) private view returns (Template storage template) {
        template = _templates[templateId];
        require(template.approved, TemplateNotApproved(templateId));
    }

    function _setConditions(
        Template storage template,
        bytes32 templateId,
        address[] calldata contracts,
        bytes4[] calldata fingerprints
    ) private {
        _checkLength(contracts.length, fingerprints.length);
        for (uint256 i; i < contracts.length; ++i) {
            require(contracts[i] != address(0), ZeroAddress());
            template.conditionKeys
                .push(keccak256(abi.encodePacked(templateId, contracts[i], fingerprints[i])));
        }
        template.contracts = contracts;
    }

    function _setDependencies(
        Template storage template,
        uint8[][] calldata dependencies,
        uint8[][] calldata timeoutDependencies
    ) private {
        uint256 count = template.contracts.length;
        _checkLength(count, dependencies.length);
        _checkLength(count, timeoutDependencies.length);
        for (uint256 i; i < count; ++i) {
            template.dependencies.push(_dependencyMask(i, dependencies[i], 0, count));
            // Only these three conditions have a deadline that can pass.
            template.timeoutDependencies
                .push(
                    _dependencyMask(
                        i, timeoutDependencies[i], ComputeTemplate.LOCK, uint256(ComputeTemplate.GRANT) + 1
                    )
                );
        }
    }

    function _setFulfillment(Template storage template, uint8[] calldata indices, uint8 operator) private {
        uint256 mask;
        for (uint256 i; i < indices.length; ++i) {
            require(indices[i] < template.contracts.length, InvalidFulfillment());
            require(
                indices[i] != ComputeTemplate.REFUND && mask & _bit(indices[i]) == 0, InvalidFulfillment()
            );
            mask |= _bit(indices[i]);
        }
        require(indices.length > 0 && operator <= indices.length, InvalidFulfillment());
        template.fulfillmentMask = mask;
        template.needed = operator == 0 ? uint16(indices.length) : operator;
    }

    function _dependencyMask(uint256 index, uint8[] calldata dependencies, uint256 from, uint256 to)
        private
        pure
        returns (uint256 mask)
    {
        for (uint256 i; i < dependencies.length; ++i) {
            uint8 dependency = dependencies[i];
            require(
                dependency != index && dependency >= from && dependency < to,
                InvalidDependency(index, dependency)
            );
            mask |= _bit(dependency);
        }
    }

    function _checkLength(uint256 expected, uint256 actual) private pure {
        require(actual == expected, LengthMismatch(expected, actual));
    }

    // INTERNAL: AGREEMENTS

    function _checkMayOffer(bytes32 did) private view {
        require(
            didRegistry.ownerOf(did) == msg.sender || didRegistry.isDIDProvider(did, msg.sender),
            NotDidOwnerOrProvider(did, msg.sender)
        );
    }

    function _checkValues(
        bytes32 templateId,
        bytes32 did,
        bytes32[] calldata valueHashes,
        uint256[] calldata timeouts
    ) private view {
        uint256 count = _approved(templateId).contracts.length;
        _checkLength(count, valueHashes.length);
        _checkLength(count, timeouts.length);
        bytes32 didHash = keccak256(abi.encodePacked(did));
        _checkValueHash(ComputeTemplate.UPLOAD, didHash, valueHashes);
        _checkValueHash(ComputeTemplate.AUTHORIZE, didHash, valueHashes);
        _checkValueHash(ComputeTemplate.GRANT, didHash, valueHashes);
        uint256 lock = timeouts[ComputeTemplate.LOCK];
        uint256 grant = timeouts[ComputeTemplate.GRANT];
        require(grant > 0 && grant <= type(uint32).max, InvalidTimeout(ComputeTemplate.GRANT, grant));
        require(lock <= grant, InvalidTimeout(ComputeTemplate.LOCK, lock));
    }

    function _checkValueHash(uint8 index, bytes32 expected, bytes32[] calldata valueHashes) private pure {
        require(valueHashes[index] == expected, WrongValueHash(index, expected, valueHashes[index]));
    }

    function _store(
        bytes32 id,
        bytes32 templateId,
        bytes32 did,
        address consumer,
        uint256[] calldata timeouts
    ) private {
        uint256 grant = timeouts[ComputeTemplate.GRANT];
        uint256 lock = timeouts[ComputeTemplate.LOCK];
        _agreements[id] = Agreement({
            templateId: templateId,
            did: did,
            publisher: msg.sender,
            consumer: consumer,
            executedAt: uint64(block.timestamp),
            // Timeouts are below 2^32, so the sums fit 64 bits.
            lockDeadline: uint64(block.timestamp + (lock == 0 ? grant : lock)),
            grantDeadline: uint64(block.timestamp + grant),
            state: AgreementState.Executed
        });
    }

    function _announce(bytes32 id, bytes32 templateId, bytes32 did, address consumer) private {
        emit ExecuteAgreement(id, templateId, did, true, _templates[templateId].owner, consumer, true);
    }

    function _open(bytes32 id) private view returns (Agreement storage agreement) {
        agreement = _agreements[id];
        require(agreement.state == AgreementState.Executed, AgreementNotOpen(id, agreement.state));
    }

    function _checkCaller(Template storage template, uint8 index) private view {
        require(index < template.contracts.length, UnknownCondition(index));
        address expected = template.contracts[index];
        require(msg.sender == expected, NotConditionContract(index, expected, msg.sender));
    }

    function _checkOrder(bytes32 id, Agreement storage agreement, Template storage template, uint8 index)
        private
        view
    {
        uint256 done = _fulfilled[id];
        require(done & _bit(index) == 0, ConditionAlreadyFulfilled(id, index));
        uint256 missing = template.dependencies[index] & ~done;
        require(missing == 0, UnfulfilledDependencies(id, index, missing));
        uint256 deadline = _deadline(agreement, index);
        require(block.timestamp < deadline, DeadlinePassed(index, deadline, block.timestamp));
        _checkTimeouts(id, agreement, template.timeoutDependencies[index], index);
    }

    function _checkTimeouts(bytes32 id, Agreement storage agreement, uint256 mask, uint8 index) private view {
        for (uint8 j = ComputeTemplate.LOCK; j <= ComputeTemplate.GRANT; ++j) {
            if (mask & _bit(j) == 0) continue;
            require(!conditionFulfilled(id, j), DependencyFulfilled(id, index, j));
            _checkPassed(agreement, j);
        }
    }

    function _checkPassed(Agreement storage agreement, uint8 index) private view {
        uint256 deadline = _deadline(agreement, index);
        require(block.timestamp >= deadline, DeadlineNotPassed(index, deadline, block.timestamp));
    }

    function _deadline(Agreement storage agreement, uint8 index) private view returns (uint256) {
        if (index == ComputeTemplate.LOCK) return agreement.lockDeadline;
        if (index == ComputeTemplate.AUTHORIZE || index == ComputeTemplate.GRANT) {
            return agreement.grantDeadline;
        }
        return type(uint256).max;
    }

    function _isSatisfied(bytes32 id, Template storage template) private view returns (bool) {
        uint256 counted = _fulfilled[id] & template.fulfillmentMask;
        uint256 count;
        for (; counted != 0; counted &= counted - 1) {
            ++count;
        }
        return count >= template.needed;
    }

    function _complete(bytes32 id, Agreement storage agreement, Template storage template) private {
        agreement.state = AgreementState.Fulfilled;
        emit AgreementFulfilled(id, agreement.templateId, template.owner);
    }

    function _terminate(bytes32 id, Agreement storage agreement) private {
        agreement.state = AgreementState.Terminated;
        emit AgreementTerminated(id, agreement.templateId);
    }

    function _bit(uint8 index) private pure returns (uint256) {
        return uint256(1) << index;
    }
}
