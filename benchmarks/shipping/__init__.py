"""What `benchmarks/ship.py` is made of: the records, the roads from disk to Kafka, and the runs."""
