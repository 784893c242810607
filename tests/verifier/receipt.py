"""The receipt: its form, its structure step by step, and its signatures (RECEIPT.md sections 6, 9.2 and 9.3)."""

from . import eip712, forms, manifest
from .blake3 import derive
from .errors import Refused, malformed, need, need_domain
from .secp256k1 import signer
from .strictjson import parse, parse_file

FILE_MOST = 134_217_728
KINDS = ("re-executable", "attested")
# The profile `brizo-container/1` (section 18): its receipts are attested.
CONTAINERS = bytes.fromhex("881045ba6ceb607c672424cef8a2851458f33bae77bcaf0095f9fbb34cf6a9ce")
# The profiles whose runs can be repeated (section 9.6): their receipts are not attested.
REPEATABLE = tuple(
    bytes.fromhex(digest)
    for digest in (
        "1aac77561c7ecfb6db09e3f0543c00cf5277f9531cc61fe814e78455b83892d3",
        "8796d7338aaad2568ca4e19c3bb49dae291c4552eb2a1785da7c60ed6847617c",
        "076a803be2ade3a2f20d783631515d909c30cdbcd206e6d7b67ee5e8efce133a",
    )
)
STATUS_EXIT, STATUS_TRAP, STATUS_FUEL, STATUS_MEMORY, STATUS_STACK = 0, 1, 2, 3, 4
STATUSES, TRAP_CODES = range(6), range(1, 13)
STREAMS = ("stderr", "stdout")  # the last two outputs, in this order

RUN_INFO = forms.struct(
    {
        "software": forms.text,
        "engine": forms.text,
        "target": forms.text,
        "startedAt": forms.u64,
        "runUs": forms.u64,
        "cachedModule": forms.boolean,
    }
)
STATEMENT = forms.struct(
    {
        "claimHash": forms.b32,
        "agreementId": forms.b32,
        "provider": forms.address,
        "kind": forms.small(8),
        "runInfoDigest": forms.b32,
        "issuedAt": forms.u64,
    }
)
SHOWN_OUTPUT = forms.struct(
    {
        "leaf": forms.b32,
        "kind": forms.KIND,
        "path": forms.text,
        "size": forms.u64,
        "digest": forms.b32,
        "salt": forms.b32,
    }
)
WITHHELD_OUTPUT = forms.struct({"leaf": forms.b32})


def _output(value, where):
    """An output that is shown, or the leaf of one that is not."""
    only_leaf = isinstance(value, dict) and set(value) == {"leaf"}
    return (WITHHELD_OUTPUT if only_leaf else SHOWN_OUTPUT)(value, where)


INPUT = forms.struct(
    {"path": forms.text, "did": forms.text, "root": forms.b32, "leaves": forms.many(forms.b32)}, optional=("did",)
)
OPENING = forms.struct(
    {
        "invocation": forms.struct(
            {"args": forms.many(forms.text, manifest.TEXTS_MAX), "env": forms.many(forms.pair, manifest.TEXTS_MAX)}
        ),
        "algorithm": forms.many(forms.b32),
        "inputs": forms.many(INPUT),
        "outputs": forms.many(_output),
    },
    optional=("algorithm",),
)
LOG = forms.struct(
    {"index": forms.u64, "loggedAt": forms.u64, "checkpoint": forms.text, "proof": forms.many(forms.b32)}
)
RECEIPT = forms.struct(
    {
        "format": forms.one_of("brizo-receipt/1"),
        "kind": forms.one_of(*KINDS),
        "claimHash": forms.b32,
        "claim": forms.struct({"spec": forms.SPEC, "outcome": forms.OUTCOME}),
        "consent": forms.struct({"domain": forms.DOMAIN, "consumer": forms.address, "signature": forms.signature}),
        "attestation": forms.struct({"domain": forms.DOMAIN, "statement": STATEMENT, "signature": forms.signature}),
        "runInfo": forms.text,
        "opening": OPENING,
        "log": LOG,
    },
    optional=("consent", "attestation", "log"),
)


def read(data):
    """The receipt in a file's bytes, with its fields as values; `receipt_malformed` if it has another form."""
    return RECEIPT(parse_file(data, FILE_MOST), "receipt")


