// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {AccessConditions} from "../src/AccessConditions.sol";
import {ComputeConditions} from "../src/ComputeConditions.sol";
import {DIDRegistry} from "../src/DIDRegistry.sol";
import {PaymentConditions} from "../src/PaymentConditions.sol";
import {ServiceAgreement} from "../src/ServiceAgreement.sol";
import {AgreementState, IServiceAgreement} from "../src/interfaces/IServiceAgreement.sol";
import {Outcome, PriceTerms} from "../src/interfaces/Types.sol";
import {AgreementHash} from "../src/libraries/AgreementHash.sol";
import {ComputeTemplate} from "../src/libraries/ComputeTemplate.sol";
import {ReceiptHash} from "../src/libraries/ReceiptHash.sol";
import {TestToken} from "../src/mocks/TestToken.sol";
import {vm} from "./Vm.sol";

// The defects (a) to (n) of the legacy contracts each have a test named test_defect_<letter>_…. Three more were removed by
// design: there is no key-to-index map whose default could stand for condition 0; PaymentReleased names the consumer as
// sender; revoking a template looks at no agreement, so none can block it.

/// @dev Actors, a deployment wired as README.md says, and one helper per step of the walk.
abstract contract BaseTest {
    uint256 internal constant CONSUMER_KEY = 0xC0;
    uint256 internal constant STRANGER_KEY = 0xBAD;
    uint256 internal constant PRICE = 1 ether;
    uint256 internal constant DAY = 86_400;
    bytes32 internal constant ID = keccak256("agreement");
    bytes32 internal constant CHECKSUM = keccak256("algorithm");
    bytes32 internal constant SPEC = keccak256("spec");
    bytes32 internal constant TEMPLATE = ComputeTemplate.ID;

    address internal publisher = address(0xB0B);
    address internal consumer = vm.addr(CONSUMER_KEY);
    address internal stranger = vm.addr(STRANGER_KEY);
    bytes32 internal did;

    DIDRegistry internal registry;
    ServiceAgreement internal sa;
    ComputeConditions internal compute;
    PaymentConditions internal payment;
    AccessConditions internal access;
    TestToken internal token;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        registry = new DIDRegistry();
        sa = new ServiceAgreement(registry, false);
        registry.setServiceAgreement(sa);
        compute = new ComputeConditions(sa);
        payment = new PaymentConditions(sa);
        access = new AccessConditions(sa);
        token = new TestToken();
        _setupTemplate(TEMPLATE);
        vm.deal(consumer, 100 ether);
        token.mint(consumer, 100 ether);
        vm.prank(consumer);
        token.approve(address(payment), type(uint256).max);
        vm.prank(publisher);
        did = registry.registerAttribute(keccak256("seed"), keccak256("ddo"), new address[](0), "ddo url");
    }

    // TEMPLATE

    function _contracts() internal view returns (address[] memory a) {
        a = new address[](6);
        (a[0], a[1], a[2]) = (address(compute), address(payment), address(compute));
        (a[3], a[4], a[5]) = (address(access), address(payment), address(payment));
    }

    function _fingerprints() internal view returns (bytes4[] memory f) {
        f = new bytes4[](6);
        (f[0], f[1]) = (compute.fulfillAlgorithmUpload.selector, payment.lockPayment.selector);
        (f[2], f[3]) = (compute.authorizeComputation.selector, access.grantAccess.selector);
        (f[4], f[5]) = (payment.releasePayment.selector, payment.refundPayment.selector);
    }

    function _dependencies() internal pure returns (uint8[][] memory d) {
        d = new uint8[][](6);
        (d[2], d[3], d[4], d[5]) = (_list(0, 1), _list(2), _list(1, 3), _list(1));
    }

    function _timeoutDependencies() internal pure returns (uint8[][] memory d) {
        d = new uint8[][](6);
        d[5] = _list(4);
    }

    function _setupTemplate(bytes32 id) internal {
        _setupTemplate(id, _contracts(), _fingerprints(), _dependencies());
    }

    /// @dev With more than six conditions too.
    function _setupTemplate(bytes32 id, address[] memory c, bytes4[] memory f, uint8[][] memory d) internal {
        uint8[][] memory t = new uint8[][](c.length);
        t[5] = _list(4);
        sa.setupAgreementTemplate(id, c, f, d, t, _list(4), 0);
    }

    /// @dev The six conditions and a seventh, which the release waits for.
    function _setupSeven(bytes32 id, address seventh, bytes4 fingerprint) internal {
        address[] memory c = new address[](7);
        bytes4[] memory f = new bytes4[](7);
        uint8[][] memory d = new uint8[][](7);
        for (uint256 i; i < 6; ++i) {
            (c[i], f[i], d[i]) = (_contracts()[i], _fingerprints()[i], _dependencies()[i]);
        }
        (c[6], f[6]) = (seventh, fingerprint);
        d[4] = _list(1, 3, 6);
        _setupTemplate(id, c, f, d);
    }

    function _list(uint8 a) internal pure returns (uint8[] memory l) {
        l = new uint8[](1);
        l[0] = a;
    }

    function _list(uint8 a, uint8 b) internal pure returns (uint8[] memory l) {
        l = new uint8[](2);
        (l[0], l[1]) = (a, b);
    }

    function _list(uint8 a, uint8 b, uint8 c) internal pure returns (uint8[] memory l) {
        l = new uint8[](3);
        (l[0], l[1], l[2]) = (a, b, c);
    }

    // VALUES

    function _fixed(address asset, uint256 price) internal pure returns (PriceTerms memory) {
        return PriceTerms({token: asset, base: price, fuelPrice: 0, outputPrice: 0});
    }

    function _ether() internal pure returns (PriceTerms memory) {
        return _fixed(address(0), PRICE);
    }

    function _metered(address asset) internal pure returns (PriceTerms memory) {
        return PriceTerms({token: asset, base: 0.1 ether, fuelPrice: 0.02 ether, outputPrice: 0.01 ether});
    }

    function _values(uint256 price, PriceTerms memory t) internal view returns (bytes32[] memory v) {
        v = new bytes32[](6);
        v[0] = v[2] = v[3] = keccak256(abi.encodePacked(did));
        v[1] = keccak256(abi.encodePacked(did, price, t.token, t.base, t.fuelPrice, t.outputPrice));
        v[4] = v[5] = keccak256(abi.encodePacked(did, price));
    }

    function _timeouts(uint256 lock, uint256 grant) internal pure returns (uint256[] memory t) {
        t = new uint256[](6);
        (t[1], t[3]) = (lock, grant);
    }

    /// @dev Values of a template with a seventh condition.
    function _valuesSeven(PriceTerms memory t, bytes32 seventh) internal view returns (bytes32[] memory v) {
        bytes32[] memory six = _values(PRICE, t);
        v = new bytes32[](7);
        for (uint256 i; i < 6; ++i) {
            v[i] = six[i];
        }
        v[6] = seventh;
    }

    /// @dev Fuel 10 million, output 5 million bytes: under _metered, 0.1 + 0.2 + 0.05 ether.
    function _outcome() internal pure returns (Outcome memory) {
        return Outcome({
            status: 0,
            exitCode: 0,
            trapCode: 0,
            fuelUsed: 10_000_000,
            outputBytes: 5_000_000,
            outputsRoot: keccak256("outputs")
        });
    }

    function _receipt() internal pure returns (bytes32) {
        return ReceiptHash.receiptHash(SPEC, _outcome());
    }

    // SIGNATURES

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _signAgreement(uint256 key, bytes32 id, address by, bytes32[] memory v, uint256[] memory t)
        internal
        view
        returns (bytes memory)
    {
        return _sign(key, sa.agreementDigest(id, TEMPLATE, did, by, vm.addr(key), v, t));
    }

    function _signUpload(uint256 key, bytes32 id) internal view returns (bytes memory) {
        return _sign(key, sa.hashTypedData(AgreementHash.uploadHash(id, CHECKSUM)));
    }

    function _signOrder(uint256 key, bytes32 id) internal view returns (bytes memory) {
        return _signOrder(key, id, 0);
    }

    function _signOrder(uint256 key, bytes32 id, uint64 runIndex) internal view returns (bytes memory) {
        return _sign(key, sa.hashTypedData(ReceiptHash.jobOrderHash(id, runIndex, SPEC)));
    }

    // STEPS

    function _execute(bytes32 id, uint256 price, PriceTerms memory terms) internal {
        _executeUnder(TEMPLATE, id, _values(price, terms), _timeouts(DAY / 2, DAY));
    }

    function _executeUnder(bytes32 template, bytes32 id, bytes32[] memory v, uint256[] memory t) internal {
        bytes32 digest = sa.agreementDigest(id, template, did, publisher, consumer, v, t);
        bytes memory signature = _sign(CONSUMER_KEY, digest);
        vm.prank(publisher);
        sa.executeAgreement(template, signature, consumer, v, t, id, did);
    }

    function _upload(bytes32 id) internal {
        bytes memory signature = _signUpload(CONSUMER_KEY, id);
        vm.prank(publisher);
        compute.fulfillAlgorithmUpload(id, 0, CHECKSUM, signature);
    }

    function _lock(bytes32 id, uint256 price, PriceTerms memory terms) internal {
        vm.prank(consumer);
        payment.lockPayment{value: terms.token == address(0) ? price : 0}(id, did, price, terms);
    }

    function _authorize(bytes32 id) internal {
        vm.prank(publisher);
        compute.authorizeComputation(id, consumer);
    }

    function _register(bytes32 id, bytes32 receipt) internal {
        vm.prank(publisher);
        registry.registerDerived(id, 0, receipt, "derived url");
    }

    function _registerRun(bytes32 id, uint64 runIndex, bytes32 receipt) internal {
        vm.prank(publisher);
        registry.registerDerived(id, runIndex, receipt, "later url");
    }

    function _grant(bytes32 id) internal {
        bytes32 derived = registry.derivedDid(id, 0);
        vm.prank(publisher);
        access.grantAccess(id, derived);
    }

    function _release(bytes32 id, uint256 price) internal {
        bytes memory signature = _signOrder(CONSUMER_KEY, id);
        vm.prank(publisher);
        payment.releasePayment(id, did, price, SPEC, _outcome(), signature);
    }

    function _refund(bytes32 id, uint256 price) internal {
        vm.prank(consumer);
        payment.refundPayment(id, did, price);
    }

    function _toGranted(bytes32 id, uint256 price, PriceTerms memory terms) internal {
        _execute(id, price, terms);
        _executedToGranted(id, price, terms);
    }

    function _executedToGranted(bytes32 id, uint256 price, PriceTerms memory terms) internal {
        _upload(id);
        _lock(id, price, terms);
        _authorize(id);
        _register(id, _receipt());
        _grant(id);
    }

    // ASSERTIONS

    function _assertState(bytes32 id, AgreementState expected) internal view {
        assertEq(uint8(sa.getAgreement(id).state), uint8(expected), "state");
    }

    function _expectNotOpen(bytes32 id, AgreementState state) internal {
        vm.expectRevert(abi.encodeWithSelector(IServiceAgreement.AgreementNotOpen.selector, id, state));
    }

    function assertEq(uint256 a, uint256 b, string memory what) internal pure {
        require(a == b, string.concat("not equal: ", what));
    }

    function assertEq(bytes32 a, bytes32 b, string memory what) internal pure {
        require(a == b, string.concat("not equal: ", what));
    }

    function assertEq(address a, address b, string memory what) internal pure {
        require(a == b, string.concat("not equal: ", what));
    }

    function assertTrue(bool a, string memory what) internal pure {
        require(a, string.concat("false: ", what));
    }
}
