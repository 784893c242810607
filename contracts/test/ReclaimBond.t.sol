// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IDisputeConditions as I, Phase} from "../src/interfaces/IDisputeConditions.sol";
import {DisputeBase} from "./mocks/DisputeBase.sol";
import {vm} from "./Vm.sol";

contract ReclaimBondTest is DisputeBase {
    function setUp() public override {
        super.setUp();
        _claim();
        _challenge();
    }

    function test_reclaim_afterThePublisherGaveIn() public {
        vm.prank(publisher);
        payment.forgoPayment(ID, did, PRICE);
        disputes.reclaimBond(ID);
        assertEq(consumer.balance, 100 ether, "price and bond are back");
        assertEq(disputes.disputeOf(ID).bond, 0, "no bond on the books");
        _expectPhase(Phase.Rejected);
        disputes.reclaimBond(ID);
    }

    function test_reclaim_afterThePublisherSlept() public {
        vm.warp(sa.getAgreement(ID).releaseDeadline);
        _refund(ID, PRICE);
        vm.prank(stranger);
        disputes.reclaimBond(ID);
        assertEq(consumer.balance, 100 ether, "price and bond are back");
    }

    function test_reclaim_notWhileOpen() public {
        vm.expectRevert(abi.encodeWithSelector(I.StillOpen.selector, ID));
        disputes.reclaimBond(ID);
    }

    function test_reclaim_notOnceDecided() public {
        vm.warp(disputes.disputeOf(ID).resolutionDeadline);
        disputes.passRelease(ID);
        _expectPhase(Phase.Passed);
        disputes.reclaimBond(ID);
    }
}
