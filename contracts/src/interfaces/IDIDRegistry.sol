// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IServiceAgreement} from "./IServiceAgreement.sol";

/// @title DIDRegistry: who owns an asset, where its DDO is, and what it was derived from
/// @notice Ordinary DIDs contain their creator and derived DIDs their agreement and run, so neither can be squatted.
/// @dev Roles: an asset's *owner* updates and transfers it; its *providers* may offer it in agreements. The *deployer*
/// names the ServiceAgreement once and has no power afterwards. Times are in seconds (block.timestamp).
/// Invariants: a DID belongs to whoever its formula names and to nobody before; a derived asset's checksum never changes; a
/// provider stays one until it is removed.
/// Warning: one DID can stand for one source only; a run over several assets has the provenance of its agreement's asset.
interface IDIDRegistry {
    /// @notice An asset was registered or updated.
    /// @param did the asset
    /// @param owner its owner
    /// @param checksum of the DDO; for a derived asset the receipt hash
    /// @param value URL of the DDO
    /// @param updatedAt block time in seconds
    event DIDAttributeRegistered(
        bytes32 indexed did, address indexed owner, bytes32 indexed checksum, string value, uint256 updatedAt
    );

    /// @notice `provider` may now offer `did` in agreements.
    event DIDProviderAdded(bytes32 indexed did, address indexed provider);

    /// @notice `provider` may no longer offer `did` in agreements.
    event DIDProviderRemoved(bytes32 indexed did, address indexed provider);

    /// @notice `did` changed hands.
    event DIDOwnershipTransferred(
        bytes32 indexed did, address indexed previousOwner, address indexed newOwner
    );

    /// @notice Provenance: `derived` was computed from `source` under the agreement.
    event WasDerivedFrom(bytes32 indexed derived, bytes32 indexed source, bytes32 indexed serviceAgreementId);

    /// @notice A run's outputs are an asset of `owner`, the consumer, identified by `did`.
    event NewAssetCreated(
        bytes32 indexed serviceAgreementId, bytes32 indexed did, address indexed owner, bytes32 receiptHash
    );

    /// @notice The registry was bound to its ServiceAgreement.
    event ServiceAgreementSet(address indexed serviceAgreement);

    /// @notice Only the deployer may bind the ServiceAgreement.
    error NotDeployer(address caller);

    /// @notice The ServiceAgreement was bound before; it never changes.
    error ServiceAgreementAlreadySet(address serviceAgreement);

    /// @notice The caller does not own `did` (or it is not registered).
    error NotOwner(bytes32 did, address caller);

    /// @notice The URL is longer than `max` bytes.
    error ValueTooLong(uint256 length, uint256 max);

    /// @notice A derived asset's checksum is its receipt hash and never changes.
    error DerivedAssetImmutable(bytes32 did);

    /// @notice The run has its derived asset already.
    error AlreadyRegistered(bytes32 did);

    /// @notice The caller is not the publisher of the agreement.
    error NotPublisher(bytes32 serviceAgreementId, address caller);

    /// @notice Computing was not granted under the agreement, or the agreement is terminated.
    error ComputeNotGranted(bytes32 serviceAgreementId);

    /// @notice A receipt hash of zero.
    error ZeroReceiptHash();

    /// @notice The zero address where an account or contract is needed.
    error ZeroAddress();

    /// @notice Bind the registry to its ServiceAgreement; the deployer, once.
    /// @dev Reverts: NotDeployer, ServiceAgreementAlreadySet, ZeroAddress. Until then `registerDerived` is refused.
    function setServiceAgreement(IServiceAgreement serviceAgreement_) external;

    /// @notice Register the caller's asset `didOf(seed, msg.sender)`, or update it while the caller owns it.
    /// @dev Reverts: NotOwner (transferred away; the new owner calls `updateAttribute`), ValueTooLong.
    /// @param seed any number; with the caller's address it makes the DID
    /// @param checksum of the DDO
    /// @param providers are added to those already there; use `removeDIDProvider` to remove one
    /// @param value URL of the DDO, at most 2048 bytes
    function registerAttribute(
        bytes32 seed,
        bytes32 checksum,
        address[] calldata providers,
        string calldata value
    ) external returns (bytes32 did);

    /// @notice Update an asset the caller owns, also one that was transferred to them.
    /// @dev Reverts: NotOwner, DerivedAssetImmutable, ValueTooLong. Parameters as in `registerAttribute`.
    function updateAttribute(
        bytes32 did,
        bytes32 checksum,
        address[] calldata providers,
        string calldata value
    ) external;

    /// @notice Register the outputs of a run as an asset that belongs to the agreement's consumer.
    /// @dev The agreement's publisher, after ComputeGranted, while the agreement is not terminated, once per run.
    /// Reverts: NotPublisher, ComputeNotGranted, AlreadyRegistered, ZeroReceiptHash, ValueTooLong.
    /// Warning: the receipt hash cannot be corrected; a wrong one for run 0 makes payment impossible, and the consumer gets
    /// the sum back.
    /// @param runIndex which run of the agreement; run 0 is the one that is paid
    /// @param receiptHash hash of the run's execution claim
    /// @param url of the derived asset's DDO, at most 2048 bytes; told in DIDAttributeRegistered and not stored
    function registerDerived(
        bytes32 serviceAgreementId,
        uint64 runIndex,
        bytes32 receiptHash,
        string calldata url
    ) external returns (bytes32 did);

    /// @notice Let `provider` offer the asset in agreements; owner only.
    function addDIDProvider(bytes32 did, address provider) external;

    /// @notice Take that right away again; owner only. Agreements already made stand.
    function removeDIDProvider(bytes32 did, address provider) external;

    /// @notice Hand the asset over; owner only.
    /// @dev Warning: one step, not two, and providers stay until the new owner removes them.
    function transferDIDOwnership(bytes32 did, address newOwner) external;

    /// @notice The deployment's agreements; zero until bound.
    function serviceAgreement() external view returns (IServiceAgreement);

    /// @notice The DID that `creator` gets for `seed` in this registry on this chain.
    function didOf(bytes32 seed, address creator) external view returns (bytes32);

    /// @notice The DID of a run's outputs, known before the run.
    function derivedDid(bytes32 serviceAgreementId, uint64 runIndex) external view returns (bytes32);

    /// @notice Whether `provider` was added to `did`; the owner is not one unless added.
    function isDIDProvider(bytes32 did, address provider) external view returns (bool);

    /// @notice Owner of `did`; zero if it is not registered.
    function ownerOf(bytes32 did) external view returns (address);

    /// @notice Checksum of `did`; for a derived asset its receipt hash.
    function checksumOf(bytes32 did) external view returns (bytes32);

    /// @notice Everything stored about `did`; all zero if it is not registered. `value` is empty for a derived asset.
    function getAttribute(bytes32 did)
        external
        view
        returns (address owner, bytes32 checksum, string memory value, uint256 updatedAt);
}
