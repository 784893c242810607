// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Permit, PriceTerms} from "../src/interfaces/Types.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

/// @dev What each transaction of an agreement costs, as a chain would charge it (snapshots/*.json; README says how to read
/// and to renew them). Another agreement was settled before, so that balances and credits are not written first.
/// forge-config: default.isolate = true
contract GasTest is BaseTest {
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    string private constant URL =
        "https://provider.example/api/v1/jobs/0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-0/outputs";

    bytes32 private constant FIRST = keccak256("first");

    function test_gas_fixedEther() public {
        _walk("fixed-ether", _ether());
    }

    function test_gas_meteredEther() public {
        _walk("metered-ether", _metered(address(0)));
    }

    function test_gas_fixedToken() public {
        _walk("fixed-token", _fixed(address(token), PRICE));
    }

    function test_gas_meteredToken() public {
        _walk("metered-token", _metered(address(token)));
    }

    function test_gas_others() public {
        _toGranted(FIRST, PRICE, _ether());
        _release(FIRST, PRICE);
        _registerRun(FIRST, 1, _receipt());
        bytes memory signature = _signOrder(CONSUMER_KEY, FIRST, 1);
        vm.prank(publisher);
        payment.commitReceipt(FIRST, 1, SPEC, _outcome(), signature);
        vm.snapshotGasLastCall("others", "commitReceipt");
        vm.prank(publisher);
        access.grantRunAccess(FIRST, 1);
        vm.snapshotGasLastCall("others", "grantRunAccess");
        _execute(ID, PRICE, _ether());
        _lock(ID, PRICE, _ether());
        vm.warp(block.timestamp + DAY);
        _refund(ID, PRICE);
        vm.snapshotGasLastCall("others", "refundPayment");
    }

    function test_gas_permit() public {
        PriceTerms memory terms = _fixed(address(token), PRICE);
        vm.prank(consumer);
        token.approve(address(payment), 0);
        _execute(ID, PRICE, terms);
        uint256 deadline = block.timestamp;
        bytes32 structHash = keccak256(
            abi.encode(PERMIT_TYPEHASH, consumer, address(payment), PRICE, token.nonces(consumer), deadline)
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            CONSUMER_KEY, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash))
        );
        vm.prank(consumer);
        payment.lockPaymentWithPermit(ID, did, PRICE, terms, Permit(deadline, v, r, s));
        vm.snapshotGasLastCall("others", "lockPaymentWithPermit");
    }

    function _walk(string memory group, PriceTerms memory terms) private {
        _toGranted(FIRST, PRICE, terms);
        _release(FIRST, PRICE);
        uint256 sum = _toCompute(group, terms);
        vm.prank(publisher);
        registry.registerDerived(ID, 0, _receipt(), URL);
        sum += vm.snapshotGasLastCall(group, "5 registerDerived");
        _grant(ID);
        sum += vm.snapshotGasLastCall(group, "6 grantAccess");
        _release(ID, PRICE);
        sum += vm.snapshotGasLastCall(group, "7 releasePayment");
        vm.snapshotValue(group, "sum", sum);
    }

    function _toCompute(string memory group, PriceTerms memory terms) private returns (uint256 sum) {
        _execute(ID, PRICE, terms);
        sum += vm.snapshotGasLastCall(group, "1 executeAgreement");
        _upload(ID);
        sum += vm.snapshotGasLastCall(group, "2 fulfillAlgorithmUpload");
        _lock(ID, PRICE, terms);
        sum += vm.snapshotGasLastCall(group, "3 lockPayment");
        _authorize(ID);
        sum += vm.snapshotGasLastCall(group, "4 authorizeComputation");
    }
}
