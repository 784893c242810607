// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IPayouts} from "./interfaces/IPayouts.sol";

/// @title Payouts that nobody can block
/// @notice Specified in IPayouts.
abstract contract Payouts is IPayouts, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev Enough for a wallet contract to receive ETH, too little for it to make the other party's call expensive.
    uint256 private constant PUSH_GAS = 50_000;

    /// @inheritdoc IPayouts
    mapping(address token => mapping(address account => uint256)) public credits;

    /// @inheritdoc IPayouts
    function withdraw(address token) external nonReentrant {
        uint256 amount = credits[token][msg.sender];
        require(amount > 0, NoCredit(token, msg.sender));
        credits[token][msg.sender] = 0;
        emit CreditWithdrawn(token, msg.sender, amount);
        if (token == address(0)) {
            Address.sendValue(payable(msg.sender), amount);
        } else {
            IERC20(token).safeTransfer(msg.sender, amount);
        }
    }

    /// @dev A receiver that refuses gets a credit instead, so that it cannot block the other party's payout. Call it last:
    /// the receiver runs code here.
    function _pay(address token, address to, uint256 amount) internal {
        if (amount == 0) return;
        bool paid = token == address(0) ? _pushEther(to, amount) : IERC20(token).trySafeTransfer(to, amount);
        if (paid) return;
        credits[token][to] += amount;
        emit PaymentCredited(token, to, amount);
    }

    /// @dev Assembly because a Solidity call copies whatever the receiver returns, at the caller's cost.
    function _pushEther(address to, uint256 amount) private returns (bool success) {
        assembly ("memory-safe") {
            success := call(PUSH_GAS, to, amount, 0, 0, 0, 0)
        }
    }
}
