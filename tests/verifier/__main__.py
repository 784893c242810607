"""The command line: `python3 -m tests.verifier COMMAND …`, with the exit codes of RECEIPT.md section 10."""

import argparse
import sys
from pathlib import Path

from . import disclosure, live, log, profiles, vectors, verdict
from .check import Request, verify
from .errors import EXIT, USAGE, Refused, disclosure_exit


def _hex_of(length):
    def read(text):
        data = bytes.fromhex(text.removeprefix("0x"))
        if len(data) != length:
            raise ValueError(text)
        return data

    read.__name__ = f"hex of {length} bytes"
    return read


def log_key(text):
    key = log.read_key(text)
    if key is None:
        raise ValueError(text)
    return key


def mount(text):
    path, folder, key = text.rsplit(":", 2)
    return path, folder, _hex_of(32)(key)


def arguments():
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.verifier", description="A second verifier of Brizo's receipts."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("verify", help="verify a receipt")
    one.add_argument("file", type=Path)
    one.add_argument("--claim-hash", type=_hex_of(32), help="the receipt hash that is expected")
    one.add_argument("--agreement", type=_hex_of(32))
    one.add_argument("--run-index", type=int, help="the number of the run under its agreement")
    one.add_argument("--provider", type=_hex_of(20))
    one.add_argument("--consumer", type=_hex_of(20))
    one.add_argument("--chain-id", type=int, help="with --contract")
    one.add_argument("--contract", type=_hex_of(20), help="with --chain-id")
    one.add_argument("--profiles", type=Path, help="a list of profiles with their states")
    one.add_argument("--run-key", type=_hex_of(32))
    one.add_argument(
        "--dataset-key", type=_hex_of(32), action="append", default=[], help="one per mount, in their order"
    )
    one.add_argument("--outputs", type=Path, help="folder of the files that were delivered")
    one.add_argument("--input", type=mount, action="append", default=[], help="MOUNT:FOLDER:KEY of a data set")
    one.add_argument("--log-key", type=log_key, help="<origin>+<8 hex digits>+<base64>")
    one.add_argument("--log", help="URL or folder of the log itself, with --log-key")
    one = commands.add_parser("check-disclosure", help="check that a disclosure leads to a receipt hash")
    one.add_argument("file", type=Path)
    one.add_argument("claim_hash", type=_hex_of(32))
    one.add_argument("--file", dest="content", type=Path, help="the bytes that were disclosed")
    one.add_argument("--profiles", type=Path, help="a list of profiles with their states")
    one = commands.add_parser("check-verdict", help="check an auditor's verdict")
    one.add_argument("file", type=Path)
    one.add_argument("--claim-hash", type=_hex_of(32))
    one.add_argument("--auditor", type=_hex_of(20))
    one.add_argument("--chain-id", type=int)
    one.add_argument("--contract", type=_hex_of(20))
    one = commands.add_parser("check-log", help="read log entries (hex) and work out the root over them")
    one.add_argument("entries", nargs="+", help="hex of an entry")
    one.add_argument("--checkpoint", type=Path, help="a checkpoint that must have this size and root")
    one.add_argument("--log-key", type=log_key, help="the key that must have signed it")
    one = commands.add_parser("vectors", help="go through a folder of test vectors")
    one.add_argument("folder", type=Path)
    return parser


def _expected(options, names):
    found = {name: getattr(options, option) for name, option in names if getattr(options, option) is not None}
    if (options.chain_id is None) != (options.contract is None):
        raise SystemExit(_usage("--chain-id and --contract go together"))
    if options.chain_id is not None:
        found["domain"] = {"chainId": options.chain_id, "verifyingContract": options.contract}
    return found


def _usage(text):
    print(text, file=sys.stderr)
    return USAGE


def _show(values):
    for name, value in values.items():
        print(f"{name}: {'0x' + value.hex() if isinstance(value, bytes) else value}")


def _log_files(place):
    if place is None:
        return None
    return live.from_url(place) if place.startswith(("http://", "https://")) else live.from_folder(place)


def run_verify(options):
    """`verify`: every tier on a line."""
    names = (
        ("claimHash", "claim_hash"),
        ("agreementId", "agreement"),
        ("runIndex", "run_index"),
        ("provider", "provider"),
        ("consumer", "consumer"),
    )
    request = Request(
        expected=_expected(options, names),
        run_key=options.run_key,
        dataset_keys=tuple(options.dataset_key),
        log_key=options.log_key,
        log=_log_files(options.log),
        outputs=options.outputs,
        inputs=tuple(options.input),
    )
    if options.profiles:
        request.revoked = profiles.revoked(profiles.read(options.profiles.read_bytes()))
    result = verify(options.file.read_bytes(), request)
    if result.missing_keys:
        print("--dataset-key is of use with --run-key, once for each mount")
    _show(result.values)
    _show(result.tiers)
    return result.exit_code()


def run_check_disclosure(options):
    """`check-disclosure`: what was disclosed, if it leads to the hash."""
    content = options.content.read_bytes() if options.content else None
    revoked = profiles.revoked(profiles.read(options.profiles.read_bytes())) if options.profiles else ()
    try:
        found = disclosure.read(options.file.read_bytes())
        _show(disclosure.check(found, options.claim_hash, content, revoked))
    except Refused as refused:
        print(refused)
        return disclosure_exit(refused.code)
    _show(found["entry"])
    return 0


def run_check_verdict(options):
    """`check-verdict`: who says what about which receipt."""
    found = verdict.read(options.file.read_bytes())
    values = verdict.check(found, _expected(options, (("claimHash", "claim_hash"), ("auditor", "auditor"))))
    _show(found["statement"] | values)
    return 0


def run_check_log(options):
    """`check-log`: the fields of each entry and the root over all."""
    leaves = []
    for text in options.entries:
        try:
            entry = bytes.fromhex(text.removeprefix("0x"))
        except ValueError as error:
            raise Refused("bad_log_entry", "not hex") from error
        _show(log.read_entry(entry))
        leaves.append(log.leaf_hash(entry))
    print(f"size: {len(leaves)}\nroot: 0x{log.root(leaves).hex()}")
    if options.checkpoint:
        if options.log_key is None:
            return _usage("--checkpoint needs --log-key")
        found = log.read_checkpoint(options.checkpoint.read_bytes().decode("utf-8", "replace"), options.log_key)
        if found != (len(leaves), log.root(leaves)):
            raise Refused("log_proof", "these entries are not the tree of the checkpoint")
    return 0


def run_vectors(options):
    """`vectors`: a line for every case that disagrees, and the sums."""
    cases = agree = 0
    for name, wrong in vectors.run_all(options.folder):
        cases += 1
        agree += not wrong
        for line in wrong:
            print(f"{name}: {line}")
    print(f"{cases} cases, {agree} agree")
    return 0 if cases and cases == agree else 1


def main():
    """Runs one command and returns its exit code."""
    options = arguments().parse_args()
    commands = {
        "verify": run_verify,
        "check-disclosure": run_check_disclosure,
        "check-verdict": run_check_verdict,
        "check-log": run_check_log,
        "vectors": run_vectors,
    }
    try:
        return commands[options.command](options)
    except Refused as refused:
        print(refused)
        return EXIT[refused.code]
    except OSError as error:
        print(f"cannot read {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
