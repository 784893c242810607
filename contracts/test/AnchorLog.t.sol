// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IPaymentConditions as I} from "../src/interfaces/IPaymentConditions.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

contract AnchorLogTest is BaseTest {
    bytes32 private constant ROOT = keccak256("root");

    function _anchor(address provider, uint64 size, bytes32 root) private {
        vm.prank(provider);
        payment.anchorLog(size, root);
    }

    function _isAnchored(address provider, uint64 size, bytes32 root, uint64 blockNumber) private view {
        (uint64 foundSize, bytes32 foundRoot, uint64 foundBlock) = payment.anchorOf(provider);
        require(foundSize == size && foundRoot == root && foundBlock == blockNumber, "another anchor");
    }

    function test_anchor_isKeptAndTold() public {
        _isAnchored(publisher, 0, 0, 0);
        vm.roll(77);
        vm.expectEmit(address(payment));
        emit I.LogAnchored(publisher, 5, ROOT);
        _anchor(publisher, 5, ROOT);
        _isAnchored(publisher, 5, ROOT, 77);
        vm.roll(78);
        _anchor(publisher, 6, keccak256("next"));
        _isAnchored(publisher, 6, keccak256("next"), 78);
    }

    function test_anchor_ofTheSameOrASmallerSize() public {
        _anchor(publisher, 5, ROOT);
        uint64[3] memory sizes = [uint64(5), 4, 0];
        for (uint256 i; i < sizes.length; i++) {
            vm.expectRevert(abi.encodeWithSelector(I.LogNotLarger.selector, 5, sizes[i]));
            _anchor(publisher, sizes[i], keccak256("another past"));
        }
        _isAnchored(publisher, 5, ROOT, uint64(block.number));
    }

    function test_anchor_ofNothing() public {
        vm.expectRevert(abi.encodeWithSelector(I.LogNotLarger.selector, 0, 0));
        _anchor(publisher, 0, ROOT);
    }

    function test_anchor_ofOneProviderIsNotAnothers() public {
        _anchor(publisher, type(uint64).max, ROOT);
        _anchor(stranger, 1, keccak256("theirs"));
        _isAnchored(publisher, type(uint64).max, ROOT, uint64(block.number));
        _isAnchored(stranger, 1, keccak256("theirs"), uint64(block.number));
        vm.expectRevert(abi.encodeWithSelector(I.LogNotLarger.selector, type(uint64).max, type(uint64).max));
        _anchor(publisher, type(uint64).max, ROOT);
    }

    function testFuzz_anchor_sizesStrictlyGrow(uint64 first, uint64 second) public {
        if (first == 0) return;
        _anchor(publisher, first, ROOT);
        if (second <= first) vm.expectRevert(abi.encodeWithSelector(I.LogNotLarger.selector, first, second));
        _anchor(publisher, second, keccak256("next"));
    }
}
