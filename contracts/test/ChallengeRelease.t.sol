// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "../src/interfaces/ICondition.sol";
import {IDisputeConditions as I, Phase} from "../src/interfaces/IDisputeConditions.sol";
import {Verdict} from "../src/interfaces/Types.sol";
import {DisputeBase} from "./mocks/DisputeBase.sol";
import {vm} from "./Vm.sol";

contract ChallengeReleaseTest is DisputeBase {
    function _challengeReverts(uint256 value, Verdict memory verdict, bytes memory revertData) private {
        bytes memory signature = _signVerdict(auditorKeys[0], verdict);
        vm.expectRevert(revertData);
        vm.prank(consumer);
        disputes.challengeRelease{value: value}(ID, terms, verdict, signature);
    }

    function test_challenge_blocksTheRelease() public {
        _claim();
        vm.warp(block.timestamp + WINDOW - 1);
        Verdict memory verdict = _verdict(0, 0);
        bytes memory signature = _signVerdict(auditorKeys[0], verdict);
        vm.expectEmit(address(disputes));
        emit I.ReleaseChallenged(ID, consumer, BOND);
        vm.expectEmit(address(disputes));
        emit I.VerdictHeard(ID, terms.auditors[0], false, keccak256("evidence"));
        vm.prank(consumer);
        disputes.challengeRelease{value: BOND}(ID, terms, verdict, signature);
        _assertPhase(Phase.Challenged);
        uint256 deadline = disputes.disputeOf(ID).resolutionDeadline;
        vm.warp(deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(I.TooEarly.selector, deadline, deadline - 1));
        disputes.passRelease(ID);
        assertEq(address(disputes).balance, BOND, "bond");
    }

    function test_challenge_notFromTheDeadlineOn() public {
        _claim();
        uint256 deadline = block.timestamp + WINDOW;
        vm.warp(deadline);
        bytes memory revertData = abi.encodeWithSelector(I.TooLate.selector, deadline, deadline);
        _challengeReverts(BOND, _verdict(0, 0), revertData);
    }

    function test_challenge_needsAClaim() public {
        bytes memory revertData = abi.encodeWithSelector(I.WrongPhase.selector, ID, Phase.None);
        _challengeReverts(BOND, _verdict(0, 0), revertData);
    }

    function test_challenge_wrongBond() public {
        _claim();
        bytes memory revertData = abi.encodeWithSelector(I.WrongBond.selector, BOND, BOND - 1);
        _challengeReverts(BOND - 1, _verdict(0, 0), revertData);
    }

    function test_challenge_withAConfirmingVerdict() public {
        _claim();
        bytes memory revertData = abi.encodeWithSelector(I.VerdictConfirms.selector, _receipt());
        _challengeReverts(BOND, _verdict(0, _receipt()), revertData);
    }

    function test_challenge_onlyConsumer() public {
        _claim();
        Verdict memory verdict = _verdict(0, 0);
        vm.deal(stranger, BOND);
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotConsumer.selector, ID, stranger));
        vm.prank(stranger);
        disputes.challengeRelease{value: BOND}(ID, terms, verdict, "");
    }

    /// @dev With one auditor, the verdict that challenges also decides.
    function test_challenge_singleAuditorDecides() public {
        bytes32 second = keccak256("second");
        address[] memory one = new address[](1);
        one[0] = terms.auditors[0];
        (terms.auditors, terms.threshold) = (one, 1);
        _executeUnder(DISPUTED, second, _valuesOf(terms), _timeoutsSeven());
        _executedToGranted(second, PRICE, _metered(address(0)));
        vm.prank(publisher);
        disputes.claimRelease(second, terms);
        Verdict memory verdict = _verdict(0, 0);
        verdict.agreementId = second;
        bytes memory signature = _signVerdict(auditorKeys[0], verdict);
        uint256 before = consumer.balance;
        vm.prank(consumer);
        disputes.challengeRelease{value: BOND}(second, terms, verdict, signature);
        assertTrue(sa.isAborted(second), "rejected");
        assertEq(consumer.balance, before, "bond is back");
        _refund(second, PRICE);
        assertEq(consumer.balance, before + PRICE, "all back");
    }
}
