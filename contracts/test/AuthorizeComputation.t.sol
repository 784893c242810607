// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IComputeConditions as I} from "../src/interfaces/IComputeConditions.sol";
import {ICondition} from "../src/interfaces/ICondition.sol";
import {IServiceAgreement} from "../src/interfaces/IServiceAgreement.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

contract AuthorizeTest is BaseTest {
    function setUp() public override {
        super.setUp();
        _execute(ID, PRICE, _ether());
    }

    function _expectMissing(uint256 mask) private {
        vm.expectRevert(
            abi.encodeWithSelector(IServiceAgreement.UnfulfilledDependencies.selector, ID, 2, mask)
        );
    }

    function test_defect_h_notBeforeLock() public {
        _upload(ID);
        _expectMissing(1 << 1);
        _authorize(ID);
    }

    function test_authorize_notBeforeUpload() public {
        _lock(ID, PRICE, _ether());
        _expectMissing(1 << 0);
        _authorize(ID);
    }

    function test_authorize_onlyPublisherForTheConsumer() public {
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotPublisher.selector, ID, consumer));
        vm.prank(consumer);
        compute.authorizeComputation(ID, consumer);
        vm.expectRevert(abi.encodeWithSelector(I.WrongConsumer.selector, ID, stranger));
        vm.prank(publisher);
        compute.authorizeComputation(ID, stranger);
    }

    function test_authorize_notFromTheGrantDeadlineOn() public {
        _upload(ID);
        _lock(ID, PRICE, _ether());
        uint256 deadline = block.timestamp + DAY;
        vm.warp(deadline);
        vm.expectRevert(
            abi.encodeWithSelector(IServiceAgreement.DeadlinePassed.selector, 2, deadline, deadline)
        );
        _authorize(ID);
    }

    function test_checkPermissions_bothSpellings() public {
        _upload(ID);
        _lock(ID, PRICE, _ether());
        assertTrue(!compute.checkPermissions(ID, consumer), "before");
        _authorize(ID);
        assertTrue(compute.checkPermissions(ID, consumer), "after");
        assertTrue(compute.checkPermissions(consumer, ID), "swapped");
        assertTrue(!compute.checkPermissions(ID, stranger), "second consumer");
        assertTrue(!compute.checkPermissions(stranger, ID), "second consumer, swapped");
        assertTrue(!compute.checkPermissions(keccak256("none"), address(0)), "no agreement");
    }

    function test_defect_i_refundRevokesPermission() public {
        _upload(ID);
        _lock(ID, PRICE, _ether());
        _authorize(ID);
        vm.warp(block.timestamp + DAY);
        _refund(ID, PRICE);
        assertTrue(!compute.checkPermissions(ID, consumer), "revoked");
        assertTrue(!compute.checkPermissions(consumer, ID), "revoked, swapped");
    }
}
