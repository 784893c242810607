// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IServiceAgreement} from "./interfaces/IServiceAgreement.sol";
import {ComputeTemplate} from "./libraries/ComputeTemplate.sol";

/// @title Templates: which conditions an agreement has, and what each waits for
/// @notice The part of ServiceAgreement that its owner has a say in. Specified in IServiceAgreement.
/// @dev Sets of conditions are bit masks, one bit per index. A template is written once and read at every step of every
/// agreement, so all that a step needs to know about its condition is in one slot.
abstract contract Templates is IServiceAgreement, Ownable2Step {
    struct Template {
        address owner;
        bool approved;
        uint8 count;
        uint8 needed;
        uint16 fulfillmentMask;
        /// @dev keccak256 of all condition keys, as agreements hash them.
        bytes32 keysHash;
    }

    /// @dev What is known of one condition; an empty `controller` means that there is none.
    struct Rule {
        address controller;
        bytes4 fingerprint;
        uint16 dependencies;
        uint16 timeoutDependencies;
    }

    /// @dev One bit for each in a mask.
    uint256 internal constant MAX_CONDITIONS = 16;

    mapping(bytes32 templateId => Template) internal _templates;
    mapping(bytes32 templateId => mapping(uint256 index => Rule)) internal _rules;

    // OWNER ONLY

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
        _checkLength(count, fingerprints.length);
        _checkLength(count, dependencies.length);
        _checkLength(count, timeoutDependencies.length);
        template.owner = msg.sender;
        template.approved = true;
        template.count = uint8(count);
        _setConditions(templateId, contracts, fingerprints);
        _setDependencies(templateId, dependencies, timeoutDependencies);
        _setFulfillment(template, fulfillmentIndices, fulfillmentOperator);
        template.keysHash = keccak256(abi.encodePacked(getTemplateConditionKeys(templateId)));
        emit SetupAgreementTemplate(templateId, msg.sender);
    }

    /// @inheritdoc IServiceAgreement
    function revokeAgreementTemplate(bytes32 templateId) external onlyOwner {
        _approved(templateId).approved = false;
        emit AgreementTemplateRevoked(templateId);
    }

    // VIEWS

    /// @inheritdoc IServiceAgreement
    function getTemplateConditionKeys(bytes32 templateId) public view returns (bytes32[] memory keys) {
        keys = new bytes32[](_templates[templateId].count);
        for (uint256 i; i < keys.length; ++i) {
            keys[i] = _conditionKey(templateId, _rules[templateId][i]);
        }
    }

    /// @inheritdoc IServiceAgreement
    function conditionFingerprint(bytes32 templateId, uint8 index) external view returns (bytes4) {
        return _rules[templateId][index].fingerprint;
    }

    /// @inheritdoc IServiceAgreement
    function isTemplateApproved(bytes32 templateId) external view returns (bool) {
        return _templates[templateId].approved;
    }

    // INTERNAL

    function _approved(bytes32 templateId) internal view returns (Template storage template) {
        template = _templates[templateId];
        require(template.approved, TemplateNotApproved(templateId));
    }

    function _conditionKey(bytes32 templateId, Rule memory rule) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(templateId, rule.controller, rule.fingerprint));
    }

    function _checkLength(uint256 expected, uint256 actual) internal pure {
        require(actual == expected, LengthMismatch(expected, actual));
    }

    function _bit(uint8 index) internal pure returns (uint16) {
        return uint16(1) << index;
    }

    function _setConditions(bytes32 templateId, address[] calldata contracts, bytes4[] calldata fingerprints)
        private
    {
        for (uint256 i; i < contracts.length; ++i) {
            require(contracts[i] != address(0), ZeroAddress());
            Rule storage rule = _rules[templateId][i];
            (rule.controller, rule.fingerprint) = (contracts[i], fingerprints[i]);
        }
    }

    function _setDependencies(
        bytes32 templateId,
        uint8[][] calldata dependencies,
        uint8[][] calldata timeoutDependencies
    ) private {
        uint256 count = dependencies.length;
        for (uint256 i; i < count; ++i) {
            Rule storage rule = _rules[templateId][i];
            rule.dependencies = _dependencyMask(i, dependencies[i], 0, count);
            // Only these conditions have a deadline that can pass.
            rule.timeoutDependencies = _dependencyMask(
                i, timeoutDependencies[i], ComputeTemplate.LOCK, uint256(ComputeTemplate.RELEASE) + 1
            );
        }
        _checkSafe(_rules[templateId]);
    }

    /// @dev What keeps money safe is not left to who writes a template: nothing runs unpaid, nothing is paid that was not
    /// handed over, and a refund waits for nothing but the release that did not come.
    function _checkSafe(mapping(uint256 index => Rule) storage rules) private view {
        _checkNeeds(rules, ComputeTemplate.AUTHORIZE, ComputeTemplate.UPLOAD, ComputeTemplate.LOCK);
        _checkNeeds(rules, ComputeTemplate.GRANT, ComputeTemplate.AUTHORIZE, ComputeTemplate.AUTHORIZE);
        _checkNeeds(rules, ComputeTemplate.RELEASE, ComputeTemplate.LOCK, ComputeTemplate.GRANT);
        Rule storage refund = rules[ComputeTemplate.REFUND];
        uint16 locked = _bit(ComputeTemplate.LOCK);
        uint16 released = _bit(ComputeTemplate.RELEASE);
        require(
            refund.dependencies == locked, UnsafeTemplate(ComputeTemplate.REFUND, locked, refund.dependencies)
        );
        require(
            refund.timeoutDependencies == released,
            UnsafeTemplate(ComputeTemplate.REFUND, released, refund.timeoutDependencies)
        );
    }

    function _checkNeeds(mapping(uint256 index => Rule) storage rules, uint8 index, uint8 first, uint8 second)
        private
        view
    {
        uint16 required = _bit(first) | _bit(second);
        uint16 actual = rules[index].dependencies;
        require(actual & required == required, UnsafeTemplate(index, required, actual));
    }

    function _setFulfillment(Template storage template, uint8[] calldata indices, uint8 operator) private {
        uint16 mask = 0;
        for (uint256 i; i < indices.length; ++i) {
            require(indices[i] < template.count, InvalidFulfillment());
            require(
                indices[i] != ComputeTemplate.REFUND && mask & _bit(indices[i]) == 0, InvalidFulfillment()
            );
            mask |= _bit(indices[i]);
        }
        require(indices.length > 0 && operator <= indices.length, InvalidFulfillment());
        template.fulfillmentMask = mask;
        template.needed = operator == 0 ? uint8(indices.length) : operator;
    }

    function _dependencyMask(uint256 index, uint8[] calldata dependencies, uint256 from, uint256 to)
        private
        pure
        returns (uint16 mask)
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
}
