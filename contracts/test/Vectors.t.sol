// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Outcome} from "../src/interfaces/Types.sol";
import {AgreementHash} from "../src/libraries/AgreementHash.sol";
import {ReceiptHash} from "../src/libraries/ReceiptHash.sol";
import {Signatures} from "../src/libraries/Signatures.sol";
import {BaseTest} from "./BaseTest.sol";
import {Vm, vm} from "./Vm.sol";

/// @dev The vectors that the Rust crate is held by (tests/vectors, docs/RECEIPT.md) must come out here too.
contract VectorsTest is BaseTest {
    string private constant ROOT = "../tests/vectors/";

    // READ

    function _b32(string memory json, string memory key) private pure returns (bytes32) {
        return vm.parseJsonBytes32(json, key);
    }

    function _uint(string memory json, string memory object, string memory key)
        private
        pure
        returns (uint256)
    {
        return vm.parseJsonUint(json, string.concat(object, key));
    }

    function _specHash(string memory json, string memory o) private pure returns (bytes32) {
        bytes memory head = abi.encode(
            ReceiptHash.JOB_SPEC_TYPEHASH,
            _b32(json, string.concat(o, ".profile")),
            _b32(json, string.concat(o, ".agreementId")),
            _uint(json, o, ".runIndex"),
            _b32(json, string.concat(o, ".moduleDigest")),
            _b32(json, string.concat(o, ".algorithmRoot")),
            _b32(json, string.concat(o, ".invocationRoot"))
        );
        bytes memory limits = abi.encode(
            _b32(json, string.concat(o, ".inputsRoot")),
            _b32(json, string.concat(o, ".randomSeed")),
            _uint(json, o, ".clockStart"),
            _uint(json, o, ".clockStep"),
            _uint(json, o, ".fuelLimit"),
            _uint(json, o, ".memoryLimit")
        );
        bytes memory tail = abi.encode(
            _uint(json, o, ".stackLimit"),
            _uint(json, o, ".outputLimit"),
            _uint(json, o, ".filesLimit"),
            _b32(json, string.concat(o, ".blindCommit"))
        );
        return keccak256(bytes.concat(head, limits, tail));
    }

    function _outcome(string memory json, string memory o) private pure returns (Outcome memory) {
        return Outcome({
            status: uint8(_uint(json, o, ".status")),
            exitCode: uint32(_uint(json, o, ".exitCode")),
            trapCode: uint32(_uint(json, o, ".trapCode")),
            fuelUsed: uint64(_uint(json, o, ".fuelUsed")),
            outputBytes: uint64(_uint(json, o, ".outputBytes")),
            outputsRoot: _b32(json, string.concat(o, ".outputsRoot"))
        });
    }

    function _digest(string memory json, string memory domain, bytes32 structHash)
        private
        pure
        returns (bytes32)
    {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Brizo"),
                keccak256("1"),
                _uint(json, domain, ".chainId"),
                vm.parseJsonAddress(json, string.concat(domain, ".verifyingContract"))
            )
        );
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    /// @dev The value of a `name: value` line; zero if there is none.
    function _expected(string memory expect, string memory name) private pure returns (bytes32) {
        string[] memory parts = vm.split(expect, string.concat("\n", name, ": "));
        return parts.length < 2 ? bytes32(0) : vm.parseBytes32(vm.split(parts[1], "\n")[0]);
    }

    // COMPARE

    function test_vectors_typedData() public view {
        string memory json = vm.readFile(string.concat(ROOT, "primitive/eip712.json"));
        bytes32 specHash = _specHash(json, ".spec");
        assertEq(specHash, _b32(json, ".specHash"), "spec");
        Outcome memory outcome = _outcome(json, ".outcome");
        assertEq(ReceiptHash.outcomeHash(outcome), _b32(json, ".outcomeHash"), "outcome");
        assertEq(ReceiptHash.receiptHash(specHash, outcome), _b32(json, ".claimHash"), "receipt");
        bytes32 order = ReceiptHash.jobOrderHash(
            _b32(json, ".spec.agreementId"), uint64(_uint(json, ".spec", ".runIndex")), specHash
        );
        assertEq(_digest(json, ".domain", order), _b32(json, ".orderDigest"), "order");
        bytes32 upload = AgreementHash.uploadHash(
            _b32(json, ".upload.serviceAgreementId"), _b32(json, ".upload.checksum")
        );
        assertEq(_digest(json, ".domain", upload), _b32(json, ".uploadDigest"), "upload");
    }

    /// @dev Every good receipt: its hash is what a contract recomputes, and its consent is an order a contract accepts.
    function test_vectors_goodReceipts() public view {
        Vm.DirEntry[] memory cases = vm.readDir(string.concat(ROOT, "receipt"));
        uint256 receipts;
        uint256 orders;
        for (uint256 i; i < cases.length; ++i) {
            string memory expect = vm.readFile(string.concat(cases[i].path, "/expect"));
            if (keccak256(bytes(vm.split(expect, "\n")[0])) != keccak256("ok")) continue;
            orders += _compare(vm.readFile(string.concat(cases[i].path, "/receipt.json")), expect);
            ++receipts;
        }
        assertTrue(receipts >= 30 && orders >= 20, "the vectors are there");
    }

    function _compare(string memory json, string memory expect) private view returns (uint256 orders) {
        bytes32 specHash = _specHash(json, ".claim.spec");
        Outcome memory outcome = _outcome(json, ".claim.outcome");
        bytes32 claimHash = ReceiptHash.receiptHash(specHash, outcome);
        assertEq(specHash, _expected(expect, "specHash"), "spec");
        assertEq(ReceiptHash.outcomeHash(outcome), _expected(expect, "outcomeHash"), "outcome");
        assertEq(claimHash, _expected(expect, "claimHash"), "receipt");
        bytes32 digest = _expected(expect, "orderDigest");
        if (digest == 0) return 0;
        bytes32 order = ReceiptHash.jobOrderHash(
            _b32(json, ".claim.spec.agreementId"), uint64(_uint(json, ".claim.spec", ".runIndex")), specHash
        );
        assertEq(_digest(json, ".consent.domain", order), digest, "order");
        address consumer = vm.parseJsonAddress(json, ".consent.consumer");
        bytes memory signature = vm.parseJsonBytes(json, ".consent.signature");
        assertTrue(Signatures.isValid(consumer, digest, signature), "consent");
        return 1;
    }
}
