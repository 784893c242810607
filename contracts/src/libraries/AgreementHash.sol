// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title What a consumer signs besides the job order (see ReceiptHash): EIP-712 structs, and the old style's digests
/// @dev The old style is eth_sign over packed values. It knows no chain id; the condition keys contain the addresses of
/// this deployment's contracts, and the identifier of an agreement is used once.
library AgreementHash {
    bytes32 internal constant AGREEMENT_TYPEHASH = keccak256(
        "Agreement(bytes32 serviceAgreementId,bytes32 templateId,bytes32 did,address publisher,address consumer,"
        "bytes32[] conditionKeys,bytes32[] valueHashes,uint256[] timeouts)"
    );

    bytes32 internal constant ALGORITHM_UPLOAD_TYPEHASH =
        keccak256("AlgorithmUpload(bytes32 serviceAgreementId,bytes32 checksum)");

    /// @notice hashStruct(AlgorithmUpload); `checksum` is keccak256 of the algorithm's bytes.
    function uploadHash(bytes32 serviceAgreementId, bytes32 checksum) internal pure returns (bytes32) {
        return keccak256(abi.encode(ALGORITHM_UPLOAD_TYPEHASH, serviceAgreementId, checksum));
    }

    /// @notice The seeds' digest of an agreement.
    function legacyAgreementDigest(
        bytes32 templateId,
        bytes32[] memory conditionKeys,
        bytes32[] calldata valueHashes,
        uint256[] calldata timeouts,
        bytes32 serviceAgreementId
    ) internal pure returns (bytes32) {
        return MessageHashUtils.toEthSignedMessageHash(
            keccak256(abi.encodePacked(templateId, conditionKeys, valueHashes, timeouts, serviceAgreementId))
        );
    }

    /// @notice The old style's digest of an upload.
    /// @dev The seeds signed the checksum alone; such a signature was good for every agreement of its consumer.
    function legacyUploadDigest(bytes32 serviceAgreementId, bytes32 checksum)
        internal
        pure
        returns (bytes32)
    {
        return MessageHashUtils.toEthSignedMessageHash(
            keccak256(abi.encodePacked(serviceAgreementId, checksum))
        );
    }
}
