// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IAccessConditions as I} from "../src/interfaces/IAccessConditions.sol";
import {ICondition} from "../src/interfaces/ICondition.sol";
import {IServiceAgreement} from "../src/interfaces/IServiceAgreement.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

contract AccessConditionsTest is BaseTest {
    bytes32 private _derived;

    function setUp() public override {
        super.setUp();
        _execute(ID, PRICE, _ether());
        _upload(ID);
        _lock(ID, PRICE, _ether());
        _derived = registry.derivedDid(ID, 0);
    }

    function test_grant_needsRegisteredResult() public {
        _authorize(ID);
        vm.expectRevert(abi.encodeWithSelector(I.DerivedDidNotRegistered.selector, _derived));
        vm.prank(publisher);
        access.grantAccess(ID, _derived);
    }

    function test_grant_otherDid() public {
        vm.expectRevert(abi.encodeWithSelector(I.WrongDerivedDid.selector, _derived, did));
        vm.prank(publisher);
        access.grantAccess(ID, did);
    }

    function test_grant_onlyPublisher() public {
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotPublisher.selector, ID, consumer));
        vm.prank(consumer);
        access.grantAccess(ID, _derived);
    }

    function test_grant_notFromTheDeadlineOn() public {
        _authorize(ID);
        _register(ID, _receipt());
        uint256 deadline = block.timestamp + DAY;
        vm.warp(deadline);
        vm.expectRevert(
            abi.encodeWithSelector(IServiceAgreement.DeadlinePassed.selector, 3, deadline, deadline)
        );
        vm.prank(publisher);
        access.grantAccess(ID, _derived);
    }

    function test_checkPermissions_isPerAgreement() public {
        _authorize(ID);
        _register(ID, _receipt());
        assertTrue(!access.checkPermissions(consumer, _derived), "before");
        _grant(ID);
        assertTrue(access.checkPermissions(consumer, _derived), "after");
        assertTrue(!access.checkPermissions(stranger, _derived), "second consumer");
        assertTrue(!access.checkPermissions(consumer, did), "the source stays private");
        assertTrue(!access.checkPermissions(address(0), did), "nobody");
    }
}