def values(receipt):
    """The hashes that follow from a receipt's fields, by the names that the vectors use."""
    spec, outcome, opening = receipt["claim"]["spec"], receipt["claim"]["outcome"], receipt["opening"]
    spec_hash, outcome_hash = eip712.hash_struct("JobSpec", spec), eip712.hash_struct("Outcome", outcome)
    return {
        "specHash": spec_hash,
        "outcomeHash": outcome_hash,
        "claimHash": eip712.claim_hash(spec_hash, outcome_hash),
        "algorithmRoot": manifest.root(opening.get("algorithm", [])),
        "inputsRoot": manifest.inputs_root([(one["path"], one["root"]) for one in opening["inputs"]]),
        "outputsRoot": manifest.root([one["leaf"] for one in opening["outputs"]]),
        "runInfoDigest": derive(manifest.v1("run info"), receipt["runInfo"].encode()),
    }


def check_outcome(spec, outcome):
    """The rules between fields of a claim (section 9.2, step 2)."""

    def holds(condition, where):
        need(condition, "receipt_contradiction", where)

    status, trap = outcome["status"], outcome["trapCode"]
    holds(status in STATUSES, "status")
    holds(outcome["exitCode"] == 0 or status == STATUS_EXIT, "exitCode")
    if status in (STATUS_TRAP, STATUS_MEMORY):
        holds(trap in TRAP_CODES, "trapCode")
    else:
        holds(trap == 0, "trapCode")
    holds(spec["stackLimit"] != 0 or status != STATUS_STACK, "stackLimit")
    holds(outcome["fuelUsed"] == spec["fuelLimit"] or status != STATUS_FUEL, "fuelUsed")
    holds(outcome["fuelUsed"] <= spec["fuelLimit"], "fuelUsed")
    holds(outcome["outputBytes"] <= spec["outputLimit"], "outputBytes")


def shown_outputs(receipt):
    """The outputs that are shown: those that have more than a leaf."""
    return [one for one in receipt["opening"]["outputs"] if len(one) > 1]


def check_ends(outputs, files_limit, where):
    """The last two outputs are the streams, shown or withheld; the others are as many as may be, and no streams."""
    files, ends = outputs[:-2], outputs[-2:]
    need(len(ends) == len(STREAMS), "receipt_contradiction", f"{where}: a stream is missing")
    for one, name in zip(ends, STREAMS, strict=True):
        right = len(one) == 1 or (one["kind"], one["path"]) == ("stream", name)
        need(right, "receipt_contradiction", f"{where}: {name} is not in its place")
    for one in files:
        need(one.get("kind") != "stream", "receipt_contradiction", f"{where}: a stream is not in its place")
    need(len(files) <= files_limit, "receipt_contradiction", f"{where}: filesLimit")


def check_outputs(receipt):
    """The list of outputs: entries, order, number, tree and sum (section 9.2, steps 4 to 6)."""
    spec, outcome = receipt["claim"]["spec"], receipt["claim"]["outcome"]
    outputs, where = receipt["opening"]["outputs"], "opening.outputs"
    shown = shown_outputs(receipt)
    for one in shown:
        stream = one["kind"] == "stream" and one["path"] in STREAMS
        need(stream or one["kind"] in ("file", "directory"), "receipt_contradiction", f"{where}: the kind")
        need(stream or manifest.file_path_holds(one["path"]), "bad_manifest", f"{where}: the path {one['path']!r}")
    places = [manifest.place(one) for one in shown]
    need(all(a < b for a, b in zip(places, places[1:])), "receipt_contradiction", f"{where}: order")
    check_ends(outputs, spec["filesLimit"], where)
    manifest.check_tree(shown, where)
    folders = {one["path"] for one in shown if one["kind"] == "directory"}
    for one in shown:
        if one["kind"] != "stream":
            need(folders.issuperset(manifest.folders_above(one["path"])), "bad_manifest", f"{where}: no such folder")
    total = sum(one["size"] for one in shown)
    fits = total <= outcome["outputBytes"] if len(shown) < len(outputs) else total == outcome["outputBytes"]
    need(fits, "receipt_contradiction", "outputBytes")


def check_run_info(text):
    """The run info is a JSON text with exactly its six fields (section 6)."""
    if not text.startswith("{"):
        raise malformed("runInfo does not begin with an object")
    RUN_INFO(parse(text), "runInfo")


