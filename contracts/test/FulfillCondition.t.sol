// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {AgreementState, IServiceAgreement as I} from "../src/interfaces/IServiceAgreement.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

contract ConditionOrderTest is BaseTest {
    function test_fulfillCondition_onlyItsContract() public {
        _execute(ID, PRICE, _ether());
        vm.expectRevert(
            abi.encodeWithSelector(I.NotConditionContract.selector, 4, address(payment), address(this))
        );
        sa.fulfillCondition(ID, 4, 0);
    }

    function test_fulfillCondition_unknownIndex() public {
        _execute(ID, PRICE, _ether());
        vm.expectRevert(abi.encodeWithSelector(I.UnknownCondition.selector, 6));
        sa.fulfillCondition(ID, 6, 0);
        vm.expectRevert(abi.encodeWithSelector(I.UnknownCondition.selector, 6));
        sa.valueHash(ID, 6);
    }

    function test_fulfillCondition_unknownAgreement() public {
        _expectNotOpen(ID, AgreementState.None);
        sa.fulfillCondition(ID, 0, 0);
    }

    function test_cancel_afterLockDeadline() public {
        _execute(ID, PRICE, _ether());
        uint256 deadline = block.timestamp + DAY / 2;
        vm.expectRevert(abi.encodeWithSelector(I.DeadlineNotPassed.selector, 1, deadline, block.timestamp));
        sa.cancelAgreement(ID);
        vm.warp(deadline);
        vm.expectEmit(address(sa));
        emit I.AgreementTerminated(ID, TEMPLATE);
        sa.cancelAgreement(ID);
        _assertState(ID, AgreementState.Terminated);
        _expectNotOpen(ID, AgreementState.Terminated);
        sa.cancelAgreement(ID);
    }

    function test_cancel_refusedOnceLocked() public {
        _execute(ID, PRICE, _ether());
        _lock(ID, PRICE, _ether());
        vm.warp(block.timestamp + DAY);
        vm.expectRevert(abi.encodeWithSelector(I.PaymentIsLocked.selector, ID));
        sa.cancelAgreement(ID);
    }

    function test_fulfillAgreement_beforeRelease() public {
        _toGranted(ID, PRICE, _ether());
        vm.expectRevert(abi.encodeWithSelector(I.NotFulfillable.selector, ID));
        sa.fulfillAgreement(ID);
    }
}
