// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {DisputeConditions} from "../../src/DisputeConditions.sol";
import {IDisputeConditions, Phase} from "../../src/interfaces/IDisputeConditions.sol";
import {DisputeTerms, Verdict} from "../../src/interfaces/Types.sol";
import {ComputeTemplate} from "../../src/libraries/ComputeTemplate.sol";
import {ReceiptHash} from "../../src/libraries/ReceiptHash.sol";
import {BaseTest} from "../BaseTest.sol";
import {vm} from "../Vm.sol";

/// @dev An agreement with a dispute window, two of three auditors, and access granted.
abstract contract DisputeBase is BaseTest {
    bytes32 internal constant DISPUTED = ComputeTemplate.DISPUTED_ID;
    uint256 internal constant BOND = 0.1 ether;
    uint32 internal constant WINDOW = 3_600;
    uint32 internal constant RESOLUTION = 7_200;

    DisputeConditions internal disputes;
    DisputeTerms internal terms;
    uint256[3] internal auditorKeys;

    function setUp() public virtual override {
        super.setUp();
        disputes = new DisputeConditions(sa);
        terms.window = WINDOW;
        terms.resolution = RESOLUTION;
        terms.bond = BOND;
        terms.threshold = 2;
        _chooseAuditors();
        _setupSeven(DISPUTED, address(disputes), disputes.passRelease.selector);
        _executeUnder(DISPUTED, ID, _valuesOf(terms), _timeoutsSeven());
        _executedToGranted(ID, PRICE, _metered(address(0)));
    }

    /// @dev Three keys in the order of their addresses.
    function _chooseAuditors() private {
        auditorKeys = [uint256(0xA1), 0xA2, 0xA3];
        for (uint256 i; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (vm.addr(auditorKeys[j]) > vm.addr(auditorKeys[i])) continue;
                (auditorKeys[i], auditorKeys[j]) = (auditorKeys[j], auditorKeys[i]);
            }
        }
        for (uint256 i; i < 3; ++i) {
            terms.auditors.push(vm.addr(auditorKeys[i]));
        }
    }

    function _valuesOf(DisputeTerms memory t) internal view returns (bytes32[] memory) {
        return _valuesSeven(_metered(address(0)), disputes.disputeValueHash(did, t));
    }

    function _timeoutsSeven() internal pure returns (uint256[] memory t) {
        t = new uint256[](7);
        (t[1], t[3]) = (DAY / 2, DAY);
    }

    function _verdict(uint256 auditor, bytes32 replayed) internal view returns (Verdict memory) {
        return _verdict(ID, auditor, replayed);
    }

    function _verdict(bytes32 id, uint256 auditor, bytes32 replayed) internal view returns (Verdict memory) {
        return Verdict({
            claimHash: _receipt(),
            replayedHash: replayed,
            agreementId: id,
            evidenceDigest: keccak256("evidence"),
            auditor: terms.auditors[auditor],
            issuedAt: uint64(block.timestamp)
        });
    }

    function _signVerdict(uint256 key, Verdict memory verdict) internal view returns (bytes memory) {
        return _sign(key, sa.hashTypedData(ReceiptHash.verdictHash(verdict)));
    }

    function _claim() internal {
        _claim(ID);
    }

    function _claim(bytes32 id) internal {
        vm.prank(publisher);
        disputes.claimRelease(id, terms);
    }

    function _challenge() internal {
        _challenge(ID);
    }

    function _challenge(bytes32 id) internal {
        Verdict memory verdict = _verdict(id, 0, keccak256("another result"));
        bytes memory signature = _signVerdict(auditorKeys[0], verdict);
        vm.prank(consumer);
        disputes.challengeRelease{value: BOND}(id, terms, verdict, signature);
    }

    function _submit(uint256 auditor, bytes32 replayed) internal {
        _submit(ID, auditor, replayed);
    }

    function _submit(bytes32 id, uint256 auditor, bytes32 replayed) internal {
        Verdict memory verdict = _verdict(id, auditor, replayed);
        disputes.submitVerdict(id, terms, verdict, _signVerdict(auditorKeys[auditor], verdict));
    }

    function _submitReverts(Verdict memory verdict, bytes memory signature, bytes memory revertData)
        internal
    {
        vm.expectRevert(revertData);
        disputes.submitVerdict(ID, terms, verdict, signature);
    }

    function _expectPhase(Phase phase) internal {
        vm.expectRevert(abi.encodeWithSelector(IDisputeConditions.WrongPhase.selector, ID, phase));
    }

    function _assertPhase(Phase expected) internal view {
        assertEq(uint8(disputes.disputeOf(ID).phase), uint8(expected), "phase");
    }
}
