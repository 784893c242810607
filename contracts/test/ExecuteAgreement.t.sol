// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

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
        bytes32[] memory v = _values(PRICE, _ether());
        for (uint8 i; i < v.length; ++i) {
            assertEq(sa.valueHash(ID, i), v[i], "value hash");
        }
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

    function test_execute_releaseTimeoutTooLong() public {
        uint256 release = uint256(type(uint32).max) + 1;
        uint256[] memory t = _timeouts(0, DAY);
        t[4] = release;
        bytes memory revertData = abi.encodeWithSelector(I.InvalidTimeout.selector, 4, release);
        _try(CONSUMER_KEY, publisher, _values(PRICE, _ether()), t, revertData);
    }

    function test_execute_longestTimeouts() public {
        uint256[] memory t = _timeouts(type(uint32).max, type(uint32).max);
        t[4] = type(uint32).max;
        _executeUnder(TEMPLATE, ID, _values(PRICE, _ether()), t);
        uint256 expected = block.timestamp + 2 * uint256(type(uint32).max);
        assertEq(sa.getAgreement(ID).releaseDeadline, expected, "release deadline");
    }

    function test_execute_refundOfAnotherSumThanTheRelease() public {
        bytes32[] memory v = _values(PRICE, _ether());
        v[5] = keccak256(abi.encodePacked(did, PRICE + 1));
        bytes memory revertData = abi.encodeWithSelector(I.WrongValueHash.selector, 5, v[4], v[5]);
        _try(CONSUMER_KEY, publisher, v, _timeouts(0, DAY), revertData);
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
