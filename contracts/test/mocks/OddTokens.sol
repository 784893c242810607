// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {TestToken} from "../../src/mocks/TestToken.sol";

/// @dev Keeps one per cent of every transfer.
contract FeeToken is TestToken {
    function _update(address from, address to, uint256 amount) internal override {
        uint256 fee = from == address(0) || to == address(0) ? 0 : amount / 100;
        super._update(from, to, amount - fee);
        if (fee > 0) super._update(from, address(0), fee);
    }
}

/// @dev Refuses transfers to a blocked account.
contract BlockingToken is TestToken {
    mapping(address => bool) public blocked;

    function setBlocked(address account, bool blocked_) external {
        blocked[account] = blocked_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!blocked[to], "blocked");
        super._update(from, to, amount);
    }
}
