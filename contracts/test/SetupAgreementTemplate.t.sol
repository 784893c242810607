// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {AgreementState, IServiceAgreement as I} from "../src/interfaces/IServiceAgreement.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

contract TemplateTest is BaseTest {
    bytes32 private constant OTHER = keccak256("other template");

    function _setup(
        bytes memory revertData,
        uint8[][] memory d,
        uint8[][] memory t,
        uint8[] memory f,
        uint8 op
    ) private {
        (address[] memory c, bytes4[] memory p) = (_contracts(), _fingerprints());
        vm.expectRevert(revertData);
        sa.setupAgreementTemplate(OTHER, c, p, d, t, f, op);
    }

    /// @dev A seventh condition, fulfilled by this test, which the fulfilment waits for but the release does not.
    function _setupLate() private {
        address[] memory c = new address[](7);
        bytes4[] memory p = new bytes4[](7);
        uint8[][] memory d = new uint8[][](7);
        for (uint256 i; i < 6; ++i) {
            (c[i], p[i], d[i]) = (_contracts()[i], _fingerprints()[i], _dependencies()[i]);
        }
        c[6] = address(this);
        uint8[][] memory t = new uint8[][](7);
        t[5] = _list(4);
        sa.setupAgreementTemplate(OTHER, c, p, d, t, _list(4, 6), 0);
    }

    function _sevenToGranted() private {
        uint256[] memory t = new uint256[](7);
        t[3] = DAY;
        _executeUnder(OTHER, ID, _valuesSeven(_ether(), 0), t);
        _executedToGranted(ID, PRICE, _ether());
    }

    function test_defect_e_dependencyOnHighIndexCounts() public {
        _setupSeven(OTHER, address(this), 0);
        _sevenToGranted();
        bytes memory signature = _signOrder(CONSUMER_KEY, ID);
        vm.expectRevert(abi.encodeWithSelector(I.UnfulfilledDependencies.selector, ID, 4, 1 << 6));
        vm.prank(publisher);
        payment.releasePayment(ID, did, PRICE, SPEC, _outcome(), signature);
        sa.fulfillCondition(ID, 6, 0);
        _release(ID, PRICE);
        _assertState(ID, AgreementState.Fulfilled);
    }

    function test_fulfillAgreement_afterLateCondition() public {
        _setupLate();
        _sevenToGranted();
        _release(ID, PRICE);
        vm.expectRevert(abi.encodeWithSelector(I.NotFulfillable.selector, ID));
        sa.fulfillAgreement(ID);
        sa.fulfillCondition(ID, 6, 0);
        vm.warp(block.timestamp + 365 * DAY);
        vm.expectRevert(abi.encodeWithSelector(I.DependencyFulfilled.selector, ID, 5, 4));
        _refund(ID, PRICE);
        sa.fulfillAgreement(ID);
        _assertState(ID, AgreementState.Fulfilled);
        _expectNotOpen(ID, AgreementState.Fulfilled);
        sa.fulfillAgreement(ID);
    }

    function test_setup_conditionKeys() public view {
        bytes32 key = keccak256(abi.encodePacked(TEMPLATE, address(access), access.grantAccess.selector));
        assertEq(sa.getTemplateConditionKeys(TEMPLATE)[3], key, "key");
        assertEq(TEMPLATE, keccak256("2"), "template id");
    }

    function test_setup_onlyOwner() public {
        (address[] memory c, bytes4[] memory p) = (_contracts(), _fingerprints());
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger));
        vm.prank(stranger);
        sa.setupAgreementTemplate(OTHER, c, p, _dependencies(), _timeoutDependencies(), _list(4), 0);
    }

    function test_setup_twice() public {
        (address[] memory c, bytes4[] memory p) = (_contracts(), _fingerprints());
        vm.expectRevert(abi.encodeWithSelector(I.TemplateExists.selector, TEMPLATE));
        sa.setupAgreementTemplate(TEMPLATE, c, p, _dependencies(), _timeoutDependencies(), _list(4), 0);
    }

    function test_setup_dependencyOutOfRange() public {
        uint8[][] memory d = _dependencies();
        d[4] = _list(6);
        bytes memory revertData = abi.encodeWithSelector(I.InvalidDependency.selector, 4, 6);
        _setup(revertData, d, _timeoutDependencies(), _list(4), 0);
    }

    function test_setup_timeoutOfConditionWithoutDeadline() public {
        uint8[][] memory t = _timeoutDependencies();
        t[5] = _list(5);
        _setup(abi.encodeWithSelector(I.InvalidDependency.selector, 5, 5), _dependencies(), t, _list(4), 0);
        t[5] = _list(0);
        _setup(abi.encodeWithSelector(I.InvalidDependency.selector, 5, 0), _dependencies(), t, _list(4), 0);
    }

    function test_setup_twoWaysOfLosingARefund() public {
        uint8[][] memory t = _timeoutDependencies();
        t[5] = _list(3);
        bytes memory stranding = abi.encodeWithSelector(I.UnsafeTemplate.selector, 5, 1 << 4, 1 << 3);
        _setup(stranding, _dependencies(), t, _list(4), 0);
        uint8[][] memory d = _dependencies();
        d[5] = _list(0, 1);
        bytes memory defectB = abi.encodeWithSelector(I.UnsafeTemplate.selector, 5, 1 << 1, 1 << 1 | 1);
        _setup(defectB, d, _timeoutDependencies(), _list(4), 0);
    }

    function test_setup_everyStepNeedsTheOneBefore() public {
        uint16[3] memory required = [uint16(1 | 1 << 1), 1 << 2, 1 << 1 | 1 << 3];
        for (uint8 i; i < 3; ++i) {
            uint8[][] memory d = _dependencies();
            d[i + 2] = new uint8[](0);
            bytes memory revertData = abi.encodeWithSelector(I.UnsafeTemplate.selector, i + 2, required[i], 0);
            _setup(revertData, d, _timeoutDependencies(), _list(4), 0);
        }
    }

    function test_setup_tooManyConditions() public {
        vm.expectRevert(abi.encodeWithSelector(I.InvalidConditionCount.selector, 17));
        sa.setupAgreementTemplate(
            OTHER, new address[](17), new bytes4[](17), new uint8[][](17), new uint8[][](17), _list(4), 0
        );
    }

    function test_setup_invalidFulfillment() public {
        bytes memory revertData = abi.encodeWithSelector(I.InvalidFulfillment.selector);
        (uint8[][] memory d, uint8[][] memory t) = (_dependencies(), _timeoutDependencies());
        _setup(revertData, d, t, new uint8[](0), 0);
        _setup(revertData, d, t, _list(5), 0);
        _setup(revertData, d, t, _list(6), 0);
        _setup(revertData, d, t, _list(4, 4), 0);
        _setup(revertData, d, t, _list(4), 2);
    }

    function test_setup_lengthMismatch() public {
        bytes memory revertData = abi.encodeWithSelector(I.LengthMismatch.selector, 6, 5);
        _setup(revertData, new uint8[][](5), _timeoutDependencies(), _list(4), 0);
        _setup(revertData, _dependencies(), new uint8[][](5), _list(4), 0);
        vm.expectRevert(abi.encodeWithSelector(I.InvalidConditionCount.selector, 5));
        sa.setupAgreementTemplate(
            OTHER, new address[](5), new bytes4[](5), new uint8[][](5), new uint8[][](5), _list(4), 0
        );
    }

    function test_revoke_stopsNewAgreementsOnly() public {
        _execute(ID, PRICE, _ether());
        (bytes32[] memory v, uint256[] memory t) = (_values(PRICE, _ether()), _timeouts(0, DAY));
        bytes memory signature = _signAgreement(CONSUMER_KEY, keccak256("second"), publisher, v, t);
        sa.revokeAgreementTemplate(TEMPLATE);
        assertTrue(!sa.isTemplateApproved(TEMPLATE), "revoked");
        vm.expectRevert(abi.encodeWithSelector(I.TemplateNotApproved.selector, TEMPLATE));
        vm.prank(publisher);
        sa.executeAgreement(TEMPLATE, signature, consumer, v, t, keccak256("second"), did);
        _upload(ID);
        assertTrue(sa.conditionFulfilled(ID, 0), "existing agreement goes on");
    }
}
