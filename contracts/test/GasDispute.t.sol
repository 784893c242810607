// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Verdict} from "../src/interfaces/Types.sol";
import {DisputeBase} from "./mocks/DisputeBase.sol";
import {vm} from "./Vm.sol";

/// @dev What a dispute window adds to an agreement (snapshots/dispute.json).
/// forge-config: default.isolate = true
contract GasDisputeTest is DisputeBase {
    function setUp() public override {
        super.setUp();
        _claim();
        vm.snapshotGasLastCall("dispute", "1 claimRelease");
    }

    function test_gas_unchallenged() public {
        vm.warp(block.timestamp + WINDOW);
        disputes.passRelease(ID);
        vm.snapshotGasLastCall("dispute", "2 passRelease");
    }

    function test_gas_challenged() public {
        Verdict memory verdict = _verdict(0, 0);
        bytes memory signature = _signVerdict(auditorKeys[0], verdict);
        vm.prank(consumer);
        disputes.challengeRelease{value: BOND}(ID, terms, verdict, signature);
        vm.snapshotGasLastCall("dispute", "2 challengeRelease");
        verdict = _verdict(1, 0);
        signature = _signVerdict(auditorKeys[1], verdict);
        disputes.submitVerdict(ID, terms, verdict, signature);
        vm.snapshotGasLastCall("dispute", "3 submitVerdict, the deciding one");
    }
}
