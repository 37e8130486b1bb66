"""What `benchmarks/nab.py` is made of: reading streams, NAB's formula, our detector and others' as NAB asks them."""
