"""Data preparation: what the table looks like, and each step with rows, filled values, outliers, before and after."""

from __future__ import annotations

import pandas as pd

import shipper
from shipper import events

log = shipper.get_logger("prepare")


def patients() -> pd.DataFrame:
    """Return a small table with what real tables have: gaps, and an age that cannot be."""
    return pd.DataFrame(
        {
            "age": [41.0, 52.0, None, 47.0, 410.0, 66.0],
            "weight": [71.5, None, 64.0, None, 80.2, 77.0],
            "site": ["left", "right", "left", None, "right", "left"],
        }
    )


def prepare() -> pd.DataFrame:
    """Fill the gaps, treat the outlier, drop what is left."""
    table = patients()
    events.log(log, events.data_profile(table, name="patients", source="clinic", version="2026-11"))

    with events.preprocessing(log, name="patients", step="clip-outliers", data=table) as step:
        step.outliers = {"age": int((table["age"] > 120).sum())}
        step.data = table = table.assign(age=table["age"].clip(upper=120))

    with events.preprocessing(
        log, name="patients", step="impute", data=table, params={"strategy": "median"}
    ) as step:
        step.data = table = table.fillna({"age": table["age"].median(), "weight": table["weight"].median()})

    with events.preprocessing(log, name="patients", step="drop-incomplete", data=table) as step:
        step.data = table = table.dropna()
    return table


if __name__ == "__main__":
    shipper.configure(service="trainer")
    prepare()
    shipper.close()
