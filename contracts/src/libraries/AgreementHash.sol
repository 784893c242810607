// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title EIP-712 structs a consumer signs besides the job order (see ReceiptHash)
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
}
