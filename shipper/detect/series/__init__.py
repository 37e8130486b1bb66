"""Scoring of one number over time, pure: times and values in, significance of each row out.

`scoring` is the door; `value`, `season`, `level` and `variation` are the views of a series, a file each.
"""
