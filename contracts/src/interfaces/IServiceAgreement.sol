// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IDIDRegistry} from "./IDIDRegistry.sol";

/// @notice Life of an agreement. Fulfilled (paid) and Terminated (refunded or cancelled) accept nothing more.
enum AgreementState {
    None,
    Executed,
    Fulfilled,
    Terminated
}

/// @notice What two parties agreed on. Times are in seconds (block.timestamp).
/// @param templateId the approved template
/// @param did the asset to compute on
/// @param publisher offers the asset, runs the algorithm and is paid
/// @param consumer signed the agreement, pays, and owns the result
/// @param executedAt when the agreement was made
/// @param lockDeadline payment may be locked before this time
/// @param grantDeadline computing and access may be granted before this time; from it on a refund is possible if access
/// was not granted
/// @param state see AgreementState
/// @param releaseDeadline from this time on a refund is possible even if access was granted, unless it was paid for
struct Agreement {
    bytes32 templateId;
    bytes32 did;
    address publisher;
    address consumer;
    uint64 executedAt;
    uint64 lockDeadline;
    uint64 grantDeadline;
    AgreementState state;
    uint64 releaseDeadline;
}

/// @title ServiceAgreement: templates, agreements, and the state of their conditions
/// @notice A publisher puts an agreement on chain that the consumer signed; condition contracts then fulfil its
/// conditions one by one, in the order the template allows.
/// @dev Roles: the *owner* approves and revokes templates and can do nothing else (two-step hand-over).
/// Assumes: an approved template names honest condition contracts at the indices of ComputeTemplate. In which order they
/// may be fulfilled is checked when a template is set up, as far as money depends on it.
/// Warning: the owner can approve a template with other contracts; a consumer should sign only for templates they know.
/// Invariants: `state` only moves from None to Executed and from there to Fulfilled or Terminated. A condition that was
/// fulfilled stays so. Of release and refund at most one is ever fulfilled. From lock on there is always a time from which
/// the consumer can take a refund unless the publisher was paid before: no publisher can leave money stranded.
/// It holds no money and calls no untrusted contract except ERC-1271 wallets, statically.
interface IServiceAgreement {
    /// @notice A template was approved; `provider` is who set it up.
    event SetupAgreementTemplate(bytes32 indexed templateId, address indexed provider);

    /// @notice No further agreements are made with the template; existing ones go on.
    event AgreementTemplateRevoked(bytes32 indexed templateId);

    /// @notice An agreement was made.
    /// @param serviceAgreementId chosen by the consumer
    /// @param templateId its template
    /// @param did the asset
    /// @param status always true (kept from the seeds; a bad signature reverts)
    /// @param templateOwner who set the template up
    /// @param consumer who signed
    /// @param state always true (kept from the seeds)
    event ExecuteAgreement(
        bytes32 indexed serviceAgreementId,
        bytes32 indexed templateId,
        bytes32 indexed did,
        bool status,
        address templateOwner,
        address consumer,
        bool state
    );

    /// @notice A condition was fulfilled; `condition` is its key.
    event ConditionFulfilled(
        bytes32 indexed serviceAgreementId, bytes32 indexed templateId, bytes32 indexed condition
    );

    /// @notice A condition that the release needs has failed for good: only a refund is possible now.
    event ConditionAborted(
        bytes32 indexed serviceAgreementId, bytes32 indexed templateId, bytes32 indexed condition
    );

    /// @notice The publisher was paid; `owner` is the template's.
    event AgreementFulfilled(
        bytes32 indexed serviceAgreementId, bytes32 indexed templateId, address indexed owner
    );

    /// @notice The consumer was refunded, or the agreement was cancelled unpaid.
    event AgreementTerminated(bytes32 indexed serviceAgreementId, bytes32 indexed templateId);

    /// @notice The template identifier was used before (also by a revoked template).
    error TemplateExists(bytes32 templateId);

    /// @notice There is no such template, or it was revoked.
    error TemplateNotApproved(bytes32 templateId);

    /// @notice Two arrays that belong together differ in length.
    error LengthMismatch(uint256 expected, uint256 actual);

    /// @notice A template has six to 16 conditions.
    error InvalidConditionCount(uint256 count);

    /// @notice The index is out of range, points at itself, or names a timeout of a condition without a deadline.
    error InvalidDependency(uint256 index, uint8 dependency);

    /// @notice Condition `index` does not wait for what it must: bit j of `required` stands for condition j. A refund
    /// waits for the lock and the release's timeout and for nothing else.
    error UnsafeTemplate(uint8 index, uint256 required, uint256 actual);

    /// @notice The fulfilment rule is empty, cannot be satisfied, or counts the refund.
    error InvalidFulfillment();

    /// @notice The zero address where an account or contract is needed.
    error ZeroAddress();

    /// @notice The caller neither owns the asset nor is a provider of it.
    error NotDidOwnerOrProvider(bytes32 did, address caller);

