// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Phase} from "../../src/interfaces/IDisputeConditions.sol";
import {AgreementState} from "../../src/interfaces/IServiceAgreement.sol";
import {PriceTerms} from "../../src/interfaces/Types.sol";
import {DisputeBase} from "./DisputeBase.sol";
import {Wallet} from "./Wallet.sol";
import {vm} from "../Vm.sol";

/// @dev Takes random steps on a few agreements at a time: in ETH, in tokens, and with a dispute window. A step out of order
/// just fails. After each one it looks at what the step did to its own agreement and to all the others.
contract Handler is DisputeBase {
    /// @dev What was seen of an agreement last.
    struct Seen {
        AgreementState state;
        uint8 phase;
        uint16 fulfilled;
        uint256 locked;
        bytes32 receipt;
    }

    uint256 internal constant COUNT = 6;
    uint256 internal constant STEPS = 21;

    bytes32[] internal _ids;
    mapping(bytes32 id => Seen) internal _seen;
    uint256 public made;

    /// @dev How many ended in each way: [paid, refunded or cancelled, rejected by auditors].
    uint256[3] public ended;

    constructor() {
        setUp();
        Wallet wallet = new Wallet(consumer);
        vm.etch(consumer, address(wallet).code);
        vm.deal(stranger, 100 ether);
        token.mint(stranger, 100 ether);
        vm.prank(stranger);
        token.approve(address(payment), type(uint256).max);
        for (uint256 i; i < COUNT; ++i) {
            _ids.push();
            _renew(i);
        }
    }

    // CALLS

    function step(uint8 action, uint8 which) external {
        _attempt(action % STEPS, which % COUNT);
    }

    /// @dev The straight path, so that many sequences reach an end.
    function advance(uint8 which, uint8 steps) external {
        for (uint256 i; i <= steps % 8; ++i) {
            _attempt(i, which % COUNT);
        }
    }

    function settle(uint8 which) external {
        _attempt(8, which % COUNT);
        _attempt(9, which % COUNT);
    }

    function wait(uint16 time) external {
        vm.warp(block.timestamp + time / 8);
    }

    /// @dev To the second before, of, or after one of an agreement's deadlines.
    function waitForDeadline(uint8 which, uint8 kind, uint8 offset) external {
        bytes32 id = _ids[which % COUNT];
        uint256 deadline = sa.getAgreement(id).lockDeadline;
        if (kind % 5 == 1) deadline = sa.getAgreement(id).grantDeadline;
        if (kind % 5 == 2) deadline = sa.getAgreement(id).releaseDeadline;
        if (kind % 5 == 3) deadline = disputes.disputeOf(id).challengeDeadline;
        if (kind % 5 == 4) deadline = disputes.disputeOf(id).resolutionDeadline;
        uint256 time = deadline + offset % 3;
        if (time > block.timestamp + 1) vm.warp(time - 1);
    }

    function toggleRefusal(bool refuse) external {
        Wallet(payable(consumer)).setMode(refuse ? Wallet.Mode.Refuse : Wallet.Mode.Accept);
    }

    /// @dev A settled agreement makes room for a new one.
    function renew(uint8 which) external {
        bytes32 id = _ids[which % COUNT];
        AgreementState state = sa.getAgreement(id).state;
        if (state == AgreementState.Executed) return;
        // A bond can always be had back, so none is left behind when the agreement is forgotten here.
        if (disputes.disputeOf(id).phase == Phase.Challenged) disputes.reclaimBond(id);
        ++ended[state == AgreementState.Fulfilled ? 0 : sa.isAborted(id) ? 2 : 1];
        _renew(which % COUNT);
    }

    /// @dev Whoever is no party gets nowhere, with money of their own too. (Handing in a verdict, 7, is for anyone.)
    function attack(uint8 action, uint8 which) external {
        bytes32 id = _ids[which % COUNT];
        action = action % 12 < 7 ? action % 12 : action % 12 + 1;
        address realConsumer = consumer;
        address realPublisher = publisher;
        (consumer, publisher) = (stranger, stranger);
        (bool done,) = address(this).call(abi.encodeCall(this.take, (action, which % COUNT)));
        (consumer, publisher) = (realConsumer, realPublisher);
        assertTrue(!done, "a stranger got through");
        _look(id);
    }

    // STEPS

    function _attempt(uint256 action, uint256 which) private {
        (bool done,) = address(this).call(abi.encodeCall(this.take, (action, which)));
        if (!done) return;
        for (uint256 i; i < COUNT; ++i) {
            (, uint256 locked) = payment.lockedOf(_ids[i]);
            assertTrue(i == which || locked == _seen[_ids[i]].locked, "another agreement's sum moved");
        }
        _look(_ids[which]);
    }

    function take(uint256 action, uint256 which) external {
        require(msg.sender == address(this), "internal");
        bytes32 id = _ids[which];
        if (action == 0) _upload(id);
        else if (action == 1) _lock(id, PRICE, termsOf(which));
        else if (action == 2) _authorize(id);
        else if (action == 3) _register(id, _receipt());
        else if (action == 4) _grant(id);
        else if (action == 5) _claim(id);
        else if (action == 6) _challenge(id);
        else if (action == 7) _submit(id, 1, 0);
        else if (action == 8) _settleExactly(id, which);
        else if (action == 9) _refundExactly(id, which);
        else if (action == 10) _forgo(id);
        else if (action == 11) _commitLater(id);
        else if (action == 12) _grantLater(id);
        else _takeMore(action, id, which);
    }

    function _takeMore(uint256 action, bytes32 id, uint256 which) private {
        if (action == 13) _submit(id, 1, _receipt());
        else if (action == 14) _submit(id, 2, _receipt());
        else if (action == 15) disputes.passRelease(id);
        else if (action == 16) disputes.reclaimBond(id);
        else if (action == 17) sa.cancelAgreement(id);
        else if (action == 18) _register(id, keccak256("wrong"));
        else if (action == 19) _withdraw(termsOf(which).token);
        else _withdraw(address(0));
    }

    /// @dev All that was locked for this agreement arrives, and nothing else does.
    function _settleExactly(bytes32 id, uint256 which) private {
        (uint256 before, uint256 locked) = (wealth(termsOf(which).token), _seen[id].locked);
        _release(id, PRICE);
        assertEq(wealth(termsOf(which).token) - before, locked, "released sum");
    }

    function _refundExactly(bytes32 id, uint256 which) private {
        (uint256 before, uint256 locked) = (wealth(termsOf(which).token), _seen[id].locked);
        _refund(id, PRICE);
        assertEq(wealth(termsOf(which).token) - before, locked, "refunded sum");
    }

    function _forgo(bytes32 id) private {
        vm.prank(publisher);
        payment.forgoPayment(id, did, PRICE);
    }

    function _commitLater(bytes32 id) private {
        bytes memory signature = _signOrder(CONSUMER_KEY, id, 1);
        _registerRun(id, 1, _receipt());
        vm.prank(publisher);
        payment.commitReceipt(id, 1, SPEC, _outcome(), signature);
    }

    function _grantLater(bytes32 id) private {
        vm.prank(publisher);
        access.grantRunAccess(id, 1);
    }

    function _withdraw(address asset) private {
        vm.prank(consumer);
        payment.withdraw(asset);
        vm.prank(consumer);
        disputes.withdraw(asset);
    }

    function _renew(uint256 which) private {
        bytes32 id = keccak256(abi.encode("agreement", ++made));
        _ids[which] = id;
        if (which % 3 == 2) _executeUnder(DISPUTED, id, _valuesOf(terms), _timeoutsSeven());
        else _execute(id, PRICE, termsOf(which));
        _look(id);
    }

    // WHAT MUST HOLD

    function termsOf(uint256 which) public view returns (PriceTerms memory) {
        return _metered(which % 3 == 1 ? address(token) : address(0));
    }

    /// @dev What both parties have or can withdraw.
    function wealth(address asset) public view returns (uint256 sum) {
        sum = payment.credits(asset, consumer) + payment.credits(asset, publisher);
        sum += disputes.credits(asset, consumer) + disputes.credits(asset, publisher);
        if (asset == address(0)) sum += consumer.balance + publisher.balance;
        else sum += token.balanceOf(consumer) + token.balanceOf(publisher);
    }

    function _look(bytes32 id) private {
        Seen memory seen = _seen[id];
        Seen memory now_;
        (now_.state, now_.phase) = (sa.getAgreement(id).state, uint8(disputes.disputeOf(id).phase));
        (, now_.locked) = payment.lockedOf(id);
        now_.receipt = payment.receiptOf(id);
        for (uint8 i; i < 7; ++i) {
            if (sa.conditionFulfilled(id, i)) now_.fulfilled |= uint16(1) << i;
        }
        assertTrue(seen.fulfilled & ~now_.fulfilled == 0, "a condition was undone");
        assertTrue(seen.phase <= now_.phase, "a dispute went back");
        assertTrue(seen.receipt == 0 || seen.receipt == now_.receipt, "a receipt changed");
        bool open = seen.state == AgreementState.None || seen.state == AgreementState.Executed;
        assertTrue(open || seen.state == now_.state, "an ended agreement changed");
        assertTrue(seen.state <= now_.state && now_.state != AgreementState.None, "a state went back");
        _checkEnd(id, now_);
        _seen[id] = now_;
    }

    function _checkEnd(bytes32 id, Seen memory now_) private view {
        bool paid = now_.state == AgreementState.Fulfilled;
        assertTrue(paid == (now_.receipt != 0), "paid exactly with a receipt");
        assertTrue(!paid || now_.receipt == _receipt(), "the receipt of run 0");
        assertTrue(now_.fulfilled & 48 != 48, "released and refunded");
        if (now_.state == AgreementState.Executed) return;
        assertEq(now_.locked, 0, "something stayed behind");
        if (paid) return;
        assertTrue(!compute.checkPermissions(id, consumer), "permission without payment");
        for (uint64 run; run < 2; ++run) {
            assertTrue(!access.checkPermissions(consumer, registry.derivedDid(id, run)), "outputs");
        }
    }

    function checkBooks() external view {
        (uint256 ethLocked, uint256 tokenLocked, uint256 bonds) = (0, 0, disputes.disputeOf(ID).bond);
        (, ethLocked) = payment.lockedOf(ID);
        for (uint256 i; i < COUNT; ++i) {
            (address asset, uint256 amount) = payment.lockedOf(_ids[i]);
            if (asset == address(0)) ethLocked += amount;
            else tokenLocked += amount;
            bonds += disputes.disputeOf(_ids[i]).bond;
        }
        assertEq(address(payment).balance, ethLocked + _credits(address(0)), "ether in the escrow");
        assertEq(token.balanceOf(address(payment)), tokenLocked + _credits(address(token)), "tokens");
        assertEq(address(disputes).balance, bonds + _bondCredits(), "bonds");
        assertEq(wealth(address(0)) + ethLocked + bonds, 100 ether, "ether");
        assertEq(wealth(address(token)) + tokenLocked, 100 ether, "all tokens");
    }

    function _credits(address asset) private view returns (uint256) {
        return payment.credits(asset, consumer) + payment.credits(asset, publisher);
    }

    function _bondCredits() private view returns (uint256) {
        return disputes.credits(address(0), consumer) + disputes.credits(address(0), publisher);
    }
}
