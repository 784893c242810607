// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {IPaymentConditions as I} from "../src/interfaces/IPaymentConditions.sol";
import {Permit, PriceTerms} from "../src/interfaces/Types.sol";
import {BaseTest} from "./BaseTest.sol";
import {SilentToken} from "./mocks/OddTokens.sol";
import {vm} from "./Vm.sol";

contract LockPaymentWithPermitTest is BaseTest {
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    function setUp() public override {
        super.setUp();
        vm.prank(consumer);
        token.approve(address(payment), 0);
        _execute(ID, PRICE, _terms());
    }

    function _terms() private view returns (PriceTerms memory) {
        return _metered(address(token));
    }

    function _permit(uint256 key, uint256 value, uint256 deadline) private view returns (Permit memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                PERMIT_TYPEHASH, vm.addr(key), address(payment), value, token.nonces(vm.addr(key)), deadline
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return Permit(deadline, v, r, s);
    }

    function _lockWith(Permit memory permit, PriceTerms memory terms) private {
        vm.prank(consumer);
        payment.lockPaymentWithPermit(ID, did, PRICE, terms, permit);
    }

    function _expectNoAllowance() private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector, address(payment), 0, PRICE
            )
        );
    }

    function test_permit_locksInOneTransaction() public {
        Permit memory permit = _permit(CONSUMER_KEY, PRICE, block.timestamp);
        vm.expectEmit(address(payment));
        emit I.PaymentLocked(ID, consumer, publisher, PRICE);
        _lockWith(permit, _terms());
        assertEq(token.balanceOf(address(payment)), PRICE, "locked");
        assertEq(token.allowance(consumer, address(payment)), 0, "nothing left over");
        assertTrue(sa.conditionFulfilled(ID, 1), "condition 1");
    }

    function test_permit_handedInBySomeoneElseBefore() public {
        Permit memory permit = _permit(CONSUMER_KEY, PRICE, block.timestamp);
        vm.prank(stranger);
        token.permit(consumer, address(payment), PRICE, permit.deadline, permit.v, permit.r, permit.s);
        _lockWith(permit, _terms());
        assertEq(token.balanceOf(address(payment)), PRICE, "locked");
    }

    function test_permit_expired() public {
        Permit memory permit = _permit(CONSUMER_KEY, PRICE, block.timestamp - 1);
        _expectNoAllowance();
        _lockWith(permit, _terms());
    }

    function test_permit_ofAnotherOrForAnotherSum() public {
        Permit memory byStranger = _permit(STRANGER_KEY, PRICE, block.timestamp);
        _expectNoAllowance();
        _lockWith(byStranger, _terms());
        Permit memory otherSum = _permit(CONSUMER_KEY, PRICE + 1, block.timestamp);
        _expectNoAllowance();
        _lockWith(otherSum, _terms());
    }

    function test_permit_tokenWithoutPermitsButWithAllowance() public {
        SilentToken old = new SilentToken();
        old.mint(consumer, PRICE);
        vm.prank(consumer);
        old.approve(address(payment), PRICE);
        bytes32 second = keccak256("second");
        _execute(second, PRICE, _metered(address(old)));
        vm.prank(consumer);
        payment.lockPaymentWithPermit(
            second, did, PRICE, _metered(address(old)), Permit(block.timestamp, 27, 0, 0)
        );
        assertEq(old.balanceOf(address(payment)), PRICE, "locked");
    }

    function test_permit_forEther() public {
        vm.expectRevert(abi.encodeWithSelector(I.PermitNeedsToken.selector, address(0)));
        _lockWith(Permit(block.timestamp, 27, 0, 0), _ether());
    }
}
