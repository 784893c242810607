// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "../src/interfaces/ICondition.sol";
import {IPaymentConditions as I} from "../src/interfaces/IPaymentConditions.sol";
import {IPayouts} from "../src/interfaces/IPayouts.sol";
import {AgreementState, IServiceAgreement} from "../src/interfaces/IServiceAgreement.sol";
import {Outcome, PriceTerms} from "../src/interfaces/Types.sol";
import {ReceiptHash} from "../src/libraries/ReceiptHash.sol";
import {BaseTest} from "./BaseTest.sol";
import {BlockingToken, FalseToken} from "./mocks/OddTokens.sol";
import {Wallet} from "./mocks/Wallet.sol";
import {vm} from "./Vm.sol";

contract ReleasePaymentTest is BaseTest {
    function _releaseReverts(Outcome memory outcome, bytes memory signature, bytes memory revertData)
        private
    {
        vm.expectRevert(revertData);
        vm.prank(publisher);
        payment.releasePayment(ID, did, PRICE, SPEC, outcome, signature);
    }

    function test_release_onlyPublisher() public {
        _toGranted(ID, PRICE, _ether());
        bytes memory signature = _signOrder(CONSUMER_KEY, ID);
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotPublisher.selector, ID, consumer));
        vm.prank(consumer);
        payment.releasePayment(ID, did, PRICE, SPEC, _outcome(), signature);
    }

    function test_release_withoutReceipt() public {
        _execute(ID, PRICE, _ether());
        _upload(ID);
        _lock(ID, PRICE, _ether());
        _authorize(ID);
        bytes memory revertData = abi.encodeWithSelector(I.ReceiptMismatch.selector, bytes32(0), _receipt());
        _releaseReverts(_outcome(), _signOrder(CONSUMER_KEY, ID), revertData);
    }

    function test_release_withoutGrant() public {
        _execute(ID, PRICE, _ether());
        _upload(ID);
        _lock(ID, PRICE, _ether());
        _authorize(ID);
        _register(ID, _receipt());
        bytes memory revertData =
            abi.encodeWithSelector(IServiceAgreement.UnfulfilledDependencies.selector, ID, 4, 1 << 3);
        _releaseReverts(_outcome(), _signOrder(CONSUMER_KEY, ID), revertData);
    }

    function test_release_forgedOutcome() public {
        _toGranted(ID, PRICE, _metered(address(0)));
        Outcome memory forged = _outcome();
        forged.fuelUsed += 1;
        bytes32 forgedHash = ReceiptHash.receiptHash(SPEC, forged);
        bytes memory revertData = abi.encodeWithSelector(I.ReceiptMismatch.selector, _receipt(), forgedHash);
        _releaseReverts(forged, _signOrder(CONSUMER_KEY, ID), revertData);
    }

    function test_release_specTheConsumerDidNotOrder() public {
        _toGranted(ID, PRICE, _ether());
        bytes32 digest = sa.hashTypedData(ReceiptHash.jobOrderHash(ID, 0, SPEC));
        bytes memory revertData =
            abi.encodeWithSelector(ICondition.InvalidSignature.selector, consumer, digest);
        _releaseReverts(_outcome(), _signOrder(STRANGER_KEY, ID), revertData);
        _releaseReverts(_outcome(), _signOrder(CONSUMER_KEY, keccak256("second")), revertData);
    }

    function test_release_twice() public {
        _toGranted(ID, PRICE, _ether());
        _release(ID, PRICE);
        bytes memory revertData =
            abi.encodeWithSelector(IServiceAgreement.AgreementNotOpen.selector, ID, AgreementState.Fulfilled);
        _releaseReverts(_outcome(), _signOrder(CONSUMER_KEY, ID), revertData);
        assertEq(publisher.balance, PRICE, "paid once");
    }

    function test_release_afterDeadline() public {
        _toGranted(ID, PRICE, _ether());
        vm.warp(block.timestamp + 365 * DAY);
        _release(ID, PRICE);
        assertEq(publisher.balance, PRICE, "good until the consumer takes the refund");
    }

    function test_release_consumerCannotBlockByGivingTheResultAway() public {
        _toGranted(ID, PRICE, _ether());
        bytes32 derived = registry.derivedDid(ID, 0);
        vm.prank(consumer);
        registry.transferDIDOwnership(derived, stranger);
        _release(ID, PRICE);
        assertEq(publisher.balance, PRICE, "paid");
    }

    function test_release_consumerCannotBlockByTakingOnCode() public {
        _toGranted(ID, PRICE, _metered(address(0)));
        vm.etch(consumer, hex"60006000fd");
        _release(ID, PRICE);
        assertEq(publisher.balance, 0.35 ether, "paid");
        assertEq(payment.credits(address(0), consumer), 0.65 ether, "credit");
    }

    function test_release_blockedTokenBecomesCredit() public {
        BlockingToken blocking = new BlockingToken();
        blocking.mint(consumer, PRICE);
        vm.prank(consumer);
        blocking.approve(address(payment), PRICE);
        _toGranted(ID, PRICE, _metered(address(blocking)));
        blocking.setBlocked(consumer, true);
        vm.expectEmit(address(payment));
        emit IPayouts.PaymentCredited(address(blocking), consumer, 0.65 ether);
        _release(ID, PRICE);
        assertEq(blocking.balanceOf(publisher), 0.35 ether, "paid");
        blocking.setBlocked(consumer, false);
        vm.prank(consumer);
        payment.withdraw(address(blocking));
        assertEq(blocking.balanceOf(consumer), 0.65 ether, "collected");
    }

    function test_release_tokenThatReturnsFalseBecomesCredit() public {
        FalseToken odd = new FalseToken();
        odd.mint(consumer, PRICE);
        vm.prank(consumer);
        odd.approve(address(payment), PRICE);
        _toGranted(ID, PRICE, _metered(address(odd)));
        odd.setRefusing(true);
        _release(ID, PRICE);
        assertEq(payment.credits(address(odd), publisher), 0.35 ether, "publisher");
        assertEq(payment.credits(address(odd), consumer), 0.65 ether, "consumer");
        odd.setRefusing(false);
        vm.prank(publisher);
        payment.withdraw(address(odd));
        assertEq(odd.balanceOf(publisher), 0.35 ether, "collected");
    }

    function test_withdraw_nothing() public {
        vm.expectRevert(abi.encodeWithSelector(IPayouts.NoCredit.selector, address(0), stranger));
        vm.prank(stranger);
        payment.withdraw(address(0));
    }
}

