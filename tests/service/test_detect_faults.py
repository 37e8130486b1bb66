"""What the benchmark of planted faults leaves out: that Elasticsearch sums up the same numbers as its tables hold."""

from __future__ import annotations

import numpy as np

from benchmarks.faulting import world
from benchmarks.faulting.course import BUCKET_US
from benchmarks.faulting.ours import cut
from benchmarks.faulting.planted import Made, coarsened
from shipper.detect.fetching.store import drive
from shipper.detect.rule_job import Fetched, fetch, judge
from shipper.detect.rules.rule_file import load_rules
from shipper.detect.state import RuleState
from tests.service.detect_place import Place
from tests.service.fault_documents import documents

_BUCKETS = 36
"""Three hours: whole windows of every rule."""


def test_documents_are_judged_as_the_tables_of_the_benchmark_are(place: Place) -> None:
    """A stretch of made-up series, as documents in Elasticsearch and as tables, comes to the very same judgements."""
    rules = load_rules(None)
    budget = (rules.false_alarms, rules.tests)
    compared = 0
    for rule, _ in world.allotted(rules, 100):
        if rule.kind not in ("error_rate", "latency", "metric", "silence"):
            continue
        begin = int(world.times(2, 5)[0])
        span = (begin, begin + _BUCKETS * BUCKET_US)
        made = min(
            world.make(rules, rule, 12, seed=5, days=2, per_day=0.0), key=lambda one: _events(one, span)
        )
        tables = cut(made.tables, *span)
        stretch = Made(rule.id, made.name, made.times, tables, (), made.metric, made.counted)
        place.store(list(documents(rule, stretch)))
        (fetched,) = drive(place.client, [fetch(rule, place.namespace, RuleState(), None, span)])
        tables = {group: coarsened(table, rule.window) for group, table in tables.items()}
        mine = {group: table for group, table in fetched.tables.items() if group in tables}
        assert set(mine) == set(tables), rule.id
        for group, table in tables.items():
            assert mine[group].names == table.names, rule.id
            assert np.array_equal(mine[group].times, table.times), rule.id
            assert np.array_equal(mine[group].values, table.values), rule.id
        by_tables = judge(rule, Fetched(tables, RuleState()), span, budget)
        by_documents = judge(rule, Fetched(mine, RuleState()), span, budget)
        assert by_documents.judgements == by_tables.judgements, rule.id
        compared += sum(len(some) for some in by_tables.judgements.values())
    assert compared > 4 * _BUCKETS


def _events(made: Made, span: tuple[int, int]) -> float:
    return sum(float(table.values.sum()) for table in cut(made.tables, *span).values())
