// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {AgreementState} from "../src/interfaces/IServiceAgreement.sol";
import {PriceTerms} from "../src/interfaces/Types.sol";
import {BaseTest} from "./BaseTest.sol";
import {Wallet} from "./mocks/Wallet.sol";
import {vm} from "./Vm.sol";

/// @dev Takes random steps on a few agreements, half in ETH and half in tokens; a step out of order just fails.
contract Handler is BaseTest {
    uint256 internal constant COUNT = 6;

    /// @dev Times money left the escrow, per agreement.
    mapping(bytes32 => uint256) public paid;
    uint256 public settled;

    constructor() {
        setUp();
        Wallet made = new Wallet(consumer);
        vm.etch(consumer, address(made).code);
        for (uint256 i; i < COUNT; ++i) {
            _execute(idOf(i), PRICE, termsOf(i));
        }
    }

    function idOf(uint256 i) public pure returns (bytes32) {
        return keccak256(abi.encode("agreement", i % COUNT));
    }

    function termsOf(uint256 i) public view returns (PriceTerms memory) {
        return _metered(i % 2 == 0 ? address(0) : address(token));
    }

    function step(uint8 action, uint8 which) external {
        bytes4[8] memory steps = [
            this.doUpload.selector,
            this.doLock.selector,
            this.doAuthorize.selector,
            this.doRegister.selector,
            this.doGrant.selector,
            this.doRelease.selector,
            this.doRefund.selector,
            this.doWithdraw.selector
        ];
        _attempt(steps[action % 8], which);
    }

    /// @dev The straight path, so that many sequences reach a release.
    function advance(uint8 which) external {
        _attempt(this.doUpload.selector, which);
        _attempt(this.doLock.selector, which);
        _attempt(this.doAuthorize.selector, which);
        _attempt(this.doRegister.selector, which);
        _attempt(this.doGrant.selector, which);
    }

    function settle(uint8 which) external {
        _attempt(this.doRelease.selector, which);
        _attempt(this.doRefund.selector, which);
    }

    function wait(uint16 time) external {
        vm.warp(block.timestamp + time);
    }

    function toggleRefusal(bool refuse) external {
        Wallet(payable(consumer)).setMode(refuse ? Wallet.Mode.Refuse : Wallet.Mode.Accept);
    }

    function _attempt(bytes4 selector, uint256 which) private {
        (bool ok,) = address(this).call(abi.encodeWithSelector(selector, which));
        bool leaves = selector == this.doRelease.selector || selector == this.doRefund.selector;
        if (!ok || !leaves) return;
        ++paid[idOf(which)];
        ++settled;
    }

    function doUpload(uint256 i) external {
        _upload(idOf(i));
    }

    function doLock(uint256 i) external {
        _lock(idOf(i), PRICE, termsOf(i));
    }

    function doAuthorize(uint256 i) external {
        _authorize(idOf(i));
    }

    function doRegister(uint256 i) external {
        _register(idOf(i), _receipt());
    }

    function doGrant(uint256 i) external {
        _grant(idOf(i));
    }

    function doRelease(uint256 i) external {
        _release(idOf(i), PRICE);
    }

    function doRefund(uint256 i) external {
        _refund(idOf(i), PRICE);
    }

    function doWithdraw(uint256 i) external {
        vm.prank(consumer);
        payment.withdraw(termsOf(i).token);
    }

    // VIEWS FOR THE INVARIANTS

    function owed(address asset) public view returns (uint256 sum) {
        for (uint256 i; i < COUNT; ++i) {
            (address lockedIn, uint256 amount) = payment.lockedOf(idOf(i));
            if (lockedIn == asset) sum += amount;
        }
        sum += payment.credits(asset, consumer) + payment.credits(asset, publisher);
    }

    function checkBooks() external view {
        assertEq(address(payment).balance, owed(address(0)), "ether in the escrow");
        assertEq(token.balanceOf(address(payment)), owed(address(token)), "tokens in the escrow");
        assertEq(consumer.balance + publisher.balance + address(payment).balance, 100 ether, "ether");
    }

    function checkPaidOnce() external view {
        for (uint256 i; i < COUNT; ++i) {
            bytes32 id = idOf(i);
            (, uint256 amount) = payment.lockedOf(id);
            AgreementState state = sa.getAgreement(id).state;
            bool closed = state == AgreementState.Fulfilled || state == AgreementState.Terminated;
            assertTrue(paid[id] <= 1, "never paid twice");
            assertTrue(closed == (paid[id] == 1), "closed exactly when paid");
            assertTrue(!closed || amount == 0, "nothing stays behind");
        }
    }
}

contract InvariantTest {
    Handler private _handler;

    function setUp() public {
        _handler = new Handler();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](5);
        (selectors[0], selectors[1]) = (Handler.step.selector, Handler.advance.selector);
        (selectors[2], selectors[3]) = (Handler.settle.selector, Handler.wait.selector);
        selectors[4] = Handler.toggleRefusal.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler), selectors);
    }

    function invariant_escrowEqualsBalance() public view {
        _handler.checkBooks();
    }

    function invariant_neverPaidTwice() public view {
        _handler.checkPaidOnce();
    }

    /// @dev Guards the invariants against passing because nothing ever happens.
    function test_handlerReachesSettlement() public {
        _handler.toggleRefusal(true);
        _handler.advance(0);
        _handler.advance(1);
        _handler.settle(0);
        _handler.settle(1);
        _handler.settle(1);
        require(_handler.settled() == 2, "settled");
        _handler.checkBooks();
        _handler.checkPaidOnce();
    }
}
