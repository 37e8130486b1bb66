"""Documents that sum up to the tables of the planted-faults benchmark, row for row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.faulting.course import BUCKET_US
from benchmarks.faulting.planted import Made
from shipper.detect.detectors.latency import edges_ns
from shipper.detect.event_time.window import iso
from shipper.detect.fetching.table import Table
from shipper.detect.rules.rule import ErrorRateRule, LatencyRule, MetricRule, Rule

Json = dict[str, Any]


def documents(rule: Rule, made: Made) -> Iterator[Json]:
    """Yield the events of all groups of a series; those of one bucket are spread over it."""
    for group, table in made.tables.items():
        named = {field: value for field, value in zip(rule.group_by, group, strict=True) if value is not None}
        number = 0
        for row, start in enumerate(table.times.tolist()):
            events = list(_events(rule, table, row))
            for place, event in enumerate(events):
                number += 1
                at = start + BUCKET_US * place // len(events)
                yield _document(rule, "-".join((made.name, *named.values(), str(number))), at, named, event)


def _events(rule: Rule, table: Table, row: int) -> Iterator[Json]:
    if isinstance(rule, LatencyRule):
        edges = edges_ns()
        for place, count in enumerate(table.block("duration")[row]):
            inside = edges[0] / 2 if place == 0 else edges[place - 1]
            yield from [{"dataset": rule.dataset, "duration": int(inside)}] * int(count)
    elif isinstance(rule, ErrorRateRule):
        events, bad = int(table.column("events")[row]), int(table.column("bad")[row])
        yield from [{"dataset": rule.dataset, "is_bad": place < bad} for place in range(events)]
    elif isinstance(rule, MetricRule):
        labels, good = int(table.column("labels")[row]), int(table.column("good")[row])
        yield from [{"dataset": "ml.inference"}] * int(table.column("predictions")[row])
        yield from [{"dataset": rule.dataset, "correct": place < good} for place in range(labels)]
    else:
        yield from [{"dataset": rule.dataset}] * int(table.column("events")[row])


def _document(rule: Rule, identity: str, at: int, named: dict[str, str], event: Json) -> Json:
    is_bad = event.get("is_bad", False)
    level = "error" if is_bad and rule.dataset == "ml.app" else "info"
    document: Json = {
        "@timestamp": iso(at),
        "message": "made up",
        "log": {"level": level},
        "event": {
            "id": identity,
            "dataset": event["dataset"],
            "outcome": "failure" if is_bad else "success",
            "duration": event.get("duration", 1_000_000),
        },
    }
    if "service.name" in named:
        document["service"] = {"name": named["service.name"]}
    model = {
        field.rpartition(".")[2]: value for field, value in named.items() if field.startswith("ml.model.")
    }
    if model:
        document["ml"] = {"model": model}
    if "correct" in event:
        document["ml"]["prediction"] = {"correct": event["correct"], "time": iso(at)}
    return document
