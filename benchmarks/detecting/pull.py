"""What the rules need, pulled into pandas: every document's fields, page by page, by the client that detection has.

A process of its own: `python -m benchmarks.detecting.pull URL PATTERN`; prints the number of rows.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import pandas as pd

from benchmarks.detecting.history import FEATURES
from shipper.config import ElasticsearchSettings
from shipper.elastic.client import connect

_PAGE: Final = 10_000
_FIELDS: Final = (
    "@timestamp",
    "event.dataset",
    "event.duration",
    "event.outcome",
    "log.level",
    "service.name",
    "ml.model.name",
    "ml.model.version",
    "ml.prediction.correct",
    "ml.prediction.time",
    *(f"ml.features.numeric.{name}" for name in FEATURES),
    "ml.features.categorical.site",
    "ml.features.categorical.device",
)


def pull(url: str, pattern: str) -> pd.DataFrame:
    """Return the fields of all documents, one row each."""
    rows: list[dict[str, Any]] = []
    with connect(ElasticsearchSettings(url=url, request_timeout_s=120)) as client:
        point = client.open_point_in_time(pattern, keep_alive_s=120)
        body: dict[str, Any] = {
            "size": _PAGE,
            "pit": {"id": point},
            "sort": ["_shard_doc"],
            "_source": False,
            "docvalue_fields": list(_FIELDS),
            "track_total_hits": False,
        }
        while hits := client.search("", body)["hits"]["hits"]:
            rows += [{name: values[0] for name, values in hit["fields"].items()} for hit in hits]
            body["search_after"] = hits[-1]["sort"]
        client.close_point_in_time(point)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    print(len(pull(*sys.argv[1:3])))
