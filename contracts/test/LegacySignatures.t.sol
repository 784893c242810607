// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ComputeConditions} from "../src/ComputeConditions.sol";
import {ServiceAgreement} from "../src/ServiceAgreement.sol";
import {ICondition} from "../src/interfaces/ICondition.sol";
import {IServiceAgreement as I} from "../src/interfaces/IServiceAgreement.sol";
import {AgreementHash} from "../src/libraries/AgreementHash.sol";
import {BaseTest} from "./BaseTest.sol";
import {vm} from "./Vm.sol";

/// @dev The switch of a deployment. BaseTest's has it off; `_switchOn` replaces what is needed by one that has it on.
contract LegacySignaturesTest is BaseTest {
    function _switchOn() private {
        sa = new ServiceAgreement(registry, true);
        compute = new ComputeConditions(sa);
        _setupTemplate(TEMPLATE);
    }

    /// @dev Built here by hand, as a client of the seeds' time does.
    function _legacySignature(uint256 key, bytes32 id) private view returns (bytes memory) {
        bytes32 packed = keccak256(
            abi.encodePacked(
                TEMPLATE,
                sa.getTemplateConditionKeys(TEMPLATE),
                _values(PRICE, _ether()),
                _timeouts(DAY / 2, DAY),
                id
            )
        );
        return _sign(key, keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", packed)));
    }

    function _uploadSignature(bytes memory signed) private pure returns (bytes memory) {
        return _sign(
            CONSUMER_KEY, keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", keccak256(signed)))
        );
    }

    function _executeLegacy(address by, bytes memory signature) private {
        vm.prank(by);
        sa.executeAgreement(
            TEMPLATE, signature, consumer, _values(PRICE, _ether()), _timeouts(DAY / 2, DAY), ID, did
        );
    }

    function _expectBadAgreement(bytes32 digest) private {
        vm.expectRevert(abi.encodeWithSelector(I.InvalidSignature.selector, consumer, digest));
    }

    function test_legacy_offByDefault() public {
        bytes memory signature = _legacySignature(CONSUMER_KEY, ID);
        bytes32 digest = sa.agreementDigest(
            ID, TEMPLATE, did, publisher, consumer, _values(PRICE, _ether()), _timeouts(DAY / 2, DAY)
        );
        _expectBadAgreement(digest);
        _executeLegacy(publisher, signature);
        _execute(ID, PRICE, _ether());
        bytes32 upload = sa.hashTypedData(AgreementHash.uploadHash(ID, CHECKSUM));
        bytes memory signedUpload = _uploadSignature(abi.encodePacked(ID, CHECKSUM));
        vm.expectRevert(abi.encodeWithSelector(ICondition.InvalidSignature.selector, consumer, upload));
        vm.prank(publisher);
        compute.fulfillAlgorithmUpload(ID, 0, CHECKSUM, signedUpload);
    }

    function test_legacy_agreementAndUpload() public {
        _switchOn();
        _executeLegacy(publisher, _legacySignature(CONSUMER_KEY, ID));
        bytes memory signature = _uploadSignature(abi.encodePacked(ID, CHECKSUM));
        vm.prank(publisher);
        compute.fulfillAlgorithmUpload(ID, 0, CHECKSUM, signature);
        assertTrue(sa.conditionFulfilled(ID, 0), "upload");
    }

    function test_legacy_eip712StillCounts() public {
        _switchOn();
        _execute(ID, PRICE, _ether());
        _upload(ID);
        assertTrue(sa.conditionFulfilled(ID, 0), "upload");
    }

    function test_legacy_wrongSignerOrAgreement() public {
        _switchOn();
        bytes32 digest =
            sa.legacyAgreementDigest(ID, TEMPLATE, _values(PRICE, _ether()), _timeouts(DAY / 2, DAY));
        bytes memory byStranger = _legacySignature(STRANGER_KEY, ID);
        _expectBadAgreement(digest);
        _executeLegacy(publisher, byStranger);
        bytes memory forOther = _legacySignature(CONSUMER_KEY, keccak256("second"));
        _expectBadAgreement(digest);
        _executeLegacy(publisher, forOther);
    }

    function test_defect_n_legacySignatureIsNoUseToStrangers() public {
        _switchOn();
        bytes memory signature = _legacySignature(CONSUMER_KEY, ID);
        vm.expectRevert(abi.encodeWithSelector(I.NotDidOwnerOrProvider.selector, did, stranger));
        _executeLegacy(stranger, signature);
    }

    function test_defect_f_legacyUploadBindsTheAgreement() public {
        _switchOn();
        _execute(ID, PRICE, _ether());
        bytes32 upload = sa.hashTypedData(AgreementHash.uploadHash(ID, CHECKSUM));
        bytes[2] memory unbound = [
            _sign(CONSUMER_KEY, keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", CHECKSUM))),
            _uploadSignature(abi.encodePacked(keccak256("second"), CHECKSUM))
        ];
        for (uint256 i; i < unbound.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ICondition.InvalidSignature.selector, consumer, upload));
            vm.prank(publisher);
            compute.fulfillAlgorithmUpload(ID, 0, CHECKSUM, unbound[i]);
        }
    }
}
