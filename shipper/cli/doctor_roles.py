"""Checks of `shipper doctor` on shipper's own processes, by the heartbeats that they left in Elasticsearch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from shipper.cli.doctor_checks import Check, said_age
from shipper.datasets import index_pattern
from shipper.elastic.client import ElasticClient

_LATE_S: Final = 900.0
_SILENT_AFTER: Final = 3
"""Heartbeats that fail to come before somebody is silent."""

_SPARE_S: Final = 60.0
_MOST: Final = 100


def role_checks(client: ElasticClient, namespace: str, now_us: int) -> Iterator[Check]:
    """Whether the detection job keeps up, and whether an agent or indexer that lived yesterday has fallen silent."""
    yield detection_check(_newest(client, namespace, "detector", days=7), now_us)
    silent = [
        f"{role} on {host} for {said_age(age_s)}"
        for role in ("agent", "indexer")
        for host, age_s in _silent(_newest(client, namespace, role, days=1), now_us)
    ]
    if silent:
        advice = "is it stopped, or cut off? Its own log says; start it again"
        yield Check("heartbeats", "warn", f"silent: {', '.join(silent)}", advice)
    else:
        yield Check("heartbeats", "ok", "no agent or indexer has fallen silent within a day")


def detection_check(newest: Mapping[str, Mapping[str, Any]], now_us: int) -> Check:
    """Judge the newest heartbeats of detection jobs, by host."""
    if not newest:
        return Check("detection", "ok", "no job has run here within a week")
    host, last = max(newest.items(), key=lambda item: str(item[1]["@timestamp"]))
    own = last.get("shipper", {})
    age_s = _age_s(last, now_us)
    if last.get("event", {}).get("outcome") == "failure":
        found = f"the last run, {said_age(age_s)} ago on {host}, failed: {own.get('trouble', '')}"
        return Check("detection", "warn", found, "see its log; `shipper detect run` tries again")
    detect = own.get("detect", {})
    lag_s = float(detect.get("lag_s", 0.0)) + age_s
    found = f"last run {said_age(age_s)} ago on {host}, took {float(detect.get('duration_s', 0.0)):.1f} s"
    found += f"; what is judged is {said_age(lag_s)} old"
    if lag_s <= _LATE_S:
        return Check("detection", "ok", found)
    advice = "is its timer or scheduler running? `shipper detect run` catches up at once"
    return Check("detection", "warn", found, advice)


def _silent(newest: Mapping[str, Mapping[str, Any]], now_us: int) -> Iterator[tuple[str, float]]:
    for host, last in sorted(newest.items()):
        every_s = float(last.get("shipper", {}).get("heartbeat_s", 0.0))
        age_s = _age_s(last, now_us)
        if every_s > 0 and age_s > _SILENT_AFTER * every_s + _SPARE_S:
            yield host, age_s


def _newest(client: ElasticClient, namespace: str, role: str, days: int) -> dict[str, dict[str, Any]]:
    newest = {"top_hits": {"size": 1, "sort": [{"@timestamp": "desc"}]}}
    # Each run of a CronJob has a host name of its own; the last ones are wanted.
    hosts = {"field": "host.name", "size": _MOST, "order": {"last": "desc"}}
    body = {
        "size": 0,
        "query": {
            "bool": {
                "filter": [
                    {"term": {"shipper.role": role}},
                    {"range": {"@timestamp": {"gte": f"now-{days}d"}}},
                ]
            }
        },
        "aggs": {
            "hosts": {"terms": hosts, "aggs": {"newest": newest, "last": {"max": {"field": "@timestamp"}}}}
        },
    }
    answer = client.search(index_pattern("ml.health", namespace), body)
    buckets = answer.get("aggregations", {}).get("hosts", {}).get("buckets", ())
    return {str(one["key"]): one["newest"]["hits"]["hits"][0]["_source"] for one in buckets}


def _age_s(document: Mapping[str, Any], now_us: int) -> float:
    from datetime import datetime

    told = datetime.fromisoformat(str(document["@timestamp"]))
    return max(0.0, now_us / 1e6 - told.timestamp())
