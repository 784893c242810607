// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IPaymentConditions as I} from "../src/interfaces/IPaymentConditions.sol";
import {ComputeTemplate} from "../src/libraries/ComputeTemplate.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

/// @dev Runs in containers: which release it is was agreed with the template.
contract ReleaseAttestedPaymentTest is BaseTest {
    bytes32 private constant CONTAINERS = ComputeTemplate.ATTESTED_ID;

    function setUp() public override {
        super.setUp();
        bytes4[] memory f = _fingerprints();
        f[4] = payment.releaseAttestedPayment.selector;
        _setupTemplate(CONTAINERS, _contracts(), f, _dependencies());
        _executeUnder(CONTAINERS, ID, _values(PRICE, _ether()), _timeouts(0, DAY));
        _executedToGranted(ID, PRICE, _ether());
    }

    function _releaseAttested(bytes32 id) private {
        bytes memory signature = _signOrder(CONSUMER_KEY, id);
        vm.prank(publisher);
        payment.releaseAttestedPayment(id, did, PRICE, SPEC, _outcome(), signature);
    }

    function _expectWrongRelease(bytes4 expected, bytes4 actual) private {
        vm.expectRevert(abi.encodeWithSelector(I.WrongRelease.selector, expected, actual));
    }

    function test_attested_marksAndPays() public {
        vm.expectEmit(address(payment));
        emit I.ReceiptCommitted(ID, _receipt(), publisher, 0);
        vm.expectEmit(address(payment));
        emit I.ReceiptAttested(ID, _receipt(), 0);
        _releaseAttested(ID);
        assertEq(publisher.balance, PRICE, "paid");
        assertTrue(payment.isAttested(ID), "marked");
    }

    function test_attested_cannotPassAsReExecutable() public {
        bytes4 attested = payment.releaseAttestedPayment.selector;
        bytes memory signature = _signOrder(CONSUMER_KEY, ID);
        _expectWrongRelease(attested, payment.releasePayment.selector);
        vm.prank(publisher);
        payment.releasePayment(ID, did, PRICE, SPEC, _outcome(), signature);
    }

    function test_attested_notUnderTheOrdinaryTemplate() public {
        bytes32 second = keccak256("second");
        _toGranted(second, PRICE, _ether());
        assertTrue(!payment.isAttested(second), "not marked");
        bytes memory signature = _signOrder(CONSUMER_KEY, second);
        _expectWrongRelease(payment.releasePayment.selector, payment.releaseAttestedPayment.selector);
        vm.prank(publisher);
        payment.releaseAttestedPayment(second, did, PRICE, SPEC, _outcome(), signature);
    }

    function test_attested_laterRunsToo() public {
        _releaseAttested(ID);
        _registerRun(ID, 1, _receipt());
        bytes memory signature = _signOrder(CONSUMER_KEY, ID, 1);
        vm.expectEmit(address(payment));
        emit I.ReceiptAttested(ID, _receipt(), 1);
        vm.prank(publisher);
        payment.commitReceipt(ID, 1, SPEC, _outcome(), signature);
    }

    function test_attested_unknownAgreement() public view {
        assertTrue(!payment.isAttested(keccak256("unknown")), "no");
    }
}