def check_hashes(receipt, found):
    """Every hash of the document follows from its fields (section 9.2, steps 8 to 10)."""
    spec, outcome, opening = receipt["claim"]["spec"], receipt["claim"]["outcome"], receipt["opening"]
    need(receipt["claimHash"] == found["claimHash"], "hash_mismatch", "claimHash")
    need(spec["algorithmRoot"] == found["algorithmRoot"], "hash_mismatch", "algorithmRoot")
    need(spec["inputsRoot"] == found["inputsRoot"], "hash_mismatch", "inputsRoot")
    need(outcome["outputsRoot"] == found["outputsRoot"], "hash_mismatch", "outputsRoot")
    for one in opening["inputs"]:
        need(one["root"] == manifest.root(one["leaves"]), "hash_mismatch", f"opening.inputs: {one['path']!r}")
    for one in shown_outputs(receipt):
        right = one["leaf"] == manifest.salted_leaf(one, one["salt"])
        need(right, "hash_mismatch", f"opening.outputs: {one['path']!r}")
    if "attestation" in receipt:
        statement = receipt["attestation"]["statement"]
        need(statement["claimHash"] == found["claimHash"], "replayed_statement", "claimHash")
        need(statement["agreementId"] == spec["agreementId"], "replayed_statement", "agreementId")
        need(statement["runInfoDigest"] == found["runInfoDigest"], "hash_mismatch", "attestation.runInfoDigest")
        # Not `receipt_malformed`: a number is a number, but no kind has it.
        fits = statement["kind"] == KINDS.index(receipt["kind"])
        need(fits, "receipt_contradiction", "attestation.kind")


def check_structure(receipt, expected, revoked):
    """The tier "structure" (section 9.2) after parsing. `revoked` holds digests of profiles. Returns the values."""
    spec = receipt["claim"]["spec"]
    check_outcome(spec, receipt["claim"]["outcome"])
    need(spec["profile"] not in revoked, "profile_revoked", "spec.profile")
    repeatable = receipt["kind"] == "re-executable"
    need(not repeatable or spec["profile"] != CONTAINERS, "receipt_contradiction", "kind")
    need(repeatable or spec["profile"] not in REPEATABLE, "receipt_contradiction", "kind")
    manifest.check_mounts([one["path"] for one in receipt["opening"]["inputs"]], "opening.inputs")
    check_outputs(receipt)
    check_run_info(receipt["runInfo"])
    found = values(receipt)
    check_hashes(receipt, found)
    for name in ("agreementId", "runIndex"):
        need(expected.get(name, spec[name]) == spec[name], "wrong_job", name)
    need(expected.get("claimHash", found["claimHash"]) == found["claimHash"], "unexpected_receipt", "claimHash")
    return found


def _check_signed(part, struct_hash, by, expected_by, expected_domain, where):
    """One signature: its form, who made it, whether that is who should have, and the domain."""
    found = signer(eip712.digest(part["domain"], struct_hash), part["signature"], where)
    need(found == by, "wrong_signer", where)
    need(expected_by in (None, by), "unexpected_signer", where)
    need_domain(expected_domain, part["domain"], "deployment")


def _is_of(signature, domain, struct_hash, by):
    """Whether a signature is the one that somebody else made at the other place."""
    try:
        return signer(eip712.digest(domain, struct_hash), signature, "") == by
    except Refused:
        return False


def _check_not_swapped(attestation, consent, attested, ordered, refused):
    """Whether a wrong signer is the other party; the code says so then (section 9.3)."""
    if refused.code != "wrong_signer" or attestation is None or consent is None:
        return
    at_provider = refused.where == "provider"
    signature = (attestation if at_provider else consent)["signature"]
    if at_provider:
        swapped = _is_of(signature, consent["domain"], ordered, consent["consumer"])
    else:
        swapped = _is_of(signature, attestation["domain"], attested, attestation["statement"]["provider"])
    need(not swapped, "swapped_signature", refused.where)


def check_signatures(receipt, found, expected):
    """The tier "signature" (section 9.3). Returns whether it was reached; adds digests to the values `found`."""
    attestation, consent = receipt.get("attestation"), receipt.get("consent")
    spec, domain = receipt["claim"]["spec"], expected.get("domain")
    ordered = eip712.order_hash(spec["agreementId"], spec["runIndex"], found["specHash"])
    attested = attestation and eip712.hash_struct("ReceiptAttestation", attestation["statement"])
    try:
        if attestation is None:
            need("provider" not in expected, "unexpected_signer", "provider")
        else:
            found["attestationDigest"] = eip712.digest(attestation["domain"], attested)
            found["domainSeparator"] = eip712.separator(attestation["domain"])
            by = attestation["statement"]["provider"]
            _check_signed(attestation, attested, by, expected.get("provider"), domain, "provider")
            domain = domain or attestation["domain"]
        if consent is None:
            need("consumer" not in expected, "unexpected_signer", "consumer")
        else:
            found["orderDigest"] = eip712.digest(consent["domain"], ordered)
            found["domainSeparator"] = eip712.separator(consent["domain"])
            _check_signed(consent, ordered, consent["consumer"], expected.get("consumer"), domain, "consumer")
    except Refused as refused:
        _check_not_swapped(attestation, consent, attested, ordered, refused)
        raise
    return attestation is not None
