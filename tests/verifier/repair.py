"""Makes the hashes and signatures of a changed receipt right again, with the keys that everybody knows.

Without it nearly every change would end as `hash_mismatch`, and the rules behind the hashes would never be the ones
that decide. What has not the form that is needed is left as it is.
"""

from tests.making.sample import CONSUMER, PROVIDER
from tests.making.signing import address_of, sign

from . import eip712, forms, manifest
from .blake3 import derive
from .errors import Refused
from .receipt import STATEMENT

SECRETS = {"0x" + address_of(secret).hex(): secret for secret in (PROVIDER, CONSUMER)}


def _try(step, document):
    try:
        step(document)
    except (Refused, KeyError, TypeError, ValueError, AttributeError, OverflowError):
        pass


def _hex(data):
    return "0x" + data.hex()


def _bytes(text):
    return forms.b32(text, "repair")


def _leaves(document):
    for one in document["opening"]["outputs"]:
        if "salt" in one:
            entry = {
                "kind": forms.KIND(one["kind"], "kind"),
                "path": one["path"],
                "size": forms.u64(one["size"], "size"),
                "digest": _bytes(one["digest"]),
            }
            one["leaf"] = _hex(manifest.salted_leaf(entry, _bytes(one["salt"])))


def _outputs(document):
    leaves = [_bytes(one["leaf"]) for one in document["opening"]["outputs"]]
    document["claim"]["outcome"]["outputsRoot"] = _hex(manifest.root(leaves))


def _inputs(document):
    mounts = document["opening"]["inputs"]
    for one in mounts:
        one["root"] = _hex(manifest.root([_bytes(leaf) for leaf in one["leaves"]]))
    root = manifest.inputs_root([(one["path"], _bytes(one["root"])) for one in mounts])
    document["claim"]["spec"]["inputsRoot"] = _hex(root)


def _algorithm(document):
    leaves = [_bytes(leaf) for leaf in document["opening"].get("algorithm", [])]
    document["claim"]["spec"]["algorithmRoot"] = _hex(manifest.root(leaves))


def _hashes(document):
    spec = eip712.hash_struct("JobSpec", forms.SPEC(document["claim"]["spec"], "spec"))
    outcome = eip712.hash_struct("Outcome", forms.OUTCOME(document["claim"]["outcome"], "outcome"))
    return spec, eip712.claim_hash(spec, outcome)


def _claim(document):
    document["claimHash"] = _hex(_hashes(document)[1])


def _attestation(document):
    part = document["attestation"]
    part["statement"]["claimHash"] = document["claimHash"]
    part["statement"]["agreementId"] = document["claim"]["spec"]["agreementId"]
    part["statement"]["runInfoDigest"] = _hex(derive(manifest.v1("run info"), document["runInfo"].encode()))
    statement = STATEMENT(part["statement"], "statement")
    digest = eip712.digest(forms.DOMAIN(part["domain"], "domain"), eip712.hash_struct("ReceiptAttestation", statement))
    part["signature"] = _hex(sign(SECRETS[part["statement"]["provider"]], digest))


def _consent(document):
    part, spec = document["consent"], forms.SPEC(document["claim"]["spec"], "spec")
    order = eip712.order_hash(spec["agreementId"], spec["runIndex"], _hashes(document)[0])
    digest = eip712.digest(forms.DOMAIN(part["domain"], "domain"), order)
    part["signature"] = _hex(sign(SECRETS[part["consumer"]], digest))


STEPS = (_leaves, _outputs, _inputs, _algorithm, _claim, _attestation, _consent)


def repair(rng, document):
    """Repairs hashes up to a step drawn by lot, so that each of them is now and then the one that is wrong."""
    for step in STEPS[: rng.choice((len(STEPS), len(STEPS), rng.randrange(len(STEPS) + 1)))]:
        _try(step, document)
