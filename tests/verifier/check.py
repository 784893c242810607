"""All tiers of a receipt that need no network and no engine, from the lowest up (RECEIPT.md section 9)."""

from dataclasses import dataclass, field

from . import live, log, opening, receipt
from .blake3 import derive
from .errors import EXIT, INCONCLUSIVE, OPENING, Refused
from .manifest import v1

NO_KEY = bytes(32)
REACHED, SKIPPED = "reached", "not attempted"


@dataclass
class Request:
    """What the caller knows and asks for. `expected`: `claimHash`, `agreementId`, `runIndex`, `provider`, `consumer`, `domain`."""

    expected: dict = field(default_factory=dict)
    revoked: set = field(default_factory=set)
    run_key: bytes | None = None
    dataset_keys: tuple = ()
    log_key: tuple | None = None
    log: object = None  # gives the files of the log itself
    anchors: tuple = ()  # of size and root, from the chain
    outputs: str | None = None
    inputs: tuple = ()  # of path, folder and dataset key


@dataclass
class Result:
    """What came out: each tier as `reached`, `not attempted` or a `Refused`, and the values that follow."""

    tiers: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)
    wanting: list = field(default_factory=list)  # tiers that were asked for and could not be attempted
    missing_keys: bool = False  # dataset keys were given, and not all that the outputs key takes

    def failure(self):
        """The failure of the lowest tier that failed, with that tier, or None."""
        return next(((tier, end) for tier, end in self.tiers.items() if isinstance(end, Refused)), None)

    def code(self):
        """`ok` or the code of the failure that decides."""
        failure = self.failure()
        return failure[1].code if failure else "ok"

    def exit_code(self):
        """Exit code by section 10."""
        failure = self.failure()
        if failure:
            return OPENING if failure[0] == "opening" else EXIT[failure[1].code]
        return INCONCLUSIVE if self.wanting or self.missing_keys else 0


def _tier(result, name, check):
    try:
        result.tiers[name] = REACHED if check() else SKIPPED
    except Refused as refused:
        result.tiers[name] = refused


def verify(data, request):
    """Verifies the bytes of a receipt file. A refused structure ends it; the tiers above are tried each for itself."""
    result = Result()
    read = {}

    def structure():
        read.update(receipt.read(data))
        result.values.update(receipt.check_structure(read, request.expected, request.revoked))
        return True

    _tier(result, "structure", structure)
    if result.failure():
        return result
    keys, mounts = len(request.dataset_keys), len(read["opening"]["inputs"])
    result.missing_keys = keys > 0 and (request.run_key is None or keys != mounts)
    _tier(result, "signature", lambda: receipt.check_signatures(read, result.values, request.expected))
    _tier(result, "log", lambda: _log(read, request, result))
    _tier(result, "opening", lambda: _opening(read, request, result))
    return result


def _log(read, request, result):
    if request.log_key is None:
        return False
    if "log" not in read:
        result.wanting.append("log")
        return False
    digest = result.values.get("attestationDigest")
    entry, tree = log.check_receipt(read, digest, result.values["claimHash"], request.log_key)
    result.values["logEntry"] = entry
    if request.log is not None:
        try:
            live.check(tree, read["log"]["index"], request.log_key, request.log, request.anchors)
        except live.Unreachable:
            result.wanting.append("log")
            return False
    return True


def _opening(read, request, result):
    run_key = request.run_key
    # What a local run hides behind the key of zeros is hidden from nobody.
    if run_key is None and derive(v1("blind"), NO_KEY) == read["claim"]["spec"]["blindCommit"]:
        run_key = NO_KEY
    if run_key is None and request.outputs is None and not request.inputs:
        return False
    if run_key is not None:
        opening.check_run_key(read, run_key, result.values)
    key = opening.outputs_key(read, run_key, request.dataset_keys)
    compared = 0
    if key is not None:
        result.values["outputsKey"] = key
        compared = opening.check_salts(read, key)
    if request.outputs is not None:
        compared += opening.check_outputs(read, request.outputs, key)
    for path, folder, dataset_key in request.inputs:
        opening.check_input(read, path, folder, dataset_key)
    # Where nothing was compared, any dataset key would do.
    if key is not None and request.dataset_keys and compared == 0:
        result.wanting.append("opening")
        return False
    return True
