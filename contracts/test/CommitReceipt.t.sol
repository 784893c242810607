// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "../src/interfaces/ICondition.sol";
import {IPaymentConditions as I} from "../src/interfaces/IPaymentConditions.sol";
import {Outcome} from "../src/interfaces/Types.sol";
import {ReceiptHash} from "../src/libraries/ReceiptHash.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

/// @dev Runs after the paid one: a receipt each, and no second payment.
contract CommitReceiptTest is BaseTest {
    function setUp() public override {
        super.setUp();
        _toGranted(ID, PRICE, _ether());
    }

    function _later(uint64 run) private pure returns (Outcome memory outcome) {
        outcome = _outcome();
        outcome.fuelUsed ^= run;
    }

    function _receiptOf(uint64 run) private pure returns (bytes32) {
        return ReceiptHash.receiptHash(SPEC, _later(run));
    }

    function _commit(uint64 run) private {
        bytes memory signature = _signOrder(CONSUMER_KEY, ID, run);
        vm.prank(publisher);
        payment.commitReceipt(ID, run, SPEC, _later(run), signature);
    }

    function _commitReverts(uint64 run, bytes memory revertData) private {
        bytes memory signature = _signOrder(CONSUMER_KEY, ID, run);
        vm.expectRevert(revertData);
        vm.prank(publisher);
        payment.commitReceipt(ID, run, SPEC, _later(run), signature);
    }

    function testFuzz_commit_everyRunHasItsOwn(uint64 run, uint64 other) public {
        (run, other) = (run == 0 ? 1 : run, other == 0 ? 2 : other);
        _release(ID, PRICE);
        _registerRun(ID, run, _receiptOf(run));
        bytes memory signature = _signOrder(CONSUMER_KEY, ID, run);
        vm.expectEmit(address(payment));
        emit I.ReceiptCommitted(ID, _receiptOf(run), publisher, run);
        vm.prank(publisher);
        payment.commitReceipt(ID, run, SPEC, _later(run), signature);
        assertEq(payment.receiptOfRun(ID, run), _receiptOf(run), "later run");
        assertEq(payment.receiptOf(ID), _receipt(), "paid run");
        assertEq(payment.receiptOfRun(ID, other), other == run ? _receiptOf(run) : bytes32(0), "others");
        assertEq(publisher.balance, PRICE, "paid once");
    }

    function test_commit_notBeforeTheFirstIsPaid() public {
        _registerRun(ID, 1, _receiptOf(1));
        _commitReverts(1, abi.encodeWithSelector(I.NotReleased.selector, ID));
        vm.warp(sa.getAgreement(ID).releaseDeadline);
        _refund(ID, PRICE);
        _commitReverts(1, abi.encodeWithSelector(I.NotReleased.selector, ID));
    }

    function test_commit_runZeroIsTheReleases() public {
        _release(ID, PRICE);
        _commitReverts(0, abi.encodeWithSelector(I.RunIsPaid.selector, 0));
    }

    function test_commit_once() public {
        _release(ID, PRICE);
        _registerRun(ID, 1, _receiptOf(1));
        _commit(1);
        _commitReverts(1, abi.encodeWithSelector(I.ReceiptExists.selector, ID, 1));
    }

    function test_commit_unregisteredRun() public {
        _release(ID, PRICE);
        _commitReverts(1, abi.encodeWithSelector(I.ReceiptMismatch.selector, bytes32(0), _receiptOf(1)));
    }

    function test_commit_orderOfAnotherRun() public {
        _release(ID, PRICE);
        _registerRun(ID, 1, _receiptOf(1));
        bytes memory signature = _signOrder(CONSUMER_KEY, ID, 0);
        bytes32 digest = sa.hashTypedData(ReceiptHash.jobOrderHash(ID, 1, SPEC));
        vm.expectRevert(abi.encodeWithSelector(ICondition.InvalidSignature.selector, consumer, digest));
        vm.prank(publisher);
        payment.commitReceipt(ID, 1, SPEC, _later(1), signature);
    }

    function test_commit_onlyPublisher() public {
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotPublisher.selector, ID, stranger));
        vm.prank(stranger);
        payment.commitReceipt(ID, 1, SPEC, _later(1), "");
    }
}