    /// @notice The agreement identifier was used before.
    error AgreementExists(bytes32 serviceAgreementId);

    /// @notice The condition's value hash does not fit the agreement.
    error WrongValueHash(uint8 index, bytes32 expected, bytes32 actual);

    /// @notice The grant timeout is zero or above 2^32 - 1, the lock timeout is above the grant's, or the release timeout is
    /// above 2^32 - 1.
    error InvalidTimeout(uint8 index, uint256 timeout);

    /// @notice The consumer's signature does not fit the agreement.
    error InvalidSignature(address consumer, bytes32 digest);

    /// @notice The agreement is not open: it does not exist, is fulfilled or terminated.
    error AgreementNotOpen(bytes32 serviceAgreementId, AgreementState state);

    /// @notice The template has no condition with this index.
    error UnknownCondition(uint8 index);

    /// @notice Only the contract the template names may fulfil the condition.
    error NotConditionContract(uint8 index, address expected, address caller);

    /// @notice The condition is fulfilled already.
    error ConditionAlreadyFulfilled(bytes32 serviceAgreementId, uint8 index);

    /// @notice Conditions this one depends on are not fulfilled: bit j of `missing` stands for condition j.
    error UnfulfilledDependencies(bytes32 serviceAgreementId, uint8 index, uint256 missing);

    /// @notice The time for this condition is over.
    error DeadlinePassed(uint8 index, uint256 deadline, uint256 nowTime);

    /// @notice What is to be waited for has not timed out yet.
    error DeadlineNotPassed(uint8 index, uint256 deadline, uint256 nowTime);

    /// @notice Condition `index` waits for the timeout of `dependency`, but that was fulfilled in time.
    error DependencyFulfilled(bytes32 serviceAgreementId, uint8 index, uint8 dependency);

    /// @notice The release does not depend on this condition, so nothing follows from its failure.
    error NotAbortable(uint8 index);

    /// @notice A condition has failed for good; nothing but a refund is accepted.
    error AgreementAborted(bytes32 serviceAgreementId);

    /// @notice The template's fulfilment rule is not satisfied yet.
    error NotFulfillable(bytes32 serviceAgreementId);

    /// @notice Payment was locked, so the agreement ends by release or refund.
    error PaymentIsLocked(bytes32 serviceAgreementId);

    /// @notice Approve a template; owner only. Position in the arrays is the condition's index; see ComputeTemplate.
    /// @dev Reverts: TemplateExists, LengthMismatch, InvalidConditionCount, InvalidDependency, UnsafeTemplate,
    /// InvalidFulfillment, ZeroAddress. A template never changes.
    /// Authorise must depend on upload and lock, grant on authorise, release on lock and grant (each may on more). Refund
    /// must depend on exactly the lock, and wait for exactly the release's timeout.
    /// @param contracts who may fulfil each condition
    /// @param fingerprints selector of the fulfilling function
    /// @param dependencies indices that must be fulfilled first
    /// @param timeoutDependencies indices (1 to 4) that must be unfulfilled and past their deadline. Release times out at
    /// the grant deadline if access was not granted by then, else at the release deadline
    /// @param fulfillmentIndices conditions that count for fulfilment
    /// @param fulfillmentOperator how many of them are needed; 0 = all
    function setupAgreementTemplate(
        bytes32 templateId,
        address[] calldata contracts,
        bytes4[] calldata fingerprints,
        uint8[][] calldata dependencies,
        uint8[][] calldata timeoutDependencies,
        uint8[] calldata fulfillmentIndices,
        uint8 fulfillmentOperator
    ) external;

    /// @notice Refuse new agreements with a template, for ever; owner only.
    /// @dev Reverts: TemplateNotApproved.
    function revokeAgreementTemplate(bytes32 templateId) external;

    /// @notice Put a signed agreement on chain; the caller becomes its publisher.
    /// @dev The caller must be owner or provider of `did`. The signature is over `agreementDigest`, which binds caller
    /// and asset. Reverts: TemplateNotApproved, ZeroAddress, AgreementExists, NotDidOwnerOrProvider, LengthMismatch,
    /// WrongValueHash, InvalidTimeout, InvalidSignature.
    /// Warning: a signature has no expiry; a consumer withdraws by not locking the payment.
    /// Warning: where `legacySignatures` is set, a signature over `legacyAgreementDigest` is accepted too. That binds the
    /// asset, but not which of its owner and providers becomes publisher.
    /// @param signature the consumer's: 65-byte ECDSA, or ERC-1271
    /// @param valueHashes keccak256 of each condition's packed values. 0, 2, 3: (did). 1: (did, price, token, base,
    /// fuelPrice, outputPrice). 4, 5: (did, price). 6, with disputes: see IDisputeConditions
    /// @param timeoutValues seconds. [3] grant deadline, from now, > 0. [1] lock deadline, from now, at most [3], 0 = same
    /// as [3]. [4] release deadline, from the grant deadline, 0 = DEFAULT_RELEASE_PERIOD. The others are signed but have
    /// no effect
    function executeAgreement(
        bytes32 templateId,
        bytes calldata signature,
        address consumer,
        bytes32[] calldata valueHashes,
        uint256[] calldata timeoutValues,
        bytes32 serviceAgreementId,
        bytes32 did
    ) external;

