// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {Agreement, AgreementState, IServiceAgreement as I} from "../src/interfaces/IServiceAgreement.sol";
import {BaseTest} from "./BaseTest.sol";
import {Wallet} from "./mocks/Wallet.sol";
import {vm} from "./Vm.sol";

contract ExecuteAgreementTest is BaseTest {
    function _try(uint256 key, address by, bytes32[] memory v, uint256[] memory t, bytes memory revertData)
        private
    {
        bytes memory signature = _signAgreement(key, ID, publisher, v, t);
        vm.expectRevert(revertData);
        vm.prank(by);
        sa.executeAgreement(TEMPLATE, signature, consumer, v, t, ID, did);
    }

    function _digest(address by) private view returns (bytes32) {
        return sa.agreementDigest(
            ID, TEMPLATE, did, by, consumer, _values(PRICE, _ether()), _timeouts(DAY / 2, DAY)
        );
    }

    function _badSignature(address by) private view returns (bytes memory) {
        return abi.encodeWithSelector(I.InvalidSignature.selector, consumer, _digest(by));
    }

    function test_execute_stores() public {
        _execute(ID, PRICE, _ether());
        Agreement memory a = sa.getAgreement(ID);
        assertEq(a.templateId, TEMPLATE, "template");
        assertEq(a.did, did, "did");
        assertEq(a.publisher, publisher, "publisher");
        assertEq(a.consumer, consumer, "consumer");
        assertEq(a.executedAt, block.timestamp, "executedAt");
        assertEq(a.lockDeadline, block.timestamp + DAY / 2, "lock");
        assertEq(a.grantDeadline, block.timestamp + DAY, "grant");
        assertEq(sa.valueHash(ID, 4), keccak256(abi.encodePacked(did, PRICE)), "value hash");
        _assertState(ID, AgreementState.Executed);
    }

    function test_defect_a_wrongSignatureReverts() public {
        bytes memory signature = _sign(STRANGER_KEY, _digest(publisher));
        bytes memory revertData = _badSignature(publisher);
        vm.expectRevert(revertData);
        vm.prank(publisher);
        sa.executeAgreement(
            TEMPLATE, signature, consumer, _values(PRICE, _ether()), _timeouts(DAY / 2, DAY), ID, did
        );
        _assertState(ID, AgreementState.None);
    }

    function test_defect_d_zeroGrantTimeoutRefused() public {
        bytes memory revertData = abi.encodeWithSelector(I.InvalidTimeout.selector, 3, 0);
        _try(CONSUMER_KEY, publisher, _values(PRICE, _ether()), _timeouts(0, 0), revertData);
    }

    function test_defect_g_consumerWhoSignedNothing() public {
        bytes memory revertData = _badSignature(publisher);
        vm.expectRevert(revertData);
        vm.prank(publisher);
        sa.executeAgreement(
            TEMPLATE, "", consumer, _values(PRICE, _ether()), _timeouts(DAY / 2, DAY), ID, did
        );
    }

    function test_defect_n_strangerCopiesSignature() public {
        bytes memory revertData = abi.encodeWithSelector(I.NotDidOwnerOrProvider.selector, did, stranger);
        _try(CONSUMER_KEY, stranger, _values(PRICE, _ether()), _timeouts(DAY / 2, DAY), revertData);
    }

    function test_defect_n_otherProviderCopiesSignature() public {
        vm.prank(publisher);
        registry.addDIDProvider(did, stranger);
        _try(
            CONSUMER_KEY, stranger, _values(PRICE, _ether()), _timeouts(DAY / 2, DAY), _badSignature(stranger)
        );
    }

    function test_execute_providerMayOffer() public {
        vm.prank(publisher);
        registry.addDIDProvider(did, stranger);
        (bytes32[] memory v, uint256[] memory t) = (_values(PRICE, _ether()), _timeouts(0, DAY));
        bytes memory signature = _signAgreement(CONSUMER_KEY, ID, stranger, v, t);
        vm.prank(stranger);
        sa.executeAgreement(TEMPLATE, signature, consumer, v, t, ID, did);
        assertEq(sa.getAgreement(ID).publisher, stranger, "publisher");
        assertEq(sa.getAgreement(ID).lockDeadline, block.timestamp + DAY, "0 = grant deadline");
    }

    function test_execute_lockTimeoutAboveGrant() public {
        bytes memory revertData = abi.encodeWithSelector(I.InvalidTimeout.selector, 1, DAY + 1);
        _try(CONSUMER_KEY, publisher, _values(PRICE, _ether()), _timeouts(DAY + 1, DAY), revertData);
    }

    function test_execute_grantTimeoutTooLong() public {
        uint256 grant = uint256(type(uint32).max) + 1;
        bytes memory revertData = abi.encodeWithSelector(I.InvalidTimeout.selector, 3, grant);
        _try(CONSUMER_KEY, publisher, _values(PRICE, _ether()), _timeouts(0, grant), revertData);
    }

    function test_execute_valueHashOfOtherAsset() public {
        uint8[3] memory bound = [0, 2, 3];
        for (uint256 i; i < bound.length; ++i) {
            bytes32[] memory v = _values(PRICE, _ether());
            bytes32 expected = v[bound[i]];
            v[bound[i]] = keccak256("other");
            bytes memory revertData =
                abi.encodeWithSelector(I.WrongValueHash.selector, bound[i], expected, v[bound[i]]);
            _try(CONSUMER_KEY, publisher, v, _timeouts(0, DAY), revertData);
        }
    }

    function test_execute_lengthMismatch() public {
        bytes memory revertData = abi.encodeWithSelector(I.LengthMismatch.selector, 6, 5);
        _try(CONSUMER_KEY, publisher, new bytes32[](5), _timeouts(0, DAY), revertData);
        _try(CONSUMER_KEY, publisher, _values(PRICE, _ether()), new uint256[](5), revertData);
    }

    function test_execute_idUsed() public {
        _execute(ID, PRICE, _ether());
        bytes memory revertData = abi.encodeWithSelector(I.AgreementExists.selector, ID);
        _try(CONSUMER_KEY, publisher, _values(PRICE, _ether()), _timeouts(0, DAY), revertData);
    }

    function test_execute_zeroConsumer() public {
        vm.expectRevert(I.ZeroAddress.selector);
        vm.prank(publisher);
        sa.executeAgreement(TEMPLATE, "", address(0), _values(PRICE, _ether()), _timeouts(0, DAY), ID, did);
    }

    function test_execute_signatureOfOtherChain() public {
        (bytes32[] memory v, uint256[] memory t) = (_values(PRICE, _ether()), _timeouts(DAY / 2, DAY));
        bytes memory signature = _signAgreement(CONSUMER_KEY, ID, publisher, v, t);
        bytes32 before = sa.domainSeparator();
        vm.chainId(999);
        assertTrue(before != sa.domainSeparator(), "separator follows the chain id");
        vm.expectRevert(_badSignature(publisher));
        vm.prank(publisher);
        sa.executeAgreement(TEMPLATE, signature, consumer, v, t, ID, did);
    }

    function test_execute_highSRefused() public {
        (bytes32[] memory v, uint256[] memory t) = (_values(PRICE, _ether()), _timeouts(DAY / 2, DAY));
        (uint8 vv, bytes32 r, bytes32 s) = vm.sign(CONSUMER_KEY, _digest(publisher));
        uint256 n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory signature =
            abi.encodePacked(r, bytes32(n - uint256(s)), vv == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(_badSignature(publisher));
        vm.prank(publisher);
        sa.executeAgreement(TEMPLATE, signature, consumer, v, t, ID, did);
    }

    function test_execute_accountThatTookOnCode() public {
        vm.etch(consumer, hex"60006000fd");
        _execute(ID, PRICE, _ether());
        _assertState(ID, AgreementState.Executed);
    }

    function test_execute_contractWallet() public {
        Wallet wallet = new Wallet(stranger);
        (bytes32[] memory v, uint256[] memory t) = (_values(PRICE, _ether()), _timeouts(0, DAY));
        bytes32 digest = sa.agreementDigest(ID, TEMPLATE, did, publisher, address(wallet), v, t);
        bytes memory signature = _sign(STRANGER_KEY, digest);
        vm.prank(publisher);
        sa.executeAgreement(TEMPLATE, signature, address(wallet), v, t, ID, did);
        assertEq(sa.getAgreement(ID).consumer, address(wallet), "consumer");
    }

    function test_domainSeparator() public view {
        bytes32 expected = keccak256(
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
        assertEq(sa.domainSeparator(), expected, "separator");
    }
}

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

    /// @dev A seventh condition, fulfilled by this test, which the release (or the fulfilment) waits for.
    function _setupSeven(uint8[] memory releaseNeeds, uint8[] memory fulfillment) private {
        address[] memory c = new address[](7);
        bytes4[] memory p = new bytes4[](7);
        uint8[][] memory d = new uint8[][](7);
        for (uint256 i; i < 6; ++i) {
            (c[i], p[i], d[i]) = (_contracts()[i], _fingerprints()[i], _dependencies()[i]);
        }
        c[6] = address(this);
        d[4] = releaseNeeds;
        uint8[][] memory t = new uint8[][](7);
        t[5] = _list(3);
        sa.setupAgreementTemplate(OTHER, c, p, d, t, fulfillment, 0);
    }

    function _executeSeven() private {
        bytes32[] memory six = _values(PRICE, _ether());
        bytes32[] memory v = new bytes32[](7);
        for (uint256 i; i < 6; ++i) {
            v[i] = six[i];
        }
        uint256[] memory t = new uint256[](7);
        t[3] = DAY;
        bytes memory signature =
            _sign(CONSUMER_KEY, sa.agreementDigest(ID, OTHER, did, publisher, consumer, v, t));
        vm.prank(publisher);
        sa.executeAgreement(OTHER, signature, consumer, v, t, ID, did);
    }

    function _sevenToGranted() private {
        _executeSeven();
        _upload(ID);
        _lock(ID, PRICE, _ether());
        _authorize(ID);
        _register(ID, _receipt());
        _grant(ID);
    }

    function test_defect_e_dependencyOnHighIndexCounts() public {
        uint8[] memory needs = new uint8[](3);
        (needs[0], needs[1], needs[2]) = (1, 3, 6);
        _setupSeven(needs, _list(4));
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
        _setupSeven(_list(1, 3), _list(4, 6));
        _sevenToGranted();
        _release(ID, PRICE);
        vm.expectRevert(abi.encodeWithSelector(I.NotFulfillable.selector, ID));
        sa.fulfillAgreement(ID);
        sa.fulfillCondition(ID, 6, 0);
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
        t[5] = _list(4);
        _setup(abi.encodeWithSelector(I.InvalidDependency.selector, 5, 4), _dependencies(), t, _list(4), 0);
        t[5] = _list(0);
        _setup(abi.encodeWithSelector(I.InvalidDependency.selector, 5, 0), _dependencies(), t, _list(4), 0);
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

contract ConditionOrderTest is BaseTest {
    function test_fulfillCondition_onlyItsContract() public {
        _execute(ID, PRICE, _ether());
        vm.expectRevert(
            abi.encodeWithSelector(I.NotConditionContract.selector, 4, address(payment), address(this))
        );
        sa.fulfillCondition(ID, 4, 0);
    }

    function test_fulfillCondition_unknownIndex() public {
        _execute(ID, PRICE, _ether());
        vm.expectRevert(abi.encodeWithSelector(I.UnknownCondition.selector, 6));
        sa.fulfillCondition(ID, 6, 0);
        vm.expectRevert(abi.encodeWithSelector(I.UnknownCondition.selector, 6));
        sa.valueHash(ID, 6);
    }

    function test_fulfillCondition_unknownAgreement() public {
        _expectNotOpen(ID, AgreementState.None);
        sa.fulfillCondition(ID, 0, 0);
    }

    function test_cancel_afterLockDeadline() public {
        _execute(ID, PRICE, _ether());
        uint256 deadline = block.timestamp + DAY / 2;
        vm.expectRevert(abi.encodeWithSelector(I.DeadlineNotPassed.selector, 1, deadline, block.timestamp));
        sa.cancelAgreement(ID);
        vm.warp(deadline);
        vm.expectEmit(address(sa));
        emit I.AgreementTerminated(ID, TEMPLATE);
        sa.cancelAgreement(ID);
        _assertState(ID, AgreementState.Terminated);
        _expectNotOpen(ID, AgreementState.Terminated);
        sa.cancelAgreement(ID);
    }

    function test_cancel_refusedOnceLocked() public {
        _execute(ID, PRICE, _ether());
        _lock(ID, PRICE, _ether());
        vm.warp(block.timestamp + DAY);
        vm.expectRevert(abi.encodeWithSelector(I.PaymentIsLocked.selector, ID));
        sa.cancelAgreement(ID);
    }

    function test_fulfillAgreement_beforeRelease() public {
        _toGranted(ID, PRICE, _ether());
        vm.expectRevert(abi.encodeWithSelector(I.NotFulfillable.selector, ID));
        sa.fulfillAgreement(ID);
    }
}
