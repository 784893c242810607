// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IAccessConditions as I} from "../src/interfaces/IAccessConditions.sol";
import {ICondition} from "../src/interfaces/ICondition.sol";
import {AgreementState} from "../src/interfaces/IServiceAgreement.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

contract GrantRunAccessTest is BaseTest {
    bytes32 private _second;

    function setUp() public override {
        super.setUp();
        _execute(ID, PRICE, _ether());
        _upload(ID);
        _lock(ID, PRICE, _ether());
        _authorize(ID);
        _register(ID, _receipt());
        _second = registry.derivedDid(ID, 1);
    }

    function _grantRun(uint64 run) private {
        vm.prank(publisher);
        access.grantRunAccess(ID, run);
    }

    function test_grantRun_opensTheRunsOutputs() public {
        _grant(ID);
        _release(ID, PRICE);
        _registerRun(ID, 1, keccak256("second run"));
        assertTrue(!access.checkPermissions(consumer, _second), "before");
        vm.expectEmit(address(access));
        emit I.AccessGranted(ID, _second);
        _grantRun(1);
        assertTrue(access.checkPermissions(consumer, _second), "after");
        assertTrue(!access.checkPermissions(stranger, _second), "second consumer");
    }

    function test_grantRun_firstRunComesFirst() public {
        _registerRun(ID, 1, keccak256("second run"));
        vm.expectRevert(abi.encodeWithSelector(I.FirstRunNotGranted.selector, ID));
        _grantRun(1);
    }

    function test_grantRun_unregistered() public {
        _grant(ID);
        vm.expectRevert(abi.encodeWithSelector(I.DerivedDidNotRegistered.selector, _second));
        _grantRun(1);
    }

    function test_grantRun_onlyPublisher() public {
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotPublisher.selector, ID, stranger));
        vm.prank(stranger);
        access.grantRunAccess(ID, 1);
    }

    function test_grantRun_endsWithARefund() public {
        _grant(ID);
        _registerRun(ID, 1, keccak256("second run"));
        _grantRun(1);
        vm.warp(sa.getAgreement(ID).releaseDeadline);
        _refund(ID, PRICE);
        assertTrue(!access.checkPermissions(consumer, _second), "no permission");
        _expectNotOpen(ID, AgreementState.Terminated);
        _grantRun(1);
    }
}
