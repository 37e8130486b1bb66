"""One file per detector; the contract is in `base.py`."""