    /// @notice Report a condition as fulfilled; only the contract the template names for `index`.
    /// @dev Release closes the agreement as soon as the fulfilment rule is satisfied; refund terminates it. Locking is
    /// possible before the lock deadline, authorising and granting before the grant deadline. Releasing has no deadline of
    /// its own, but from the release deadline on the consumer may be faster with a refund.
    /// Reverts: AgreementNotOpen, UnknownCondition, NotConditionContract, WrongValueHash, ConditionAlreadyFulfilled,
    /// AgreementAborted, UnfulfilledDependencies, DeadlinePassed, DeadlineNotPassed, DependencyFulfilled.
    function fulfillCondition(bytes32 serviceAgreementId, uint8 index, bytes32 valueHash_) external;

    /// @notice Report that a condition has failed for good; only the contract the template names for `index`.
    /// @dev The condition must be the release or one that the release depends on, and neither may be fulfilled. From here
    /// on a refund is possible at once, and nothing else is.
    /// Reverts: AgreementNotOpen, UnknownCondition, NotConditionContract, NotAbortable, ConditionAlreadyFulfilled.
    function abortCondition(bytes32 serviceAgreementId, uint8 index) external;

    /// @notice Close an agreement whose fulfilment rule became satisfied after its release; anyone.
    /// @dev With the compute template the release itself closes the agreement, and this call reverts afterwards.
    /// Reverts: AgreementNotOpen, NotFulfillable.
    function fulfillAgreement(bytes32 serviceAgreementId) external;

    /// @notice Terminate an agreement whose payment was not locked in time; anyone.
    /// @dev Reverts: AgreementNotOpen, PaymentIsLocked, DeadlineNotPassed.
    function cancelAgreement(bytes32 serviceAgreementId) external;

    /// @notice Seconds from the grant deadline to the release deadline where the agreement does not say.
    function DEFAULT_RELEASE_PERIOD() external view returns (uint256);

    /// @notice Whether signatures in the old style (eth_sign over packed values) count besides EIP-712, fixed at
    /// construction.
    function legacySignatures() external view returns (bool);

    /// @notice The registry that says who may offer an asset, fixed at construction.
    function didRegistry() external view returns (IDIDRegistry);

    /// @notice EIP-712 domain separator of the whole deployment: name "Brizo", version "1", this address. It follows
    /// the chain id if a fork changes it.
    function domainSeparator() external view returns (bytes32);

    /// @notice EIP-712 digest of a struct hash under the deployment's domain.
    function hashTypedData(bytes32 structHash) external view returns (bytes32);

    /// @notice The digest a consumer signs to enter an agreement with `publisher`.
    /// @dev Reverts: TemplateNotApproved. Compare with your own before signing.
    function agreementDigest(
        bytes32 serviceAgreementId,
        bytes32 templateId,
        bytes32 did,
        address publisher,
        address consumer,
        bytes32[] calldata valueHashes,
        uint256[] calldata timeouts
    ) external view returns (bytes32);

    /// @notice The digest of the seeds: eth_sign over keccak256(packed(templateId, conditionKeys, valueHashes, timeouts,
    /// serviceAgreementId)). It counts only where `legacySignatures` is set.
    /// @dev Reverts: TemplateNotApproved.
    function legacyAgreementDigest(
        bytes32 serviceAgreementId,
        bytes32 templateId,
        bytes32[] calldata valueHashes,
        uint256[] calldata timeouts
    ) external view returns (bytes32);

    /// @notice The agreement; all zero, state None, if there is none.
    function getAgreement(bytes32 serviceAgreementId) external view returns (Agreement memory);

    /// @notice Whether the condition was fulfilled.
    function conditionFulfilled(bytes32 serviceAgreementId, uint8 index) external view returns (bool);

    /// @notice Whether a condition has failed for good, so that only a refund is possible.
    function isAborted(bytes32 serviceAgreementId) external view returns (bool);

    /// @notice The agreed value hash of a condition.
    /// @dev Reverts: UnknownCondition.
    function valueHash(bytes32 serviceAgreementId, uint8 index) external view returns (bytes32);

    /// @notice keccak256(packed(templateId, contract, fingerprint)) of each condition, in order; also after revocation.
    function getTemplateConditionKeys(bytes32 templateId) external view returns (bytes32[] memory);

    /// @notice Selector of the function that fulfils the condition; zero if there is no such condition.
    function conditionFingerprint(bytes32 templateId, uint8 index) external view returns (bytes4);

    /// @notice Whether new agreements may be made with the template.
    function isTemplateApproved(bytes32 templateId) external view returns (bool);
}
