// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IAccessConditions} from "../src/interfaces/IAccessConditions.sol";
import {IComputeConditions} from "../src/interfaces/IComputeConditions.sol";
import {IDIDRegistry} from "../src/interfaces/IDIDRegistry.sol";
import {IPaymentConditions} from "../src/interfaces/IPaymentConditions.sol";
import {AgreementState, IServiceAgreement} from "../src/interfaces/IServiceAgreement.sol";
import {PriceTerms} from "../src/interfaces/Types.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

/// @dev The whole life of an agreement, event by event.
contract WalkTest is BaseTest {
    function test_walk_fixedPriceInEther() public {
        _walk(_ether(), PRICE);
        assertEq(publisher.balance, PRICE, "publisher");
        assertEq(consumer.balance, 99 ether, "consumer");
        assertEq(address(payment).balance, 0, "escrow");
    }

    function test_walk_meteredInEther() public {
        _walk(_metered(address(0)), 0.35 ether);
        assertEq(publisher.balance, 0.35 ether, "publisher");
        assertEq(consumer.balance, 99.65 ether, "consumer");
    }

    function test_walk_meteredInToken() public {
        _walk(_metered(address(token)), 0.35 ether);
        assertEq(token.balanceOf(publisher), 0.35 ether, "publisher");
        assertEq(token.balanceOf(consumer), 99.65 ether, "consumer");
        assertEq(token.balanceOf(address(payment)), 0, "escrow");
    }

    function _walk(PriceTerms memory terms, uint256 due) private {
        vm.expectEmit(address(sa));
        emit IServiceAgreement.ExecuteAgreement(ID, TEMPLATE, did, true, address(this), consumer, true);
        _execute(ID, PRICE, terms);
        vm.expectEmit(address(compute));
        emit IComputeConditions.FulfillUpload(ID, 0, consumer, CHECKSUM);
        _upload(ID);
        vm.expectEmit(address(payment));
        emit IPaymentConditions.PaymentLocked(ID, consumer, publisher, PRICE);
        _lock(ID, PRICE, terms);
        vm.expectEmit(address(compute));
        emit IComputeConditions.ComputeGranted(ID, consumer, did);
        _authorize(ID);
        assertTrue(compute.checkPermissions(ID, consumer), "may compute");
        _walkResult(due);
    }

    function _walkResult(uint256 due) private {
        bytes32 derived = registry.derivedDid(ID, 0);
        vm.expectEmit(address(registry));
        emit IDIDRegistry.DIDAttributeRegistered(
            derived, consumer, _receipt(), "derived url", block.timestamp
        );
        vm.expectEmit(address(registry));
        emit IDIDRegistry.WasDerivedFrom(derived, did, ID);
        vm.expectEmit(address(registry));
        emit IDIDRegistry.NewAssetCreated(ID, derived, consumer, _receipt());
        _register(ID, _receipt());
        assertEq(registry.ownerOf(derived), consumer, "owner");
        vm.expectEmit(address(access));
        emit IAccessConditions.AccessGranted(ID, derived);
        _grant(ID);
        assertTrue(access.checkPermissions(consumer, derived), "may fetch");
        _expectRelease(due);
        _release(ID, PRICE);
        assertEq(payment.receiptOf(ID), _receipt(), "receipt");
        _assertState(ID, AgreementState.Fulfilled);
    }

    function _expectRelease(uint256 due) private {
        vm.expectEmit(address(sa));
        emit IServiceAgreement.AgreementFulfilled(ID, TEMPLATE, address(this));
        vm.expectEmit(address(payment));
        emit IPaymentConditions.ReceiptCommitted(ID, _receipt(), publisher, 0);
        vm.expectEmit(address(payment));
        emit IPaymentConditions.PaymentReleased(ID, consumer, publisher, due);
        if (due == PRICE) return;
        vm.expectEmit(address(payment));
        emit IPaymentConditions.PaymentRefund(ID, publisher, consumer, PRICE - due);
    }
}
