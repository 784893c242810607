// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IComputeConditions as I} from "../src/interfaces/IComputeConditions.sol";
import {ICondition} from "../src/interfaces/ICondition.sol";
import {AgreementState, IServiceAgreement} from "../src/interfaces/IServiceAgreement.sol";
import {AgreementHash} from "../src/libraries/AgreementHash.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

contract UploadTest is BaseTest {
    function setUp() public override {
        super.setUp();
        _execute(ID, PRICE, _ether());
    }

    function _badSignature(bytes32 id, bytes32 checksum) private view returns (bytes memory) {
        bytes32 digest = sa.hashTypedData(AgreementHash.uploadHash(id, checksum));
        return abi.encodeWithSelector(ICondition.InvalidSignature.selector, consumer, digest);
    }

    function test_upload_storesChecksum() public {
        assertEq(compute.checksumOf(ID), 0, "before");
        _upload(ID);
        assertEq(compute.checksumOf(ID), CHECKSUM, "checksum");
        assertTrue(sa.conditionFulfilled(ID, 0), "condition 0");
    }

    function test_upload_namesAlgorithmDid() public {
        bytes memory signature = _signUpload(CONSUMER_KEY, ID);
        vm.expectEmit(address(compute));
        emit I.FulfillUpload(ID, keccak256("algorithm did"), consumer, CHECKSUM);
        vm.prank(publisher);
        compute.fulfillAlgorithmUpload(ID, keccak256("algorithm did"), CHECKSUM, signature);
    }

    function test_defect_f_signatureOfOtherAgreement() public {
        bytes32 second = keccak256("second");
        _execute(second, PRICE, _ether());
        bytes memory signature = _signUpload(CONSUMER_KEY, ID);
        bytes memory revertData = _badSignature(second, CHECKSUM);
        vm.expectRevert(revertData);
        vm.prank(publisher);
        compute.fulfillAlgorithmUpload(second, 0, CHECKSUM, signature);
    }

    function test_defect_m_noHash() public {
        vm.expectRevert(I.ZeroChecksum.selector);
        vm.prank(publisher);
        compute.fulfillAlgorithmUpload(ID, 0, 0, "");
        vm.expectRevert(I.ZeroChecksum.selector);
        vm.prank(publisher);
        compute.submitAlgorithmHash(ID, 0);
    }

    function test_defect_m_noSignature() public {
        bytes memory revertData = _badSignature(ID, CHECKSUM);
        vm.expectRevert(revertData);
        vm.prank(publisher);
        compute.fulfillAlgorithmUpload(ID, 0, CHECKSUM, "");
        vm.expectRevert(I.EmptySignature.selector);
        vm.prank(consumer);
        compute.submitHashSignature(ID, "");
    }

    function test_upload_otherAlgorithm() public {
        bytes memory signature = _signUpload(CONSUMER_KEY, ID);
        bytes memory revertData = _badSignature(ID, keccak256("other"));
        vm.expectRevert(revertData);
        vm.prank(publisher);
        compute.fulfillAlgorithmUpload(ID, 0, keccak256("other"), signature);
    }

    function test_upload_onlyPublisher() public {
        bytes memory signature = _signUpload(CONSUMER_KEY, ID);
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotPublisher.selector, ID, stranger));
        vm.prank(stranger);
        compute.fulfillAlgorithmUpload(ID, 0, CHECKSUM, signature);
    }

    function test_upload_twice() public {
        _upload(ID);
        bytes memory signature = _signUpload(CONSUMER_KEY, ID);
        vm.expectRevert(abi.encodeWithSelector(IServiceAgreement.ConditionAlreadyFulfilled.selector, ID, 0));
        vm.prank(publisher);
        compute.fulfillAlgorithmUpload(ID, 0, CHECKSUM, signature);
    }

    function test_twoSteps_hashFirst() public {
        bytes memory signature = _signUpload(CONSUMER_KEY, ID);
        vm.prank(publisher);
        compute.submitAlgorithmHash(ID, CHECKSUM);
        assertTrue(!sa.conditionFulfilled(ID, 0), "one half is not enough");
        vm.expectEmit(address(compute));
        emit I.HashSignatureSubmitted(ID, consumer);
        vm.expectEmit(address(compute));
        emit I.FulfillUpload(ID, 0, consumer, CHECKSUM);
        vm.prank(consumer);
        compute.submitHashSignature(ID, signature);
        assertEq(compute.checksumOf(ID), CHECKSUM, "checksum");
    }

    function test_twoSteps_signatureFirst() public {
        bytes memory signature = _signUpload(CONSUMER_KEY, ID);
        vm.prank(consumer);
        compute.submitHashSignature(ID, signature);
        assertTrue(!sa.conditionFulfilled(ID, 0), "one half is not enough");
        vm.expectEmit(address(compute));
        emit I.FulfillUpload(ID, 0, consumer, CHECKSUM);
        vm.prank(publisher);
        compute.submitAlgorithmHash(ID, CHECKSUM);
        vm.expectRevert(abi.encodeWithSelector(I.UploadAlreadyFulfilled.selector, ID));
        vm.prank(consumer);
        compute.submitHashSignature(ID, signature);
    }

    function test_twoSteps_badSignatureCanBeReplaced() public {
        vm.prank(consumer);
        compute.submitHashSignature(ID, hex"01");
        bytes memory revertData = _badSignature(ID, CHECKSUM);
        vm.expectRevert(revertData);
        vm.prank(publisher);
        compute.submitAlgorithmHash(ID, CHECKSUM);
        bytes memory signature = _signUpload(CONSUMER_KEY, ID);
        vm.prank(consumer);
        compute.submitHashSignature(ID, signature);
        vm.prank(publisher);
        compute.submitAlgorithmHash(ID, CHECKSUM);
        assertTrue(sa.conditionFulfilled(ID, 0), "fulfilled");
    }

    function test_twoSteps_roles() public {
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotConsumer.selector, ID, publisher));
        vm.prank(publisher);
        compute.submitHashSignature(ID, hex"01");
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotPublisher.selector, ID, consumer));
        vm.prank(consumer);
        compute.submitAlgorithmHash(ID, CHECKSUM);
    }

    function test_twoSteps_closedAgreement() public {
        vm.warp(block.timestamp + DAY);
        sa.cancelAgreement(ID);
        _expectNotOpen(ID, AgreementState.Terminated);
        vm.prank(publisher);
        compute.submitAlgorithmHash(ID, CHECKSUM);
    }
}
