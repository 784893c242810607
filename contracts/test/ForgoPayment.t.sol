// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "../src/interfaces/ICondition.sol";
import {IPaymentConditions as I} from "../src/interfaces/IPaymentConditions.sol";
import {AgreementState, IServiceAgreement} from "../src/interfaces/IServiceAgreement.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

contract ForgoPaymentTest is BaseTest {
    function _forgo() private {
        vm.prank(publisher);
        payment.forgoPayment(ID, did, PRICE);
    }

    function test_forgo_givesBackAtOnce() public {
        _execute(ID, PRICE, _ether());
        _lock(ID, PRICE, _ether());
        vm.expectEmit(address(payment));
        emit I.PaymentRefund(ID, publisher, consumer, PRICE);
        _forgo();
        assertEq(consumer.balance, 100 ether, "all back");
        _assertState(ID, AgreementState.Terminated);
    }

    function test_forgo_afterAWrongReceiptWasRegistered() public {
        _execute(ID, PRICE, _metered(address(token)));
        _upload(ID);
        _lock(ID, PRICE, _metered(address(token)));
        _authorize(ID);
        _register(ID, keccak256("wrong"));
        _grant(ID);
        _forgo();
        assertEq(token.balanceOf(consumer), 100 ether, "all back");
        assertTrue(!access.checkPermissions(consumer, registry.derivedDid(ID, 0)), "no result");
        assertTrue(!compute.checkPermissions(ID, consumer), "no further runs");
    }

    function test_forgo_onlyPublisher() public {
        _execute(ID, PRICE, _ether());
        _lock(ID, PRICE, _ether());
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotPublisher.selector, ID, stranger));
        vm.prank(stranger);
        payment.forgoPayment(ID, did, PRICE);
    }

    function test_forgo_nothingLocked() public {
        _execute(ID, PRICE, _ether());
        vm.expectRevert(
            abi.encodeWithSelector(IServiceAgreement.UnfulfilledDependencies.selector, ID, 5, 1 << 1)
        );
        _forgo();
        assertTrue(!sa.isAborted(ID), "still open for the lock");
    }

    function test_forgo_notOncePaid() public {
        _toGranted(ID, PRICE, _ether());
        _release(ID, PRICE);
        _expectNotOpen(ID, AgreementState.Fulfilled);
        _forgo();
    }

    function test_forgo_once() public {
        _execute(ID, PRICE, _ether());
        _lock(ID, PRICE, _ether());
        _forgo();
        _expectNotOpen(ID, AgreementState.Terminated);
        _forgo();
    }
}
