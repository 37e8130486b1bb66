"""Tests, distances and probabilities, each with its source."""
