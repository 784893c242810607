// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IDisputeConditions as I, Phase} from "../src/interfaces/IDisputeConditions.sol";
import {AgreementState} from "../src/interfaces/IServiceAgreement.sol";
import {DisputeBase} from "./mocks/DisputeBase.sol";
import {vm} from "./Vm.sol";

contract PassReleaseTest is DisputeBase {
    function test_pass_unchallenged() public {
        _claim();
        uint256 deadline = block.timestamp + WINDOW;
        vm.warp(deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(I.TooEarly.selector, deadline, deadline - 1));
        disputes.passRelease(ID);
        vm.warp(deadline);
        vm.expectEmit(address(disputes));
        emit I.ReleasePassed(ID, _receipt());
        disputes.passRelease(ID);
        _release(ID, PRICE);
        assertEq(publisher.balance, 0.35 ether, "paid");
    }

    function test_pass_silenceIsForThePublisher() public {
        _claim();
        _challenge();
        vm.warp(disputes.disputeOf(ID).resolutionDeadline);
        disputes.passRelease(ID);
        assertEq(publisher.balance, BOND, "the bond is the publisher's");
        assertEq(disputes.disputeOf(ID).bond, 0, "no bond on the books");
        _release(ID, PRICE);
        assertEq(publisher.balance, BOND + 0.35 ether, "paid");
        _assertState(ID, AgreementState.Fulfilled);
    }

    function test_pass_needsAClaim() public {
        _expectPhase(Phase.None);
        disputes.passRelease(ID);
    }

    function test_pass_once() public {
        _claim();
        vm.warp(block.timestamp + WINDOW);
        disputes.passRelease(ID);
        _expectPhase(Phase.Passed);
        disputes.passRelease(ID);
    }

    /// @dev Even the slowest dispute leaves the publisher a day for the release.
    function test_pass_alwaysBeforeTheReleaseDeadline() public {
        uint256 latest = sa.getAgreement(ID).releaseDeadline - disputes.PAYOUT_MARGIN();
        vm.warp(latest - WINDOW - RESOLUTION);
        _claim();
        _challenge();
        vm.warp(latest);
        disputes.passRelease(ID);
        vm.prank(consumer);
        (bool refunded,) = address(payment).call(abi.encodeCall(payment.refundPayment, (ID, did, PRICE)));
        assertTrue(!refunded, "too early for a refund");
        _release(ID, PRICE);
        _assertState(ID, AgreementState.Fulfilled);
    }
}
