// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IDIDRegistry as I} from "../src/interfaces/IDIDRegistry.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

contract RegisterDerivedTest is BaseTest {
    function setUp() public override {
        super.setUp();
        _execute(ID, PRICE, _ether());
        _upload(ID);
        _lock(ID, PRICE, _ether());
    }

    function test_derived_needsComputeGranted() public {
        vm.expectRevert(abi.encodeWithSelector(I.ComputeNotGranted.selector, ID));
        _register(ID, _receipt());
    }

    function test_defect_l_derivedCannotBeSquatted() public {
        _authorize(ID);
        vm.expectRevert(abi.encodeWithSelector(I.NotPublisher.selector, ID, stranger));
        vm.prank(stranger);
        registry.registerDerived(ID, 0, _receipt(), "");
    }

    function test_derived_oncePerRun() public {
        _authorize(ID);
        _register(ID, _receipt());
        bytes32 derived = registry.derivedDid(ID, 0);
        vm.expectRevert(abi.encodeWithSelector(I.AlreadyRegistered.selector, derived));
        _register(ID, keccak256("other"));
        vm.prank(publisher);
        bytes32 second = registry.registerDerived(ID, 1, keccak256("second run"), "");
        assertEq(second, registry.derivedDid(ID, 1), "second run");
    }

    function test_derived_laterRunAfterPayment() public {
        _authorize(ID);
        _register(ID, _receipt());
        _grant(ID);
        _release(ID, PRICE);
        vm.prank(publisher);
        bytes32 second = registry.registerDerived(ID, 1, keccak256("second run"), "");
        assertEq(registry.ownerOf(second), consumer, "owner");
    }

    function test_derived_urlIsInTheEventOnly() public {
        _authorize(ID);
        _register(ID, _receipt());
        (address owner, bytes32 checksum, string memory value,) =
            registry.getAttribute(registry.derivedDid(ID, 0));
        assertEq(owner, consumer, "owner");
        assertEq(checksum, _receipt(), "checksum");
        assertEq(bytes(value).length, 0, "not stored");
    }

    function test_derived_notAfterRefund() public {
        _authorize(ID);
        vm.warp(block.timestamp + DAY);
        _refund(ID, PRICE);
        vm.expectRevert(abi.encodeWithSelector(I.ComputeNotGranted.selector, ID));
        _register(ID, _receipt());
    }

    function test_derived_zeroReceipt() public {
        _authorize(ID);
        vm.expectRevert(I.ZeroReceiptHash.selector);
        _register(ID, 0);
    }

    function test_derived_checksumNeverChanges() public {
        _authorize(ID);
        _register(ID, _receipt());
        bytes32 derived = registry.derivedDid(ID, 0);
        vm.expectRevert(abi.encodeWithSelector(I.DerivedAssetImmutable.selector, derived));
        vm.prank(consumer);
        registry.updateAttribute(derived, keccak256("forged"), new address[](0), "");
    }
}
