// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Outcome, Verdict} from "../src/interfaces/Types.sol";
import {AgreementHash} from "../src/libraries/AgreementHash.sol";
import {ReceiptHash} from "../src/libraries/ReceiptHash.sol";
import {BaseTest} from "./BaseTest.sol";

/// @dev The expected values come from eth-account's typed-data encoder, a second implementation of EIP-712.
/// The spec has keccak256(field name) in each bytes32 and 1000 + position in each integer.
contract HashesTest is BaseTest {
    bytes32 private constant SPEC_HASH = 0xde3c51dcb213258b31ae7a120d3c118679b34d234e18f55868d5769a0c062093;

    function _vectorOutcome() private pure returns (Outcome memory) {
        return Outcome(1, 2, 3, 4, 5, keccak256("outputsRoot"));
    }

    function _specHash() private pure returns (bytes32) {
        bytes memory head = abi.encode(
            ReceiptHash.JOB_SPEC_TYPEHASH,
            keccak256("profile"),
            keccak256("agreementId"),
            1002,
            keccak256("moduleDigest"),
            keccak256("algorithmRoot"),
            keccak256("invocationRoot"),
            keccak256("inputsRoot"),
            keccak256("randomSeed")
        );
        bytes memory limits = abi.encode(1008, 1009, 1010, 1011, 1012, 1013, 1014, keccak256("blindCommit"));
        return keccak256(bytes.concat(head, limits));
    }

    function test_specHash() public pure {
        assertEq(_specHash(), SPEC_HASH, "spec");
    }

    function test_outcomeHash() public pure {
        bytes32 expected = 0xa38722e5f7b7d782ccec40795adba7f716e0797a15b43b69e9a1299e75d57b45;
        assertEq(ReceiptHash.outcomeHash(_vectorOutcome()), expected, "outcome");
    }

    function test_receiptHash() public pure {
        bytes32 expected = 0xf12a642836bd38b4594fc8cfeb88813d02593e551e8b15add5ae08d9e41ccc25;
        assertEq(ReceiptHash.receiptHash(SPEC_HASH, _vectorOutcome()), expected, "receipt");
    }

    function test_jobOrderHash() public pure {
        bytes32 expected = 0x7cc5da9f29caad743e588413064fffe3a865fe5d21953d41cfcecdcaf1cf9734;
        assertEq(ReceiptHash.jobOrderHash(ID, 7, SPEC_HASH), expected, "order");
    }

    function test_uploadHash() public pure {
        bytes32 expected = 0x9e77ff5b2cc3bf2fa55281f03a30870adcc96f28e4a6c3a20a3c134c63cdb568;
        assertEq(AgreementHash.uploadHash(ID, CHECKSUM), expected, "upload");
    }

    /// @dev This one comes from ethers' encoder, a third implementation.
    function test_verdictHash() public pure {
        Verdict memory verdict = Verdict({
            claimHash: keccak256("claimHash"),
            replayedHash: keccak256("replayedHash"),
            agreementId: keccak256("agreementId"),
            evidenceDigest: keccak256("evidenceDigest"),
            auditor: address(0xA0D17),
            issuedAt: 1_767_225_610
        });
        bytes32 expected = 0x0eb05d97f37e5d5c9737346654c46f8b4198a73fe05a5999342de0de2921830a;
        assertEq(ReceiptHash.verdictHash(verdict), expected, "verdict");
    }

    function test_agreementHash() public view {
        bytes32[] memory keys = new bytes32[](2);
        bytes32[] memory values = new bytes32[](2);
        uint256[] memory timeouts = new uint256[](2);
        (keys[0], keys[1]) = (keccak256("k0"), keccak256("k1"));
        (values[0], values[1]) = (keccak256("v0"), keccak256("v1"));
        timeouts[1] = DAY;
        bytes32 expected = 0x597252616b49feb86fcbb2fcb31ec0124ff3acb1f650e225043b7b011d9bf6c8;
        bytes32 made = _agreementHash(keccak256("did"), address(0xC0C), keys, values, timeouts);
        assertEq(made, expected, "agreement");
    }

    function test_agreementDigest() public view {
        bytes32[] memory values = _values(PRICE, _ether());
        uint256[] memory timeouts = _timeouts(0, DAY);
        bytes32[] memory keys = sa.getTemplateConditionKeys(TEMPLATE);
        bytes32 structHash = _agreementHash(did, consumer, keys, values, timeouts);
        bytes32 expected = keccak256(abi.encodePacked(hex"1901", sa.domainSeparator(), structHash));
        bytes32 digest = sa.agreementDigest(ID, TEMPLATE, did, publisher, consumer, values, timeouts);
        assertEq(digest, expected, "digest");
        assertEq(sa.hashTypedData(structHash), expected, "hashTypedData");
    }

    function _agreementHash(
        bytes32 asset,
        address by,
        bytes32[] memory keys,
        bytes32[] memory values,
        uint256[] memory timeouts
    ) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                AgreementHash.AGREEMENT_TYPEHASH,
                ID,
                TEMPLATE,
                asset,
                publisher,
                by,
                keccak256(abi.encodePacked(keys)),
                keccak256(abi.encodePacked(values)),
                keccak256(abi.encodePacked(timeouts))
            )
        );
    }
}
