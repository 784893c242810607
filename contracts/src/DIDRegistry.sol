// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IDIDRegistry} from "./interfaces/IDIDRegistry.sol";
import {Agreement, AgreementState, IServiceAgreement} from "./interfaces/IServiceAgreement.sol";
import {ComputeTemplate} from "./libraries/ComputeTemplate.sol";

/// @title DIDRegistry
/// @notice Specified in IDIDRegistry.
contract DIDRegistry is IDIDRegistry {
    struct Asset {
        address owner;
        uint64 updatedAt;
        bool derived;
        bytes32 checksum;
        string value;
        mapping(address => bool) providers;
    }

    /// @dev Bytes of a URL.
    uint256 public constant MAX_VALUE_LENGTH = 2048;

    address private immutable _deployer = msg.sender;

    /// @inheritdoc IDIDRegistry
    IServiceAgreement public serviceAgreement;

    mapping(bytes32 did => Asset) private _assets;

    modifier onlyDidOwner(bytes32 did) {
        require(msg.sender == _assets[did].owner, NotOwner(did, msg.sender));
        _;
    }

    /// @inheritdoc IDIDRegistry
    function setServiceAgreement(IServiceAgreement serviceAgreement_) external {
        require(msg.sender == _deployer, NotDeployer(msg.sender));
        require(
            address(serviceAgreement) == address(0), ServiceAgreementAlreadySet(address(serviceAgreement))
        );
        require(address(serviceAgreement_) != address(0), ZeroAddress());
        serviceAgreement = serviceAgreement_;
        emit ServiceAgreementSet(address(serviceAgreement_));
    }

    // REGISTER

    /// @inheritdoc IDIDRegistry
    function registerAttribute(
        bytes32 seed,
        bytes32 checksum,
        address[] calldata providers,
        string calldata value
    ) external returns (bytes32 did) {
        did = didOf(seed, msg.sender);
        Asset storage asset = _assets[did];
        if (asset.owner == address(0)) asset.owner = msg.sender;
        require(msg.sender == asset.owner, NotOwner(did, msg.sender));
        _write(did, checksum, value, true);
        _addProviders(did, providers);
    }

    /// @inheritdoc IDIDRegistry
    function updateAttribute(
        bytes32 did,
        bytes32 checksum,
        address[] calldata providers,
        string calldata value
    ) external onlyDidOwner(did) {
        require(!_assets[did].derived, DerivedAssetImmutable(did));
        _write(did, checksum, value, true);
        _addProviders(did, providers);
    }

    /// @inheritdoc IDIDRegistry
    function registerDerived(
        bytes32 serviceAgreementId,
        uint64 runIndex,
        bytes32 receiptHash,
        string calldata url
    ) external returns (bytes32 did) {
        Agreement memory agreement = _granted(serviceAgreementId);
        did = derivedDid(serviceAgreementId, runIndex);
        Asset storage asset = _assets[did];
        require(asset.owner == address(0), AlreadyRegistered(did));
        require(receiptHash != 0, ZeroReceiptHash());
        asset.owner = agreement.consumer;
        asset.derived = true;
        // The URL is kept in the event only: it would cost more than everything else here, and no contract reads it.
        _write(did, receiptHash, url, false);
        emit WasDerivedFrom(did, agreement.did, serviceAgreementId);
        emit NewAssetCreated(serviceAgreementId, did, agreement.consumer, receiptHash);
    }

    // PROVIDERS AND OWNERSHIP

    /// @inheritdoc IDIDRegistry
    function addDIDProvider(bytes32 did, address provider) external onlyDidOwner(did) {
        _addProvider(did, provider);
    }

    /// @inheritdoc IDIDRegistry
    function removeDIDProvider(bytes32 did, address provider) external onlyDidOwner(did) {
        _assets[did].providers[provider] = false;
        emit DIDProviderRemoved(did, provider);
    }

    /// @inheritdoc IDIDRegistry
    function transferDIDOwnership(bytes32 did, address newOwner) external onlyDidOwner(did) {
        require(newOwner != address(0), ZeroAddress());
        _assets[did].owner = newOwner;
        emit DIDOwnershipTransferred(did, msg.sender, newOwner);
    }

    // VIEWS

    /// @inheritdoc IDIDRegistry
    function didOf(bytes32 seed, address creator) public view returns (bytes32) {
        return keccak256(abi.encode("did", block.chainid, address(this), seed, creator));
    }

    /// @inheritdoc IDIDRegistry
    function derivedDid(bytes32 serviceAgreementId, uint64 runIndex) public view returns (bytes32) {
        return keccak256(abi.encode("derived", block.chainid, address(this), serviceAgreementId, runIndex));
    }

    /// @inheritdoc IDIDRegistry
    function isDIDProvider(bytes32 did, address provider) external view returns (bool) {
        return _assets[did].providers[provider];
    }

    /// @inheritdoc IDIDRegistry
    function ownerOf(bytes32 did) external view returns (address) {
        return _assets[did].owner;
    }

    /// @inheritdoc IDIDRegistry
    function checksumOf(bytes32 did) external view returns (bytes32) {
        return _assets[did].checksum;
    }

    /// @inheritdoc IDIDRegistry
    function getAttribute(bytes32 did) external view returns (address, bytes32, string memory, uint256) {
        Asset storage asset = _assets[did];
        return (asset.owner, asset.checksum, asset.value, asset.updatedAt);
    }

    // INTERNAL

    function _granted(bytes32 id) private view returns (Agreement memory agreement) {
        require(address(serviceAgreement) != address(0), ComputeNotGranted(id));
        agreement = serviceAgreement.getAgreement(id);
        require(msg.sender == agreement.publisher, NotPublisher(id, msg.sender));
        require(
            agreement.state != AgreementState.Terminated
                && serviceAgreement.conditionFulfilled(id, ComputeTemplate.AUTHORIZE),
            ComputeNotGranted(id)
        );
    }

    function _write(bytes32 did, bytes32 checksum, string calldata value, bool keep) private {
        uint256 length = bytes(value).length;
        require(length <= MAX_VALUE_LENGTH, ValueTooLong(length, MAX_VALUE_LENGTH));
        Asset storage asset = _assets[did];
        asset.checksum = checksum;
        if (keep) asset.value = value;
        asset.updatedAt = uint64(block.timestamp);
        emit DIDAttributeRegistered(did, asset.owner, checksum, value, block.timestamp);
    }

    function _addProviders(bytes32 did, address[] calldata providers) private {
        for (uint256 i; i < providers.length; ++i) {
            _addProvider(did, providers[i]);
        }
    }

    function _addProvider(bytes32 did, address provider) private {
        require(provider != address(0), ZeroAddress());
        _assets[did].providers[provider] = true;
        emit DIDProviderAdded(did, provider);
    }
}
