"""From a table to verdicts and episodes: which detector, which level, which hysteresis."""
