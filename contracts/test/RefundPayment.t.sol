// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "../src/interfaces/ICondition.sol";
import {IPaymentConditions as I} from "../src/interfaces/IPaymentConditions.sol";
import {AgreementState, IServiceAgreement} from "../src/interfaces/IServiceAgreement.sol";
import {PriceTerms} from "../src/interfaces/Types.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

contract RefundPaymentTest is BaseTest {
    function _locked(PriceTerms memory terms) private {
        _execute(ID, PRICE, terms);
        _lock(ID, PRICE, terms);
    }

    function test_defect_b_refundNeedsNoUpload() public {
        _locked(_ether());
        vm.warp(block.timestamp + DAY);
        vm.expectEmit(address(sa));
        emit IServiceAgreement.AgreementTerminated(ID, TEMPLATE);
        vm.expectEmit(address(payment));
        emit I.PaymentRefund(ID, publisher, consumer, PRICE);
        _refund(ID, PRICE);
        assertEq(consumer.balance, 100 ether, "all back");
        _assertState(ID, AgreementState.Terminated);
    }

    function test_defect_c_notBeforeTheDeadline() public {
        _locked(_ether());
        uint256 deadline = block.timestamp + DAY;
        vm.warp(deadline - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IServiceAgreement.DeadlineNotPassed.selector, 4, deadline, deadline - 1)
        );
        _refund(ID, PRICE);
        vm.warp(deadline);
        _refund(ID, PRICE);
    }

    function test_refund_token() public {
        _locked(_metered(address(token)));
        vm.warp(block.timestamp + DAY);
        _refund(ID, PRICE);
        assertEq(token.balanceOf(consumer), 100 ether, "all back");
    }

    function test_refund_evenIfComputeWasGranted() public {
        _locked(_ether());
        _upload(ID);
        _authorize(ID);
        _register(ID, _receipt());
        vm.warp(block.timestamp + DAY);
        _refund(ID, PRICE);
        assertEq(consumer.balance, 100 ether, "all back");
    }

    function test_refund_notOnceAccessWasGranted() public {
        _toGranted(ID, PRICE, _ether());
        uint256 deadline = block.timestamp + DAY + sa.DEFAULT_RELEASE_PERIOD();
        assertEq(sa.getAgreement(ID).releaseDeadline, deadline, "release deadline");
        vm.warp(deadline - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IServiceAgreement.DeadlineNotPassed.selector, 4, deadline, deadline - 1)
        );
        _refund(ID, PRICE);
    }

    /// @dev Once, this sum stayed locked for ever.
    function test_refund_afterAWrongReceiptWasRegistered() public {
        _execute(ID, PRICE, _ether());
        _upload(ID);
        _lock(ID, PRICE, _ether());
        _authorize(ID);
        _register(ID, keccak256("wrong"));
        _grant(ID);
        bytes memory signature = _signOrder(CONSUMER_KEY, ID);
        vm.expectRevert(abi.encodeWithSelector(I.ReceiptMismatch.selector, keccak256("wrong"), _receipt()));
        vm.prank(publisher);
        payment.releasePayment(ID, did, PRICE, SPEC, _outcome(), signature);
        vm.warp(sa.getAgreement(ID).releaseDeadline);
        _refund(ID, PRICE);
        assertEq(consumer.balance, 100 ether, "all back");
        assertTrue(!access.checkPermissions(consumer, registry.derivedDid(ID, 0)), "no result");
        assertTrue(!compute.checkPermissions(ID, consumer), "no further runs");
    }

    function test_refund_agreedReleaseDeadline() public {
        uint256[] memory t = _timeouts(DAY / 2, DAY);
        t[4] = 2 * DAY;
        _executeUnder(TEMPLATE, ID, _values(PRICE, _ether()), t);
        _executedToGranted(ID, PRICE, _ether());
        uint256 deadline = block.timestamp + 3 * DAY;
        vm.warp(deadline - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IServiceAgreement.DeadlineNotPassed.selector, 4, deadline, deadline - 1)
        );
        _refund(ID, PRICE);
        vm.warp(deadline);
        _refund(ID, PRICE);
        bytes memory signature = _signOrder(CONSUMER_KEY, ID);
        _expectNotOpen(ID, AgreementState.Terminated);
        vm.prank(publisher);
        payment.releasePayment(ID, did, PRICE, SPEC, _outcome(), signature);
    }

    function test_refund_notOncePaid() public {
        _toGranted(ID, PRICE, _metered(address(0)));
        _release(ID, PRICE);
        vm.warp(block.timestamp + 365 * DAY);
        _expectNotOpen(ID, AgreementState.Fulfilled);
        _refund(ID, PRICE);
    }

    function testFuzz_refund_exactlyFromTheDeadlineOn(uint32 grant, uint64 wait) public {
        uint256 timeout = uint256(grant) + 1 > type(uint32).max ? grant : uint256(grant) + 1;
        _executeUnder(TEMPLATE, ID, _values(PRICE, _ether()), _timeouts(0, timeout));
        _lock(ID, PRICE, _ether());
        uint256 deadline = block.timestamp + timeout;
        vm.warp(block.timestamp + wait);
        vm.prank(consumer);
        (bool refunded,) = address(payment).call(abi.encodeCall(payment.refundPayment, (ID, did, PRICE)));
        assertTrue(refunded == (block.timestamp >= deadline), "from the deadline on, and not before");
    }

    function test_refund_notBeforeLock() public {
        _execute(ID, PRICE, _ether());
        vm.warp(block.timestamp + DAY);
        vm.expectRevert(
            abi.encodeWithSelector(IServiceAgreement.UnfulfilledDependencies.selector, ID, 5, 1 << 1)
        );
        _refund(ID, PRICE);
    }

    function test_refund_onlyConsumer() public {
        _locked(_ether());
        vm.warp(block.timestamp + DAY);
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotConsumer.selector, ID, stranger));
        vm.prank(stranger);
        payment.refundPayment(ID, did, PRICE);
    }

    function test_refund_otherPrice() public {
        _locked(_ether());
        vm.warp(block.timestamp + DAY);
        (bytes32 agreed, bytes32 asked) = (_values(PRICE, _ether())[5], _values(PRICE + 1, _ether())[5]);
        vm.expectRevert(abi.encodeWithSelector(IServiceAgreement.WrongValueHash.selector, 5, agreed, asked));
        _refund(ID, PRICE + 1);
    }

    function test_refund_twice() public {
        _locked(_ether());
        vm.warp(block.timestamp + DAY);
        _refund(ID, PRICE);
        _expectNotOpen(ID, AgreementState.Terminated);
        _refund(ID, PRICE);
    }

    function test_refund_closesEverything() public {
        _locked(_ether());
        _upload(ID);
        vm.warp(block.timestamp + DAY);
        _refund(ID, PRICE);
        _expectNotOpen(ID, AgreementState.Terminated);
        _authorize(ID);
        _expectNotOpen(ID, AgreementState.Terminated);
        _lock(ID, PRICE, _ether());
    }
}
