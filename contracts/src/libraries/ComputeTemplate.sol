// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title The compute template: which condition stands at which index
/// @dev Every approved template keeps the first six roles; it may append further conditions.
library ComputeTemplate {
    /// @dev keccak256("2"), the identifier the seeds publish.
    bytes32 internal constant ID = 0xad7c5bef027816a800da1736444fb58a807ef4c9603b7848673f7e3a68eb14a5;

    /// @dev The same for runs in containers: released with releaseAttestedPayment.
    bytes32 internal constant ATTESTED_ID = keccak256("2/attested");

    /// @dev The same with a dispute window before the release.
    bytes32 internal constant DISPUTED_ID = keccak256("2/disputed");

    uint8 internal constant UPLOAD = 0;
    uint8 internal constant LOCK = 1;
    uint8 internal constant AUTHORIZE = 2;
    uint8 internal constant GRANT = 3;
    uint8 internal constant RELEASE = 4;
    uint8 internal constant REFUND = 5;

    /// @dev Only in templates with a dispute window.
    uint8 internal constant DISPUTE = 6;

    /// @dev Number of the roles that every template has.
    uint256 internal constant LENGTH = 6;
}
