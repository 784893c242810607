// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Ownable} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {Templates} from "./Templates.sol";
import {IDIDRegistry} from "./interfaces/IDIDRegistry.sol";
import {Agreement, AgreementState, IServiceAgreement} from "./interfaces/IServiceAgreement.sol";
import {AgreementHash} from "./libraries/AgreementHash.sol";
import {ComputeTemplate} from "./libraries/ComputeTemplate.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title ServiceAgreement
/// @notice Specified in IServiceAgreement.
contract ServiceAgreement is IServiceAgreement, Templates, EIP712 {
    /// @dev Agreement as it is stored: four slots. Times of 40 bits hold until the year 36812.
    struct Record {
        bytes32 templateId;
        bytes32 did;
        address publisher;
        uint40 executedAt;
        uint40 lockDeadline;
        uint16 fulfilled;
        address consumer;
        uint40 grantDeadline;
        uint40 releaseDeadline;
        AgreementState state;
        bool aborted;
    }

    /// @inheritdoc IServiceAgreement
    uint256 public constant DEFAULT_RELEASE_PERIOD = 7 days;

    /// @inheritdoc IServiceAgreement
    IDIDRegistry public immutable didRegistry;

    /// @inheritdoc IServiceAgreement
    bool public immutable legacySignatures;

    mapping(bytes32 id => Record) private _agreements;

    /// @dev Only of LOCK, RELEASE and what a template appends; the others follow from the asset or are the release's.
    mapping(bytes32 id => mapping(uint256 index => bytes32)) private _valueHashes;

    /// @param legacySignatures_ whether signatures in the old style count besides EIP-712
    constructor(IDIDRegistry didRegistry_, bool legacySignatures_) Ownable(msg.sender) EIP712("Brizo", "1") {
        require(address(didRegistry_) != address(0), ZeroAddress());
        didRegistry = didRegistry_;
        legacySignatures = legacySignatures_;
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
        _checkValues(templateId, did, valueHashes);
        _checkTimes(valueHashes.length, timeoutValues);
        bytes32 digest = agreementDigest(
            serviceAgreementId, templateId, did, msg.sender, consumer, valueHashes, timeoutValues
        );
        if (!Signatures.isValid(consumer, digest, signature)) {
            require(legacySignatures, InvalidSignature(consumer, digest));
            digest = legacyAgreementDigest(serviceAgreementId, templateId, valueHashes, timeoutValues);
            require(Signatures.isValid(consumer, digest, signature), InvalidSignature(consumer, digest));
        }
        _store(serviceAgreementId, templateId, did, consumer, timeoutValues);
        _storeValues(serviceAgreementId, valueHashes);
        _announce(serviceAgreementId, templateId, did, consumer);
    }

    /// @inheritdoc IServiceAgreement
    function fulfillCondition(bytes32 serviceAgreementId, uint8 index, bytes32 valueHash_) external {
        Record storage agreement = _open(serviceAgreementId);
        bytes32 templateId = agreement.templateId;
        Rule memory rule = _ruleOfCaller(templateId, index);
        bytes32 expected = _valueHash(serviceAgreementId, agreement, index);
        require(valueHash_ == expected, WrongValueHash(index, expected, valueHash_));
        _checkOrder(serviceAgreementId, agreement, rule, index);
        uint16 fulfilled = agreement.fulfilled | _bit(index);
        agreement.fulfilled = fulfilled;
        emit ConditionFulfilled(serviceAgreementId, templateId, _conditionKey(templateId, rule));
        if (index == ComputeTemplate.REFUND) {
            _terminate(serviceAgreementId, agreement);
        } else if (index == ComputeTemplate.RELEASE && _isSatisfied(templateId, fulfilled)) {
            _complete(serviceAgreementId, agreement);
        }
    }

    /// @inheritdoc IServiceAgreement
    function abortCondition(bytes32 serviceAgreementId, uint8 index) external {
        Record storage agreement = _open(serviceAgreementId);
        bytes32 templateId = agreement.templateId;
        Rule memory rule = _ruleOfCaller(templateId, index);
        uint16 release = _bit(ComputeTemplate.RELEASE);
        uint16 needed = release | _rules[templateId][ComputeTemplate.RELEASE].dependencies;
        require(needed & _bit(index) != 0, NotAbortable(index));
        require(
            agreement.fulfilled & (release | _bit(index)) == 0,
            ConditionAlreadyFulfilled(serviceAgreementId, index)
        );
        agreement.aborted = true;
        emit ConditionAborted(serviceAgreementId, templateId, _conditionKey(templateId, rule));
    }

    /// @inheritdoc IServiceAgreement
    function fulfillAgreement(bytes32 serviceAgreementId) external {
        Record storage agreement = _open(serviceAgreementId);
        uint16 fulfilled = agreement.fulfilled;
        require(
            fulfilled & _bit(ComputeTemplate.RELEASE) != 0 && _isSatisfied(agreement.templateId, fulfilled),
            NotFulfillable(serviceAgreementId)
        );
        _complete(serviceAgreementId, agreement);
    }

    /// @inheritdoc IServiceAgreement
    function cancelAgreement(bytes32 serviceAgreementId) external {
        Record storage agreement = _open(serviceAgreementId);
        require(agreement.fulfilled & _bit(ComputeTemplate.LOCK) == 0, PaymentIsLocked(serviceAgreementId));
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
        bytes32 keysHash = _approved(templateId).keysHash;
        bytes32 valuesHash = keccak256(abi.encodePacked(valueHashes));
        bytes32 timeoutsHash = keccak256(abi.encodePacked(timeouts));
        bytes memory head = abi.encode(
            AgreementHash.AGREEMENT_TYPEHASH, serviceAgreementId, templateId, did, publisher, consumer
        );
        return hashTypedData(keccak256(bytes.concat(head, keysHash, valuesHash, timeoutsHash)));
    }

    /// @inheritdoc IServiceAgreement
    function legacyAgreementDigest(
        bytes32 serviceAgreementId,
        bytes32 templateId,
        bytes32[] calldata valueHashes,
        uint256[] calldata timeouts
    ) public view returns (bytes32) {
        _approved(templateId);
        return AgreementHash.legacyAgreementDigest(
            templateId, getTemplateConditionKeys(templateId), valueHashes, timeouts, serviceAgreementId
        );
    }

    /// @inheritdoc IServiceAgreement
    function getAgreement(bytes32 serviceAgreementId) external view returns (Agreement memory) {
        Record storage agreement = _agreements[serviceAgreementId];
        return Agreement({
            templateId: agreement.templateId,
            did: agreement.did,
            publisher: agreement.publisher,
            consumer: agreement.consumer,
            executedAt: agreement.executedAt,
            lockDeadline: agreement.lockDeadline,
            grantDeadline: agreement.grantDeadline,
            state: agreement.state,
            releaseDeadline: agreement.releaseDeadline
        });
    }

    /// @inheritdoc IServiceAgreement
    function conditionFulfilled(bytes32 serviceAgreementId, uint8 index) external view returns (bool) {
        return _agreements[serviceAgreementId].fulfilled & _bit(index) != 0;
    }

    /// @inheritdoc IServiceAgreement
    function isAborted(bytes32 serviceAgreementId) external view returns (bool) {
        return _agreements[serviceAgreementId].aborted;
    }

    /// @inheritdoc IServiceAgreement
    function valueHash(bytes32 serviceAgreementId, uint8 index) external view returns (bytes32) {
        Record storage agreement = _agreements[serviceAgreementId];
        require(index < _templates[agreement.templateId].count, UnknownCondition(index));
        return _valueHash(serviceAgreementId, agreement, index);
    }

    // INTERNAL: EXECUTE

    function _checkMayOffer(bytes32 did) private view {
        require(
            didRegistry.ownerOf(did) == msg.sender || didRegistry.isDIDProvider(did, msg.sender),
            NotDidOwnerOrProvider(did, msg.sender)
        );
    }

    function _checkValues(bytes32 templateId, bytes32 did, bytes32[] calldata valueHashes) private view {
        _checkLength(_approved(templateId).count, valueHashes.length);
        bytes32 didHash = keccak256(abi.encodePacked(did));
        _checkValue(ComputeTemplate.UPLOAD, didHash, valueHashes);
        _checkValue(ComputeTemplate.AUTHORIZE, didHash, valueHashes);
        _checkValue(ComputeTemplate.GRANT, didHash, valueHashes);
        // What can be paid and what can be given back is one sum, or money could get in that cannot get out.
        _checkValue(ComputeTemplate.REFUND, valueHashes[ComputeTemplate.RELEASE], valueHashes);
    }

    function _checkValue(uint8 index, bytes32 expected, bytes32[] calldata valueHashes) private pure {
        require(valueHashes[index] == expected, WrongValueHash(index, expected, valueHashes[index]));
    }

    function _checkTimes(uint256 count, uint256[] calldata timeouts) private pure {
        _checkLength(count, timeouts.length);
        uint256 lock = timeouts[ComputeTemplate.LOCK];
        uint256 grant = timeouts[ComputeTemplate.GRANT];
        uint256 release = timeouts[ComputeTemplate.RELEASE];
        require(grant > 0 && grant <= type(uint32).max, InvalidTimeout(ComputeTemplate.GRANT, grant));
        require(lock <= grant, InvalidTimeout(ComputeTemplate.LOCK, lock));
        require(release <= type(uint32).max, InvalidTimeout(ComputeTemplate.RELEASE, release));
    }

    function _store(
        bytes32 id,
        bytes32 templateId,
        bytes32 did,
        address consumer,
        uint256[] calldata timeouts
    ) private {
        // Each timeout is below 2^32, so every sum fits 40 bits.
        uint40 executedAt = uint40(block.timestamp);
        uint40 lock = uint40(timeouts[ComputeTemplate.LOCK]);
        uint40 grant = uint40(timeouts[ComputeTemplate.GRANT]);
        uint40 release = uint40(timeouts[ComputeTemplate.RELEASE]);
        _agreements[id] = Record({
            templateId: templateId,
            did: did,
            publisher: msg.sender,
            executedAt: executedAt,
            lockDeadline: executedAt + (lock == 0 ? grant : lock),
            fulfilled: 0,
            consumer: consumer,
            grantDeadline: executedAt + grant,
            releaseDeadline: executedAt + grant + (release == 0 ? uint40(DEFAULT_RELEASE_PERIOD) : release),
            state: AgreementState.Executed,
            aborted: false
        });
    }

    function _storeValues(bytes32 id, bytes32[] calldata valueHashes) private {
        _valueHashes[id][ComputeTemplate.LOCK] = valueHashes[ComputeTemplate.LOCK];
        _valueHashes[id][ComputeTemplate.RELEASE] = valueHashes[ComputeTemplate.RELEASE];
        for (uint256 i = ComputeTemplate.LENGTH; i < valueHashes.length; ++i) {
            _valueHashes[id][i] = valueHashes[i];
        }
    }

    function _announce(bytes32 id, bytes32 templateId, bytes32 did, address consumer) private {
        emit ExecuteAgreement(id, templateId, did, true, _templates[templateId].owner, consumer, true);
    }

    // INTERNAL: CONDITIONS

    function _open(bytes32 id) private view returns (Record storage agreement) {
        agreement = _agreements[id];
        require(agreement.state == AgreementState.Executed, AgreementNotOpen(id, agreement.state));
    }

    function _ruleOfCaller(bytes32 templateId, uint8 index) private view returns (Rule memory rule) {
        rule = _rules[templateId][index];
        require(rule.controller != address(0), UnknownCondition(index));
        require(msg.sender == rule.controller, NotConditionContract(index, rule.controller, msg.sender));
    }

    function _valueHash(bytes32 id, Record storage agreement, uint8 index) private view returns (bytes32) {
        if (
            index == ComputeTemplate.UPLOAD || index == ComputeTemplate.AUTHORIZE
                || index == ComputeTemplate.GRANT
        ) {
            return keccak256(abi.encodePacked(agreement.did));
        }
        return _valueHashes[id][index == ComputeTemplate.REFUND ? ComputeTemplate.RELEASE : index];
    }

    function _checkOrder(bytes32 id, Record storage agreement, Rule memory rule, uint8 index) private view {
        uint16 done = agreement.fulfilled;
        require(done & _bit(index) == 0, ConditionAlreadyFulfilled(id, index));
        require(!agreement.aborted || index == ComputeTemplate.REFUND, AgreementAborted(id));
        uint16 missing = rule.dependencies & ~done;
        require(missing == 0, UnfulfilledDependencies(id, index, missing));
        // A release has no deadline of its own: a late one is good until the consumer takes the refund.
        if (index >= ComputeTemplate.LOCK && index <= ComputeTemplate.GRANT) {
            uint256 deadline = _timeoutOf(agreement, index);
            require(block.timestamp < deadline, DeadlinePassed(index, deadline, block.timestamp));
        }
        _checkTimeouts(id, agreement, rule.timeoutDependencies, index);
    }

    function _checkTimeouts(bytes32 id, Record storage agreement, uint16 mask, uint8 index) private view {
        if (mask == 0) return;
        for (uint8 j = ComputeTemplate.LOCK; j <= ComputeTemplate.RELEASE; ++j) {
            if (mask & _bit(j) == 0) continue;
            require(agreement.fulfilled & _bit(j) == 0, DependencyFulfilled(id, index, j));
            if (!agreement.aborted) _checkPassed(agreement, j);
        }
    }

    function _checkPassed(Record storage agreement, uint8 index) private view {
        uint256 deadline = _timeoutOf(agreement, index);
        require(block.timestamp >= deadline, DeadlineNotPassed(index, deadline, block.timestamp));
    }

    /// @dev From when on a condition between LOCK and RELEASE counts as timed out.
    function _timeoutOf(Record storage agreement, uint8 index) private view returns (uint256) {
        if (index == ComputeTemplate.LOCK) return agreement.lockDeadline;
        bool granted = agreement.fulfilled & _bit(ComputeTemplate.GRANT) != 0;
        if (index == ComputeTemplate.RELEASE && granted) return agreement.releaseDeadline;
        return agreement.grantDeadline;
    }

    function _isSatisfied(bytes32 templateId, uint16 fulfilled) private view returns (bool) {
        Template storage template = _templates[templateId];
        uint256 counted = fulfilled & template.fulfillmentMask;
        uint256 count;
        for (; counted != 0; counted &= counted - 1) {
            ++count;
        }
        return count >= template.needed;
    }

    function _complete(bytes32 id, Record storage agreement) private {
        agreement.state = AgreementState.Fulfilled;
        emit AgreementFulfilled(id, agreement.templateId, _templates[agreement.templateId].owner);
    }

    function _terminate(bytes32 id, Record storage agreement) private {
        agreement.state = AgreementState.Terminated;
        emit AgreementTerminated(id, agreement.templateId);
    }
}
