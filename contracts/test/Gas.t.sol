// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {PriceTerms} from "../src/interfaces/Types.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

/// @dev What each transaction of an agreement costs, as a chain would charge it (snapshots/*.json; README says how to read
/// and to renew them). Another agreement was settled before, so that balances and credits are not written first.
/// forge-config: default.isolate = true
contract GasTest is BaseTest {
    string private constant URL =
        "https://provider.example/api/v1/jobs/0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-0/outputs";

    bytes32 private constant FIRST = keccak256("first");

    function test_gas_fixedEther() public {
        _walk("fixed-ether", _ether());
    }

    function test_gas_fixedToken() public {
        _walk("fixed-token", _fixed(address(token), PRICE));
    }

    function test_gas_meteredToken() public {
        _walk("metered-token", _metered(address(token)));
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
