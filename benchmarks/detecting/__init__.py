"""The history that `benchmarks/detect_cost.py` judges, and how judging it is measured."""
