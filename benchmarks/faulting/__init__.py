"""What `benchmarks/faults.py` consists of: a made-up world, the faults planted in it, exact tests, contenders, counts."""
