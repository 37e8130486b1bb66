"""ElastAlert 2's own rule classes on the same series. Run by the Python of an environment that has it.

Reads `[{"kind": ..., "step_s": 300, "values": [...]}, ...]` from standard input and writes the rows at which each
matched. It imports nothing of ours: ElastAlert 2 needs a client of Elasticsearch 7 and cannot live beside ours.
It has no default thresholds; those below are what its documentation's examples suggest for such a series.
"""

import datetime as dt
import importlib
import json
import sys

QUARTER = dt.timedelta(minutes=15)
RULES: "dict[str, tuple[str, dict[str, object]]]" = {
    # errors counted: three times as many as in the quarter of an hour before, at least ten
    "count": ("SpikeRule", {"spike_height": 3, "spike_type": "up", "threshold_cur": 10}),
    # a number: half as large again as in the quarter of an hour before
    "number": ("SpikeRule", {"spike_height": 1.5, "spike_type": "up", "metric_agg_type": "avg"}),
    # nothing at all for a quarter of an hour
    "arrivals": ("FlatlineRule", {"threshold": 1}),
    # errors counted: 50 in a quarter of an hour
    "frequency": ("FrequencyRule", {"num_events": 50}),
}


def matched(kind: "str", values: "list[float | None]", step_s: int) -> "list[int]":
    """Return the rows after which the rule matched; None stands for a bucket without a value."""
    name, options = RULES[kind]
    rule = getattr(importlib.import_module("elastalert.ruletypes"), name)(
        {"timeframe": QUARTER, "timestamp_field": "@timestamp", **options}
    )
    begin = dt.datetime(2026, 1, 5, tzinfo=dt.timezone.utc)  # noqa: UP017 - older Pythons
    rows = []
    for row, value in enumerate(values):
        if value is None:
            continue
        rule.add_count_data({begin + dt.timedelta(seconds=step_s * (row + 1)): value})
        if rule.matches:
            rows.append(row)
            rule.matches = []
    return rows


if __name__ == "__main__":
    json.dump(
        [matched(one["kind"], one["values"], one["step_s"]) for one in json.load(sys.stdin)], sys.stdout
    )
