"""What `benchmarks/index.py` is made of: the documents, the roads into Elasticsearch, and the runs."""
