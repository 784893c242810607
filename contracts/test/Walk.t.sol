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

    /// @dev As the diagram of the computing services has it: the payment first, each side hands in its half of the upload,
    /// and the permission is asked for with the arguments the other way round.
    function test_walk_asInTheDiagram() public {
        _execute(ID, PRICE, _ether());
        _lock(ID, PRICE, _ether());
        bytes memory signature = _signUpload(CONSUMER_KEY, ID);
        vm.prank(consumer);
        compute.submitHashSignature(ID, signature);
        vm.expectEmit(address(compute));
        emit IComputeConditions.FulfillUpload(ID, 0, consumer, CHECKSUM);
        vm.prank(publisher);
        compute.submitAlgorithmHash(ID, CHECKSUM);
        vm.expectEmit(address(compute));
        emit IComputeConditions.ComputeGranted(ID, consumer, did);
        _authorize(ID);
        assertTrue(compute.checkPermissions(consumer, ID), "may compute");
        _walkResult(PRICE);
        assertEq(publisher.balance, PRICE, "publisher");
    }

    /// @dev Whatever is tried in whatever order: what is done was allowed, and the way to the end stays open.
    function testFuzz_walk_anyOrderOfCalls(uint256 order) public {
        _execute(ID, PRICE, _metered(address(token)));
        for (uint256 i; i < 24; ++i) {
            _try(uint8(order >> (8 * i)) % 7);
        }
        uint8[][] memory needs = _dependencies();
        for (uint8 i; i < 6; ++i) {
            if (!sa.conditionFulfilled(ID, i)) continue;
            for (uint256 j; j < needs[i].length; ++j) {
                assertTrue(sa.conditionFulfilled(ID, needs[i][j]), "out of order");
            }
        }
        for (uint8 i; i < 7; ++i) {
            _try(i);
        }
        _assertState(ID, AgreementState.Fulfilled);
        assertEq(token.balanceOf(publisher), 0.35 ether, "paid once");
        assertEq(token.balanceOf(consumer), 99.65 ether, "rest");
    }

    function _try(uint8 step) private returns (bool done) {
        (done,) = address(this).call(abi.encodeCall(this.take, (step)));
    }

    function take(uint8 step) external {
        require(msg.sender == address(this), "internal");
        if (step == 0) _upload(ID);
        else if (step == 1) _lock(ID, PRICE, _metered(address(token)));
        else if (step == 2) _authorize(ID);
        else if (step == 3) _register(ID, _receipt());
        else if (step == 4) _grant(ID);
        else if (step == 5) _release(ID, PRICE);
        else _refund(ID, PRICE);
    }

    /// @dev As OEP-12 has it: the publisher relays the signed checksum, and the payment comes after the upload.
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
