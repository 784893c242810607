// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A worthless token with 18 decimals and EIP-2612 permits, for tests and demos
/// @dev Anyone may mint: never accept it as payment.
contract TestToken is ERC20("Brizo Test Token", "TEST"), ERC20Permit("Brizo Test Token") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
