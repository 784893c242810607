// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @dev ERC-1271 wallet of one key that can be told to refuse, or to re-enter on, incoming ETH.
contract Wallet {
    enum Mode {
        Accept,
        Refuse,
        Burn,
        Reenter
    }

    address private immutable _signer;
    Mode public mode;
    address private _target;
    bytes private _call;
    bool public reentered;

    constructor(address signer) {
        _signer = signer;
    }

    function setMode(Mode mode_) external {
        mode = mode_;
    }

    function reenterWith(address target, bytes calldata call_) external {
        (mode, _target, _call) = (Mode.Reenter, target, call_);
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return ECDSA.recover(digest, signature) == _signer ? this.isValidSignature.selector : bytes4(0);
    }

    receive() external payable {
        require(mode != Mode.Refuse, "refused");
        while (mode == Mode.Burn) {}
        if (mode == Mode.Reenter) (reentered,) = _target.call(_call);
    }
}
