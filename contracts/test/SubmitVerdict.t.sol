// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICondition} from "../src/interfaces/ICondition.sol";
import {IDisputeConditions as I, Phase} from "../src/interfaces/IDisputeConditions.sol";
import {AgreementState} from "../src/interfaces/IServiceAgreement.sol";
import {Verdict} from "../src/interfaces/Types.sol";
import {ReceiptHash} from "../src/libraries/ReceiptHash.sol";
import {DisputeBase} from "./mocks/DisputeBase.sol";
import {vm} from "./Vm.sol";

contract SubmitVerdictTest is DisputeBase {
    function setUp() public override {
        super.setUp();
        _claim();
        _challenge();
    }

    function test_verdict_majorityDisputes() public {
        _submit(1, _receipt());
        vm.expectEmit(address(disputes));
        emit I.BondSettled(ID, consumer, BOND);
        _submitExpected(2, 0);
        _assertPhase(Phase.Rejected);
        assertEq(disputes.disputeOf(ID).bond, 0, "no bond on the books");
        _refund(ID, PRICE);
        assertEq(consumer.balance, 100 ether, "price and bond are back");
        assertEq(address(disputes).balance, 0, "no bond left");
        _assertState(ID, AgreementState.Terminated);
    }

    function test_verdict_majorityConfirms() public {
        _submit(1, _receipt());
        _submit(2, _receipt());
        _assertPhase(Phase.Passed);
        assertEq(publisher.balance, BOND, "the bond is the publisher's");
        _release(ID, PRICE);
        assertEq(publisher.balance, BOND + 0.35 ether, "paid");
        assertEq(consumer.balance, 100 ether - BOND - 0.35 ether, "rest");
        _assertState(ID, AgreementState.Fulfilled);
    }

    /// @dev Signs before the events that are expected: signing asks the contract for the domain.
    function _submitExpected(uint256 auditor, bytes32 replayed) private {
        Verdict memory verdict = _verdict(auditor, replayed);
        bytes32 digest = _digestByHand(verdict);
        disputes.submitVerdict(ID, terms, verdict, _sign(auditorKeys[auditor], digest));
    }

    function _digestByHand(Verdict memory verdict) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Brizo"),
                keccak256("1"),
                block.chainid,
                address(sa)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, ReceiptHash.verdictHash(verdict)));
    }

    function test_verdict_nothingAfterTheDecision() public {
        _submit(1, 0);
        Verdict memory verdict = _verdict(2, _receipt());
        bytes memory signature = _signVerdict(auditorKeys[2], verdict);
        _submitReverts(verdict, signature, abi.encodeWithSelector(I.WrongPhase.selector, ID, Phase.Rejected));
    }

    function test_verdict_oncePerAuditor() public {
        Verdict memory verdict = _verdict(0, _receipt());
        bytes memory signature = _signVerdict(auditorKeys[0], verdict);
        _submitReverts(verdict, signature, abi.encodeWithSelector(I.AlreadyHeard.selector, terms.auditors[0]));
    }

    function test_verdict_notNamed() public {
        Verdict memory verdict = _verdict(1, 0);
        verdict.auditor = stranger;
        bytes memory signature = _signVerdict(STRANGER_KEY, verdict);
        _submitReverts(verdict, signature, abi.encodeWithSelector(I.NotAuditor.selector, stranger));
    }

    function test_verdict_forged() public {
        Verdict memory verdict = _verdict(1, 0);
        bytes memory signature = _signVerdict(STRANGER_KEY, verdict);
        bytes memory revertData = abi.encodeWithSelector(
            ICondition.InvalidSignature.selector, verdict.auditor, _digestByHand(verdict)
        );
        _submitReverts(verdict, signature, revertData);
    }

    function test_verdict_ofAnotherReceiptOrAgreement() public {
        Verdict memory verdict = _verdict(1, 0);
        verdict.claimHash = keccak256("other receipt");
        bytes memory signature = _signVerdict(auditorKeys[1], verdict);
        _submitReverts(
            verdict, signature, abi.encodeWithSelector(I.WrongVerdict.selector, _receipt(), verdict.claimHash)
        );
        verdict = _verdict(1, 0);
        verdict.agreementId = keccak256("second");
        signature = _signVerdict(auditorKeys[1], verdict);
        _submitReverts(
            verdict, signature, abi.encodeWithSelector(I.WrongVerdict.selector, _receipt(), _receipt())
        );
    }

    function test_verdict_otherTerms() public {
        bytes32 agreed = disputes.disputeValueHash(did, terms);
        Verdict memory verdict = _verdict(1, 0);
        bytes memory signature = _signVerdict(auditorKeys[1], verdict);
        terms.auditors.pop();
        bytes32 offered = disputes.disputeValueHash(did, terms);
        _submitReverts(
            verdict, signature, abi.encodeWithSelector(I.WrongDisputeTerms.selector, agreed, offered)
        );
    }

    function test_verdict_notFromTheDeadlineOn() public {
        uint256 deadline = disputes.disputeOf(ID).resolutionDeadline;
        vm.warp(deadline);
        Verdict memory verdict = _verdict(1, 0);
        bytes memory signature = _signVerdict(auditorKeys[1], verdict);
        _submitReverts(verdict, signature, abi.encodeWithSelector(I.TooLate.selector, deadline, deadline));
    }
}
