// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "../src/interfaces/ICondition.sol";
import {IDisputeConditions as I, Phase} from "../src/interfaces/IDisputeConditions.sol";
import {IServiceAgreement} from "../src/interfaces/IServiceAgreement.sol";
import {DisputeTerms} from "../src/interfaces/Types.sol";
import {DisputeBase} from "./mocks/DisputeBase.sol";
import {vm} from "./Vm.sol";

contract ClaimReleaseTest is DisputeBase {
    function test_claim_startsTheWindow() public {
        vm.expectEmit(address(disputes));
        emit I.ReleaseClaimed(ID, _receipt(), block.timestamp + WINDOW, block.timestamp + WINDOW + RESOLUTION);
        _claim();
        _assertPhase(Phase.Claimed);
        assertEq(disputes.disputeOf(ID).receiptHash, _receipt(), "receipt");
    }

    function test_claim_releaseWaitsForIt() public {
        _claim();
        bytes memory signature = _signOrder(CONSUMER_KEY, ID);
        vm.expectRevert(
            abi.encodeWithSelector(IServiceAgreement.UnfulfilledDependencies.selector, ID, 4, 1 << 6)
        );
        vm.prank(publisher);
        payment.releasePayment(ID, did, PRICE, SPEC, _outcome(), signature);
    }

    function test_claim_onlyPublisherOnce() public {
        vm.expectRevert(abi.encodeWithSelector(ICondition.NotPublisher.selector, ID, consumer));
        vm.prank(consumer);
        disputes.claimRelease(ID, terms);
        _claim();
        _expectPhase(Phase.Claimed);
        _claim();
    }

    function test_claim_onlyOnceAccessIsGranted() public {
        bytes32 second = keccak256("second");
        _executeUnder(DISPUTED, second, _valuesOf(terms), _timeoutsSeven());
        vm.expectRevert(abi.encodeWithSelector(I.AccessNotGranted.selector, second));
        vm.prank(publisher);
        disputes.claimRelease(second, terms);
    }

    function test_claim_otherTerms() public {
        bytes32 agreed = disputes.disputeValueHash(did, terms);
        terms.bond += 1;
        bytes32 offered = disputes.disputeValueHash(did, terms);
        vm.expectRevert(abi.encodeWithSelector(I.WrongDisputeTerms.selector, agreed, offered));
        _claim();
    }

    function test_claim_tooCloseToTheReleaseDeadline() public {
        uint256 latest = sa.getAgreement(ID).releaseDeadline - disputes.PAYOUT_MARGIN();
        vm.warp(latest - WINDOW - RESOLUTION + 1);
        vm.expectRevert(abi.encodeWithSelector(I.ClaimTooLate.selector, latest + 1, latest));
        _claim();
        vm.warp(latest - WINDOW - RESOLUTION);
        _claim();
    }

    /// @dev A publisher that never claims cannot keep the money from the consumer either.
    function test_claim_neverMade() public {
        vm.warp(sa.getAgreement(ID).releaseDeadline);
        _refund(ID, PRICE);
        assertEq(consumer.balance, 100 ether, "all back");
    }

    function _invalid(DisputeTerms memory t) private {
        vm.expectRevert(I.InvalidDisputeTerms.selector);
        disputes.disputeValueHash(did, t);
    }

    function test_terms_refused() public {
        DisputeTerms memory t = terms;
        t.threshold = 1;
        _invalid(t);
        t.threshold = 4;
        _invalid(t);
        t.threshold = 2;
        t.window = 0;
        _invalid(t);
        t.window = 1;
        (t.auditors[0], t.auditors[1]) = (t.auditors[1], t.auditors[0]);
        _invalid(t);
        t.auditors[1] = t.auditors[0];
        _invalid(t);
        t.auditors = new address[](0);
        t.threshold = 0;
        _invalid(t);
        t.auditors = new address[](33);
        t.threshold = 17;
        _invalid(t);
    }

    function test_terms_valueHash() public view {
        bytes memory times = abi.encodePacked(did, WINDOW, RESOLUTION, BOND, uint8(2));
        bytes memory who = abi.encode(terms.auditors[0], terms.auditors[1], terms.auditors[2]);
        bytes32 expected = keccak256(bytes.concat(times, who));
        assertEq(disputes.disputeValueHash(did, terms), expected, "value hash");
    }
}
