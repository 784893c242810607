// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "../src/interfaces/ICondition.sol";
import {IPaymentConditions as I} from "../src/interfaces/IPaymentConditions.sol";
import {AgreementState, IServiceAgreement} from "../src/interfaces/IServiceAgreement.sol";
import {PriceTerms} from "../src/interfaces/Types.sol";
import {BaseTest} from "./BaseTest.sol";
import {FalseToken, FeeToken, SilentToken} from "./mocks/OddTokens.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {vm} from "./Vm.sol";

contract LockPaymentTest is BaseTest {
    function test_lock_stores() public {
        PriceTerms memory terms = _metered(address(token));
        _execute(ID, PRICE, terms);
        _lock(ID, PRICE, terms);
        (address asset, uint256 amount) = payment.lockedOf(ID);
        assertEq(asset, address(token), "token");
        assertEq(amount, PRICE, "amount");
        assertEq(payment.priceTermsOf(ID).fuelPrice, terms.fuelPrice, "terms");
        assertEq(token.balanceOf(address(payment)), PRICE, "balance");
        assertTrue(sa.conditionFulfilled(ID, 1), "condition 1");
    }

    function test_defect_j_lateLockTakesNothing() public {
        PriceTerms memory terms = _metered(address(token));
        _execute(ID, PRICE, terms);
        uint256 deadline = block.timestamp + DAY / 2;
        vm.warp(deadline);
        vm.expectRevert(
            abi.encodeWithSelector(IServiceAgreement.DeadlinePassed.selector, 1, deadline, deadline)
        );
        _lock(ID, PRICE, terms);
        assertEq(token.balanceOf(consumer), 100 ether, "still the consumer's");
        _assertState(ID, AgreementState.Executed);
    }

    function test_lock_onlyConsumer() public {
        _execute(ID, PRICE, _ether());
        vm.deal(stranger, PRICE);
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotConsumer.selector, ID, stranger));
        vm.prank(stranger);
        payment.lockPayment{value: PRICE}(ID, did, PRICE, _ether());
    }

    function test_lock_otherTerms() public {
        _execute(ID, PRICE, _ether());
        PriceTerms memory terms = _ether();
        terms.fuelPrice = 1;
        (bytes32 agreed, bytes32 offered) = (_values(PRICE, _ether())[1], _values(PRICE, terms)[1]);
        vm.expectRevert(abi.encodeWithSelector(IServiceAgreement.WrongValueHash.selector, 1, agreed, offered));
        _lock(ID, PRICE, terms);
    }

    function test_lock_otherPrice() public {
        _execute(ID, PRICE, _ether());
        vm.expectRevert(abi.encodeWithSelector(I.PriceMismatch.selector, ID, PRICE - 1));
        _lock(ID, PRICE - 1, _ether());
    }

    function test_lock_priceThatCouldNotLeave() public {
        bytes32[] memory v = _values(PRICE, _ether());
        v[4] = v[5] = keccak256(abi.encodePacked(did, PRICE + 1));
        _executeUnder(TEMPLATE, ID, v, _timeouts(0, DAY));
        vm.expectRevert(abi.encodeWithSelector(I.PriceMismatch.selector, ID, PRICE));
        _lock(ID, PRICE, _ether());
    }

    function test_lock_otherAsset() public {
        _execute(ID, PRICE, _ether());
        vm.expectRevert(abi.encodeWithSelector(I.WrongAsset.selector, did, bytes32(0)));
        vm.prank(consumer);
        payment.lockPayment{value: PRICE}(ID, 0, PRICE, _ether());
    }

    function test_lock_zeroPrice() public {
        _execute(ID, 0, _fixed(address(0), 0));
        vm.expectRevert(I.ZeroPrice.selector);
        _lock(ID, 0, _fixed(address(0), 0));
    }

    function test_lock_sumsTooLarge() public {
        uint256 tooMuch = uint256(type(uint128).max) + 1;
        PriceTerms[2] memory terms =
            [PriceTerms(address(token), 0, tooMuch, 0), PriceTerms(address(token), 0, 0, tooMuch)];
        for (uint256 i; i < terms.length; ++i) {
            bytes32 id = keccak256(abi.encode(i));
            _execute(id, PRICE, terms[i]);
            vm.expectRevert(abi.encodeWithSelector(I.SumTooLarge.selector, tooMuch));
            _lock(id, PRICE, terms[i]);
        }
        _execute(ID, tooMuch, _fixed(address(token), 0));
        vm.expectRevert(abi.encodeWithSelector(I.SumTooLarge.selector, tooMuch));
        _lock(ID, tooMuch, _fixed(address(token), 0));
    }

    function test_lock_wrongEther() public {
        _execute(ID, PRICE, _ether());
        vm.expectRevert(abi.encodeWithSelector(I.WrongValueSent.selector, PRICE, PRICE - 1));
        vm.prank(consumer);
        payment.lockPayment{value: PRICE - 1}(ID, did, PRICE, _ether());
    }

    function test_lock_etherWithToken() public {
        PriceTerms memory terms = _metered(address(token));
        _execute(ID, PRICE, terms);
        vm.expectRevert(abi.encodeWithSelector(I.WrongValueSent.selector, 0, 1));
        vm.prank(consumer);
        payment.lockPayment{value: 1}(ID, did, PRICE, terms);
    }

    function test_lock_twice() public {
        _execute(ID, PRICE, _ether());
        _lock(ID, PRICE, _ether());
        vm.expectRevert(abi.encodeWithSelector(IServiceAgreement.ConditionAlreadyFulfilled.selector, ID, 1));
        _lock(ID, PRICE, _ether());
    }

    function test_lock_tokenThatReturnsFalse() public {
        FalseToken odd = new FalseToken();
        odd.mint(consumer, PRICE);
        PriceTerms memory terms = _metered(address(odd));
        _execute(ID, PRICE, terms);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(odd)));
        _lock(ID, PRICE, terms);
    }

    function test_lock_tokenThatReturnsNothing() public {
        SilentToken odd = new SilentToken();
        odd.mint(consumer, PRICE);
        vm.prank(consumer);
        odd.approve(address(payment), PRICE);
        _toGranted(ID, PRICE, _metered(address(odd)));
        assertEq(odd.balanceOf(address(payment)), PRICE, "locked");
        _release(ID, PRICE);
        assertEq(odd.balanceOf(publisher), 0.35 ether, "paid");
        assertEq(odd.balanceOf(consumer), 0.65 ether, "rest");
    }

    function test_lock_accountThatIsNoToken() public {
        PriceTerms memory terms = _metered(stranger);
        _execute(ID, PRICE, terms);
        vm.prank(consumer);
        (bool locked,) = address(payment).call(abi.encodeCall(payment.lockPayment, (ID, did, PRICE, terms)));
        assertTrue(!locked, "refused");
    }

    function test_lock_feeOnTransferRefused() public {
        FeeToken fee = new FeeToken();
        fee.mint(consumer, PRICE);
        vm.prank(consumer);
        fee.approve(address(payment), PRICE);
        PriceTerms memory terms = _metered(address(fee));
        _execute(ID, PRICE, terms);
        vm.expectRevert(abi.encodeWithSelector(I.WrongAmountReceived.selector, PRICE, PRICE - PRICE / 100));
        _lock(ID, PRICE, terms);
    }
}
