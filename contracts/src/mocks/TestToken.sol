// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A worthless token with 18 decimals, for tests and demos
/// @dev Anyone may mint: never accept it as payment.
contract TestToken is ERC20("Brizo Test Token", "TEST") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
