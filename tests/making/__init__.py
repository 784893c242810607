"""What the scripts `tests/vectors/make_*.py` share: the run that the vectors are about, keys that sign it, and how files are written."""
