"""Typed data as EIP-712 hashes it: type strings, struct hashes and domains (RECEIPT.md sections 3.1 and 7)."""

from functools import cache, lru_cache

from .keccak import keccak

SPEC_TYPE = (
    "JobSpec(bytes32 profile,bytes32 agreementId,uint64 runIndex,bytes32 moduleDigest,bytes32 algorithmRoot,"
    "bytes32 invocationRoot,bytes32 inputsRoot,bytes32 randomSeed,uint64 clockStart,uint64 clockStep,uint64 fuelLimit,"
    "uint64 memoryLimit,uint64 stackLimit,uint64 outputLimit,uint64 filesLimit,bytes32 blindCommit)"
)
OUTCOME_TYPE = (
    "Outcome(uint8 status,uint32 exitCode,uint32 trapCode,uint64 fuelUsed,uint64 outputBytes,bytes32 outputsRoot)"
)
TYPES = {
    "JobSpec": SPEC_TYPE,
    "Outcome": OUTCOME_TYPE,
    "ExecutionClaim": "ExecutionClaim(JobSpec spec,Outcome outcome)" + SPEC_TYPE + OUTCOME_TYPE,
    "JobOrder": "JobOrder(bytes32 serviceAgreementId,uint64 runIndex,JobSpec spec)" + SPEC_TYPE,
    "AlgorithmUpload": "AlgorithmUpload(bytes32 serviceAgreementId,bytes32 checksum)",
    "ReceiptAttestation": "ReceiptAttestation(bytes32 claimHash,bytes32 agreementId,address provider,uint8 kind,"
    "bytes32 runInfoDigest,uint64 issuedAt)",
    "Verdict": "Verdict(bytes32 claimHash,bytes32 replayedHash,bytes32 agreementId,bytes32 evidenceDigest,"
    "address auditor,uint64 issuedAt)",
    "EIP712Domain": "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
}


@cache
def type_hash(name):
    """keccak of a struct's type string."""
    return keccak(TYPES[name].encode())


@cache
def fields(name):
    """Names of a struct's fields, in the order of its type string."""
    inside = TYPES[name][len(name) + 1 :].split(")")[0]
    return tuple(field.split(" ")[1] for field in inside.split(","))


def _word(value):
    # A string is its keccak, a number is big-endian, bytes are a bytes32 or an address with zeros on the left.
    if isinstance(value, str):
        return keccak(value.encode())
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    return value.rjust(32, b"\0")


@lru_cache(maxsize=4096)
def _hash_words(name, words):
    return keccak(type_hash(name) + b"".join(words))


def hash_struct(name, values):
    """hashStruct of a struct whose fields are in the dict `values`; a nested struct is given as its hash."""
    return _hash_words(name, tuple(_word(values[field]) for field in fields(name)))


def claim_hash(spec_hash, outcome_hash):
    """The receipt hash."""
    return hash_struct("ExecutionClaim", {"spec": spec_hash, "outcome": outcome_hash})


def order_hash(agreement_id, run_index, spec_hash):
    """What the consumer signs, before the domain."""
    return hash_struct("JobOrder", {"serviceAgreementId": agreement_id, "runIndex": run_index, "spec": spec_hash})


DOMAIN_FIELDS = ("chainId", "verifyingContract")


def separator(domain):
    """domainSeparator of a chain and a contract."""
    return hash_struct("EIP712Domain", {"name": "Brizo", "version": "1", **domain})


def digest(domain, struct_hash):
    """The 32 bytes that are signed."""
    return keccak(b"\x19\x01" + separator(domain) + struct_hash)
