"""What the scripts `tests/vectors/make_*.py` share: the run that vectors are about, its keys, and writing files."""
