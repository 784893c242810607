"""A second verifier of Brizo's receipts, written from docs/RECEIPT.md alone, with nothing but the standard library.

`python3 -m tests.verifier --help` from the root of the repository tells what it can do.
"""
