"""Curves of training runs: from the parts of windows to points, and what is told of their noise."""
