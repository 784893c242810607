// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title Payouts that nobody can block
/// @notice Money is pushed to its receiver. What cannot be delivered is kept as the receiver's credit, to be collected.
/// @dev Sums are in the token's smallest unit (wei); the zero address stands for ETH. ETH is pushed with 50,000 gas.
/// Warning: a token's own code runs with all the gas there is; one that burns it can block its own payouts, and only them.
/// Warning: whoever makes the call that pays can have a payout credited instead of delivered, by giving too little gas.
interface IPayouts {
    /// @notice A payout could not be delivered and waits for `withdraw`.
    event PaymentCredited(address indexed token, address indexed account, uint256 amount);

    /// @notice A waiting payout was collected.
    event CreditWithdrawn(address indexed token, address indexed account, uint256 amount);

    /// @notice There is nothing to withdraw.
    error NoCredit(address token, address account);

    /// @notice Collect the caller's payouts that could not be delivered.
    /// @dev Reverts: NoCredit, and if the caller cannot receive it now either.
    function withdraw(address token) external;

    /// @notice Payouts waiting for `account`, in `token` (zero address: ETH).
    function credits(address token, address account) external view returns (uint256);
}
