// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Handler} from "./mocks/Handler.sol";

/// @dev No money is made or lost, no agreement pays for another, and nothing goes back. What concerns one agreement is
/// checked by the handler after each step, what concerns all of them here. By hand, a million calls:
/// `FOUNDRY_PROFILE=deep forge test --offline --match-contract InvariantTest`.
contract InvariantTest {
    Handler private _handler;

    function setUp() public {
        _handler = new Handler();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](8);
        (selectors[0], selectors[1]) = (Handler.step.selector, Handler.advance.selector);
        (selectors[2], selectors[3]) = (Handler.settle.selector, Handler.wait.selector);
        (selectors[4], selectors[5]) = (Handler.toggleRefusal.selector, Handler.attack.selector);
        (selectors[6], selectors[7]) = (Handler.waitForDeadline.selector, Handler.renew.selector);
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler), selectors);
    }

    /// @dev Ether and tokens in the contracts are what is locked and credited; all together are what there was at the
    /// start. That nobody is paid twice is in it: the handler compares what arrives with what was locked.
    function invariant_neverPaidTwice() public view {
        _handler.checkBooks();
    }

    /// @dev Guards the invariant against passing because nothing ever happens.
    function test_handlerReachesEveryEnd() public {
        _handler.toggleRefusal(true);
        _handler.advance(0, 4);
        _handler.advance(1, 4);
        _handler.settle(0);
        _handler.settle(1);
        _handler.advance(2, 7);
        _handler.settle(2);
        _handler.advance(5, 5);
        _handler.waitForDeadline(5, 3, 1);
        _handler.step(15, 5);
        _handler.settle(5);
        _handler.waitForDeadline(3, 0, 1);
        _handler.step(17, 3);
        for (uint8 i; i < 6; ++i) {
            _handler.renew(i);
        }
        _handler.checkBooks();
        require(_handler.ended(0) == 3, "paid");
        require(_handler.ended(1) == 1, "cancelled");
        require(_handler.ended(2) == 1, "rejected by auditors");
    }
}
