"""The list of profiles with their states (RECEIPT.md section 17)."""

from . import forms
from .errors import malformed
from .strictjson import parse_file

FILE_MOST = 1 << 20
STATES = ("active", "deprecated", "revoked")
PROFILE = forms.struct(
    {"digest": forms.b32, "name": forms.text, "state": forms.one_of(*STATES), "advisory": forms.text},
    optional=("advisory",),
)
LIST = forms.struct({"format": forms.one_of("brizo-profiles/1"), "profiles": forms.many(PROFILE)})


def read(data):
    """The profiles of a list, by digest; `receipt_malformed` if it has another form or a digest stands twice."""
    found = {}
    for one in LIST(parse_file(data, FILE_MOST), "profiles")["profiles"]:
        if one["digest"] in found:
            raise malformed(f"the profile {one['name']!r} stands twice")
        found[one["digest"]] = one
    return found


def revoked(profiles):
    """The digests of those that are revoked."""
    return {digest for digest, one in profiles.items() if one["state"] == "revoked"}
