// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "./ICondition.sol";

/// @title ComputeConditions: which algorithm may run, and whether it may
/// @notice Conditions 0 (upload) and 2 (authorise). The upload is proved by the consumer's signature over
/// AlgorithmUpload(serviceAgreementId, checksum), where checksum is keccak256 of the algorithm's bytes. The publisher relays
/// it, or each side hands in its half.
/// @dev Roles: *publisher* and *consumer* of each agreement. Holds no money.
/// Where `IServiceAgreement.legacySignatures` is set, eth_sign over keccak256(packed(serviceAgreementId, checksum)) counts
/// too. (The seeds signed the checksum alone; that bound no agreement.)
/// Invariants: nobody has permission under an agreement that was refunded or cancelled. Without the consumer's signature
/// over this very agreement and checksum there is no upload.
interface IComputeConditions is ICondition {
    /// @notice The consumer vouched for an algorithm.
    /// @param did the algorithm's DID, or zero for one uploaded as a file
    event FulfillUpload(
        bytes32 indexed serviceAgreementId, bytes32 indexed did, address indexed consumer, bytes32 checksum
    );

    /// @notice The publisher named the hash of the algorithm it received (first half of the two-step upload).
    event HashSubmitted(bytes32 indexed serviceAgreementId, address indexed publisher, bytes32 checksum);

    /// @notice The consumer signed the algorithm's hash (other half of the two-step upload).
    event HashSignatureSubmitted(bytes32 indexed serviceAgreementId, address indexed consumer);

    /// @notice The consumer may have the algorithm run on `did`.
    event ComputeGranted(bytes32 indexed serviceAgreementId, address indexed consumer, bytes32 indexed did);

    /// @notice A checksum of zero.
    error ZeroChecksum();

    /// @notice An empty signature.
    error EmptySignature();

    /// @notice The address is not the agreement's consumer.
    error WrongConsumer(bytes32 serviceAgreementId, address consumer);

    /// @notice The upload is settled; no halves are taken any more.
    error UploadAlreadyFulfilled(bytes32 serviceAgreementId);

    /// @notice Fulfil condition 0 in one step; publisher only.
    /// @dev Reverts: NotPublisher, ZeroChecksum, InvalidSignature.
    /// @param did the algorithm's DID, or zero for one uploaded as a file; informative
    /// @param checksum keccak256 of the algorithm's bytes
    /// @param signedChecksum the consumer's signature over AlgorithmUpload: 65-byte ECDSA, or ERC-1271
    function fulfillAlgorithmUpload(
        bytes32 serviceAgreementId,
        bytes32 did,
        bytes32 checksum,
        bytes calldata signedChecksum
    ) external;

    /// @notice Hand in the signature; consumer only. If the hash is there, this fulfils condition 0.
    /// @dev May be repeated until then. Reverts: NotConsumer, EmptySignature, UploadAlreadyFulfilled, InvalidSignature.
    function submitHashSignature(bytes32 serviceAgreementId, bytes calldata signature) external;

    /// @notice Hand in the hash; publisher only. If the signature is there, this fulfils condition 0.
    /// @dev May be repeated until then. Reverts: NotPublisher, ZeroChecksum, UploadAlreadyFulfilled, InvalidSignature.
    function submitAlgorithmHash(bytes32 serviceAgreementId, bytes32 checksum) external;

    /// @notice Fulfil condition 2: allow the run; publisher only, before the grant deadline.
    /// @dev Reverts: NotPublisher, WrongConsumer.
    function authorizeComputation(bytes32 serviceAgreementId, address consumer) external;

    /// @notice Whether `consumer` may have the algorithm run: granted, and the agreement is not terminated.
    /// @dev Stays true after payment: later runs need no second one.
    function checkPermissions(bytes32 serviceAgreementId, address consumer) external view returns (bool);

    /// @notice The same question with the arguments swapped, as the seeds also write it.
    function checkPermissions(address consumer, bytes32 serviceAgreementId) external view returns (bool);

    /// @notice keccak256 of the algorithm the consumer vouched for; zero before FulfillUpload.
    function checksumOf(bytes32 serviceAgreementId) external view returns (bytes32);
}
