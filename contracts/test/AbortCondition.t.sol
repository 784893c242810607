// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {AgreementState, IServiceAgreement as I} from "../src/interfaces/IServiceAgreement.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

/// @dev This test is the contract of a seventh condition that the release waits for.
contract AbortConditionTest is BaseTest {
    bytes32 private constant SEVEN = keccak256("seven");

    function setUp() public override {
        super.setUp();
        _setupSeven(SEVEN, address(this), 0);
        uint256[] memory t = new uint256[](7);
        t[3] = DAY;
        _executeUnder(SEVEN, ID, _valuesSeven(_ether(), 0), t);
    }

    function test_abort_opensTheRefundAndNothingElse() public {
        _executedToGranted(ID, PRICE, _ether());
        bytes32 key = sa.getTemplateConditionKeys(SEVEN)[6];
        vm.expectEmit(address(sa));
        emit I.ConditionAborted(ID, SEVEN, key);
        sa.abortCondition(ID, 6);
        vm.expectRevert(abi.encodeWithSelector(I.AgreementAborted.selector, ID));
        sa.fulfillCondition(ID, 6, 0);
        bytes memory signature = _signOrder(CONSUMER_KEY, ID);
        vm.expectRevert(abi.encodeWithSelector(I.AgreementAborted.selector, ID));
        vm.prank(publisher);
        payment.releasePayment(ID, did, PRICE, SPEC, _outcome(), signature);
        _refund(ID, PRICE);
        assertEq(consumer.balance, 100 ether, "all back");
        _assertState(ID, AgreementState.Terminated);
    }

    function test_abort_beforeTheLock() public {
        sa.abortCondition(ID, 6);
        vm.expectRevert(abi.encodeWithSelector(I.AgreementAborted.selector, ID));
        _lock(ID, PRICE, _ether());
        vm.warp(block.timestamp + DAY);
        sa.cancelAgreement(ID);
        _assertState(ID, AgreementState.Terminated);
    }

    function test_abort_onlyItsContract() public {
        vm.expectRevert(
            abi.encodeWithSelector(I.NotConditionContract.selector, 4, address(payment), address(this))
        );
        sa.abortCondition(ID, 4);
        vm.expectRevert(abi.encodeWithSelector(I.UnknownCondition.selector, 7));
        sa.abortCondition(ID, 7);
    }

    function test_abort_notOnceFulfilled() public {
        sa.fulfillCondition(ID, 6, 0);
        vm.expectRevert(abi.encodeWithSelector(I.ConditionAlreadyFulfilled.selector, ID, 6));
        sa.abortCondition(ID, 6);
    }

    function test_abort_onlyWhatTheReleaseNeeds() public {
        vm.expectRevert(abi.encodeWithSelector(I.NotAbortable.selector, 5));
        vm.prank(address(payment));
        sa.abortCondition(ID, 5);
        vm.expectRevert(abi.encodeWithSelector(I.NotAbortable.selector, 0));
        vm.prank(address(compute));
        sa.abortCondition(ID, 0);
    }

    function test_abort_closedAgreement() public {
        _expectNotOpen(keccak256("unknown"), AgreementState.None);
        sa.abortCondition(keccak256("unknown"), 6);
    }
}
