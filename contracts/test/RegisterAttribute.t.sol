// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {DIDRegistry} from "../src/DIDRegistry.sol";
import {IDIDRegistry as I} from "../src/interfaces/IDIDRegistry.sol";
import {IServiceAgreement} from "../src/interfaces/IServiceAgreement.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

contract RegisterAttributeTest is BaseTest {
    bytes32 private constant SEED = keccak256("seed");

    function _providers(address a) private pure returns (address[] memory p) {
        p = new address[](1);
        p[0] = a;
    }

    function test_register_stores() public {
        vm.expectEmit(address(registry));
        emit I.DIDAttributeRegistered(
            registry.didOf(SEED, stranger), stranger, keccak256("x"), "url", block.timestamp
        );
        vm.prank(stranger);
        bytes32 made = registry.registerAttribute(SEED, keccak256("x"), _providers(consumer), "url");
        (address owner, bytes32 checksum, string memory value, uint256 updatedAt) =
            registry.getAttribute(made);
        assertEq(owner, stranger, "owner");
        assertEq(checksum, keccak256("x"), "checksum");
        assertEq(keccak256(bytes(value)), keccak256("url"), "value");
        assertEq(updatedAt, block.timestamp, "updatedAt");
        assertTrue(registry.isDIDProvider(made, consumer), "provider");
    }

    function test_defect_k_updateKeepsProviders() public {
        vm.prank(publisher);
        registry.addDIDProvider(did, stranger);
        vm.prank(publisher);
        registry.registerAttribute(SEED, keccak256("new"), _providers(consumer), "new url");
        assertTrue(registry.isDIDProvider(did, stranger), "kept");
        assertTrue(registry.isDIDProvider(did, consumer), "added");
        assertEq(registry.checksumOf(did), keccak256("new"), "updated");
    }

    function test_defect_l_sameSeedIsAnotherDid() public {
        vm.prank(stranger);
        bytes32 other = registry.registerAttribute(SEED, 0, _providers(stranger), "mine");
        assertTrue(other != did, "did contains its creator");
        assertEq(registry.ownerOf(did), publisher, "owner");
    }

    function test_register_valueTooLong() public {
        string memory url = string(new bytes(2049));
        vm.expectRevert(abi.encodeWithSelector(I.ValueTooLong.selector, 2049, 2048));
        vm.prank(publisher);
        registry.registerAttribute(SEED, 0, new address[](0), url);
        vm.prank(publisher);
        registry.registerAttribute(SEED, 0, new address[](0), string(new bytes(2048)));
    }

    function test_providers_onlyOwner() public {
        bytes memory revertData = abi.encodeWithSelector(I.NotOwner.selector, did, stranger);
        vm.expectRevert(revertData);
        vm.prank(stranger);
        registry.addDIDProvider(did, stranger);
        vm.expectRevert(revertData);
        vm.prank(stranger);
        registry.removeDIDProvider(did, publisher);
        vm.expectRevert(revertData);
        vm.prank(stranger);
        registry.transferDIDOwnership(did, stranger);
        vm.expectRevert(revertData);
        vm.prank(stranger);
        registry.updateAttribute(did, 0, new address[](0), "");
    }

    function test_providers_remove() public {
        vm.prank(publisher);
        registry.addDIDProvider(did, stranger);
        vm.prank(publisher);
        registry.removeDIDProvider(did, stranger);
        assertTrue(!registry.isDIDProvider(did, stranger), "removed");
    }

    function test_transfer_newOwnerUpdates() public {
        vm.expectEmit(address(registry));
        emit I.DIDOwnershipTransferred(did, publisher, stranger);
        vm.prank(publisher);
        registry.transferDIDOwnership(did, stranger);
        vm.expectRevert(abi.encodeWithSelector(I.NotOwner.selector, did, publisher));
        vm.prank(publisher);
        registry.registerAttribute(SEED, 0, new address[](0), "");
        vm.prank(stranger);
        registry.updateAttribute(did, keccak256("new"), new address[](0), "");
        assertEq(registry.checksumOf(did), keccak256("new"), "updated");
    }

    function test_setServiceAgreement_once() public {
        vm.expectRevert(abi.encodeWithSelector(I.ServiceAgreementAlreadySet.selector, address(sa)));
        registry.setServiceAgreement(IServiceAgreement(stranger));
        DIDRegistry fresh = new DIDRegistry();
        vm.expectRevert(abi.encodeWithSelector(I.NotDeployer.selector, stranger));
        vm.prank(stranger);
        fresh.setServiceAgreement(IServiceAgreement(stranger));
        vm.expectRevert(abi.encodeWithSelector(I.ComputeNotGranted.selector, ID));
        fresh.registerDerived(ID, 0, _receipt(), "");
    }
}