/// @dev The consumer's side is a contract wallet, put in the place of the consumer's account.
contract ReleaseToWalletTest is BaseTest {
    Wallet private _wallet;

    function setUp() public override {
        super.setUp();
        Wallet made = new Wallet(consumer);
        vm.etch(consumer, address(made).code);
        _wallet = Wallet(payable(consumer));
        _toGranted(ID, PRICE, _metered(address(0)));
    }

    function test_wallet_isPaid() public {
        _release(ID, PRICE);
        assertEq(consumer.balance, 99.65 ether, "rest");
    }

    function test_wallet_refusalBecomesCredit() public {
        _wallet.setMode(Wallet.Mode.Refuse);
        _release(ID, PRICE);
        assertEq(publisher.balance, 0.35 ether, "paid");
        assertEq(payment.credits(address(0), consumer), 0.65 ether, "credit");
        _wallet.setMode(Wallet.Mode.Accept);
        vm.expectEmit(address(payment));
        emit IPayouts.CreditWithdrawn(address(0), consumer, 0.65 ether);
        vm.prank(consumer);
        payment.withdraw(address(0));
        assertEq(consumer.balance, 99.65 ether, "collected");
        assertEq(address(payment).balance, 0, "escrow");
    }

    function test_wallet_gasBurnIsBounded() public {
        _wallet.setMode(Wallet.Mode.Burn);
        bytes memory signature = _signOrder(CONSUMER_KEY, ID);
        vm.prank(publisher);
        payment.releasePayment{gas: 400_000}(ID, did, PRICE, SPEC, _outcome(), signature);
        assertEq(publisher.balance, 0.35 ether, "paid");
        assertEq(payment.credits(address(0), consumer), 0.65 ether, "credit");
    }

    function test_wallet_cannotReenter() public {
        _wallet.reenterWith(address(payment), abi.encodeCall(IPayouts.withdraw, (address(0))));
        _release(ID, PRICE);
        assertTrue(!_wallet.reentered(), "refused");
        assertEq(address(payment).balance, payment.credits(address(0), consumer), "only credits remain");
    }
}

contract AmountDueTest is BaseTest {
    function _lockTerms(uint256 price, PriceTerms memory terms) private {
        vm.deal(consumer, price);
        _execute(ID, price, terms);
        _lock(ID, price, terms);
    }

    function testFuzz_due_isTheFormula(
        uint96 price,
        uint96 base,
        uint64 fuelPrice,
        uint64 outputPrice,
        uint64 fuel,
        uint64 output
    ) public {
        uint256 locked = uint256(price) + 1;
        _lockTerms(locked, PriceTerms(address(0), base, fuelPrice, outputPrice));
        uint256 due = uint256(base) + (uint256(fuel) * fuelPrice + uint256(output) * outputPrice) / 1_000_000;
        assertEq(payment.amountDue(ID, fuel, output), due < locked ? due : locked, "due");
    }

    function testFuzz_due_neverRevertsNorExceedsLocked(
        uint256 base,
        uint128 fuelPrice,
        uint128 outputPrice,
        uint64 fuel,
        uint64 output
    ) public {
        _lockTerms(PRICE, PriceTerms(address(0), base, fuelPrice, outputPrice));
        uint256 due = payment.amountDue(ID, fuel, output);
        assertTrue(due <= PRICE, "at most what is locked");
        assertTrue(due >= (base < PRICE ? base : PRICE), "at least the base");
    }

    function test_due_largestSums() public {
        uint128 most = type(uint128).max;
        _lockTerms(most, PriceTerms(address(0), type(uint256).max, most, most));
        assertEq(payment.amountDue(ID, type(uint64).max, type(uint64).max), most, "all that is locked");
        assertEq(payment.priceTermsOf(ID).base, most, "a base above the price is the price");
    }

    function testFuzz_release_splitsExactly(uint64 base, uint32 fuelPrice, uint32 outputPrice) public {
        PriceTerms memory terms =
            PriceTerms(address(0), base, uint256(fuelPrice) * 1e9, uint256(outputPrice) * 1e9);
        vm.deal(consumer, PRICE);
        _toGranted(ID, PRICE, terms);
        uint256 due = payment.amountDue(ID, _outcome().fuelUsed, _outcome().outputBytes);
        _release(ID, PRICE);
        assertEq(publisher.balance, due, "publisher");
        assertEq(consumer.balance, PRICE - due, "consumer");
        assertEq(address(payment).balance, 0, "escrow");
    }
}
