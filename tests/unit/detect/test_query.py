"""Questions to Elasticsearch and the reading of their answers."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from shipper.alert.store import JsonObject
from shipper.detect.event_time.window import HOUR_US, MINUTE_US, iso
from shipper.detect.fetching.bins import bin_condition
from shipper.detect.fetching.catalog import Catalog, short_name
from shipper.detect.fetching.measures import cell_query, measure
from shipper.detect.fetching.query import MOST_BUCKETS, cells, group_conditions, terms_conditions
from shipper.detect.fetching.store import Fetch, Query, drive, driven
from shipper.detect.fetching.table import from_rows
from shipper.detect.rules.rule import DriftRule
from shipper.detect.rules.rule_file import load_rules, parse_rules
from shipper.errors import StoreUnavailable
from tests.unit.detect.memory_store import MemoryStore

RULES = {rule.id: rule for rule in load_rules(None).active}


def page(*rows: tuple[int, str, int, int], after: bool = False) -> dict[str, Any]:
    """One page of windows (minute, service, events, bad ones)."""
    buckets = [
        {"key": {"window": minute * 60_000, "g0": service}, "doc_count": events, "bad": {"doc_count": bad}}
        for minute, service, events, bad in rows
    ]
    content: dict[str, Any] = {"buckets": buckets}
    if after:
        content["after_key"] = buckets[-1]["key"]
    return {"aggregations": {"cells": content}}


def test_cells_are_read_by_group_and_window() -> None:
    """Each group has its rows in order of time."""
    store = MemoryStore()
    store.answers = [page((0, "a", 5, 1), (0, "b", 7, 0), (15, "a", 6, 2))]
    (found,) = drive(store, [measure(RULES["inference-errors"], "test", 0, HOUR_US)])
    assert found == {
        ("a",): [(0, {"events": 5.0, "bad": 1.0}), (15 * MINUTE_US, {"events": 6.0, "bad": 2.0})],
        ("b",): [(0, {"events": 7.0, "bad": 0.0})],
    }


def test_an_absent_index_has_no_cells() -> None:
    """An answer without aggregations is no error."""
    store = MemoryStore()
    store.answers = [{"hits": {"hits": []}}]
    assert drive(store, [measure(RULES["inference-errors"], "test", 0, HOUR_US)]) == [{}]


def test_rules_ask_together() -> None:
    """The searches of all rules go out in one request, page by page."""
    store = MemoryStore()
    store.answers = [page((0, "a", 5, 1)), page((0, "b", 5, 1))]
    fetches = [
        measure(RULES[name], "test", 0, HOUR_US) for name in ("inference-errors", "application-errors")
    ]
    first, second = drive(store, fetches)
    assert (list(first), list(second)) == ([("a",)], [("b",)])
    assert [index for index, _ in store.asked] == ["logs-ml.inference-test-*", "logs-ml.app-test-*"]


def test_the_same_search_is_sent_once() -> None:
    """What several ask alike goes out once, and each has the answer; who has ended does not wait for the others."""

    def ask(*names: str) -> Fetch[list[str]]:
        found = []
        for name in names:
            one, same = yield [(name, {"size": 0, "aggs": {}}), ("all", {"aggs": {}, "size": 0})]
            found += [one["name"], same["name"]]
        return found

    store = MemoryStore()
    store.answers = [{"name": name} for name in ("a", "all", "c", "b", "all again")]
    found = drive(store, [ask("a", "b"), ask("c"), ask()])
    assert found == [["a", "all", "b", "all again"], ["c", "all"], []]
    assert [index for index, _ in store.asked] == ["a", "all", "c", "b", "all"]


def ask(*names: str) -> Fetch[str]:
    """Ask one search after the other; the result is the last one's name."""
    for name in names:
        yield [(name, {})]
    return names[-1]


def test_who_has_ended_is_given_while_others_still_wait() -> None:
    """A result is handed out while the next request is under way, not behind it; a search that fails, fails the whole."""
    taken = threading.Event()

    class Slow(MemoryStore):
        def msearch(self, searches: Iterable[Query]) -> list[JsonObject]:
            asked = list(searches)
            if [index for index, _ in asked] == ["second"]:
                assert taken.wait(20), "the first result was held back"
            if [index for index, _ in asked] == ["third"]:
                raise StoreUnavailable("it went away", "nowhere")
            return [{"name": index} for index, _ in asked]

    results = []
    for place, found in driven(Slow(), [ask("first", "second"), ask("first")]):
        results.append((place, found))
        taken.set()
    assert results == [(1, "first"), (0, "second")]
    with pytest.raises(StoreUnavailable):
        list(driven(Slow(), [ask("first", "third"), ask("first")]))


def test_answers_are_not_held_up_by_results_that_nobody_has_taken_yet() -> None:
    """The next request goes out when the answers are there, though of many results only one has been taken."""
    asked_again = threading.Event()
    answered: defaultdict[str, threading.Event] = defaultdict(threading.Event)

    class Quick(MemoryStore):
        def msearch(self, searches: Iterable[Query]) -> list[JsonObject]:
            asked = list(searches)
            if [index for index, _ in asked] == ["third"]:
                asked_again.set()
            answered[asked[0][0]].set()
            return [{"name": index} for index, _ in asked]

    taken = []
    for place, _ in driven(Quick(), [ask("first", "second", "third"), ask("first"), ask("first")]):
        taken.append(place)
        if len(taken) == 1:
            assert answered["second"].wait(20)  # it arrives while this result is worked on
            time.sleep(0.2)
        elif len(taken) == 2:
            assert asked_again.wait(20), "the third request waited for all results of the first"
    assert sorted(taken) == [0, 1, 2]


def test_rules_about_the_same_windows_are_one_search() -> None:
    """What differs is counted below the same windows and groups; a field that must exist narrows a rule's own part only."""
    store = MemoryStore()
    own = {"q0": {"doc_count": 5, "bad": {"doc_count": 1}}, "q1": {"doc_count": 0}}
    bucket = {"key": {"window": 0, "g0": "a"}, "doc_count": 5, **own}
    store.answers = [{"aggregations": {"cells": {"buckets": [bucket]}}}]
    names = ("inference-errors", "inference-latency", "inference-silence")
    errors, latency, silence = drive(store, [measure(RULES[name], "test", 0, HOUR_US) for name in names])
    assert (errors, latency, silence) == (
        {("a",): [(0, {"events": 5.0, "bad": 1.0})]},
        {},
        {("a",): [(0, {"events": 5.0})]},
    )
    ((_, body),) = store.asked
    assert (body["size"], body["track_total_hits"]) == (0, False)


def test_a_wide_row_is_stored_without_its_zeros() -> None:
    """What a histogram leaves empty takes no memory; the series is the same, and a number that is not stored reads 0."""
    chance = random.Random(3)
    rows = [
        [float(chance.choice([0, 0, 0, 1, 7])) if chance.random() < 0.9 else None for _ in range(60)]
        for _ in range(20)
    ]
    numbers = [{f"h/{place}": value for place, value in enumerate(row) if value is not None} for row in rows]
    store = MemoryStore()
    store.answers = [page(*((15 * number, "a", number + 1, 0) for number in range(20)))]
    query = replace(
        cell_query(RULES["inference-errors"], "test"),
        read=lambda bucket: dict(numbers[bucket["doc_count"] - 1]),
    )
    (found,) = drive(store, [cells(query, 0, 5 * HOUR_US)])
    kept = found[("a",)]
    whole = from_rows([(15 * MINUTE_US * number, row) for number, row in enumerate(numbers)])
    table = from_rows(kept)
    assert (table.names, table.blocks) == (whole.names, whole.blocks)
    assert (table.values == whole.values).all()
    assert sum(len(row) for _, row in kept) < sum(len(row) for row in numbers) / 2
    assert all(
        row[name] == value
        for (_, row), all_ in zip(kept, numbers, strict=True)
        for name, value in all_.items()
    )


def test_the_next_page_looks_at_no_earlier_window() -> None:
    """A page goes on behind the last one; the events before it are not looked at again."""
    store = MemoryStore()
    query = replace(cell_query(RULES["inference-errors"], "test"), buckets=MOST_BUCKETS // 10)
    windows = [(15 * number, "a", 5, 1) for number in range(12)]
    store.answers = [page(*windows[:10], after=True), page(*windows[10:])]
    (found,) = drive(store, [cells(query, 0, 3 * HOUR_US)])
    assert [start for start, _ in found[("a",)]] == [15 * MINUTE_US * number for number in range(12)]
    first, second = (body["query"]["bool"]["filter"][0]["range"]["@timestamp"] for _, body in store.asked)
    assert (first["gte"], second["gte"]) == (iso(0), iso(9 * 15 * MINUTE_US))
    assert first["lt"] == second["lt"]


@pytest.mark.parametrize(
    "rule_id", ["inference-errors", "inference-latency", "model-accuracy", "inference-silence"]
)
def test_no_page_has_too_many_buckets(rule_id: str) -> None:
    """Elasticsearch refuses more than 65,536 buckets in an answer."""
    store = MemoryStore()
    store.answers = [{}, {}]
    drive(store, [measure(RULES[rule_id], "test", 0, HOUR_US)])
    size = store.asked[0][1]["aggs"]["cells"]["composite"]["size"]
    assert size * (1 + cell_query(RULES[rule_id], "test").buckets) <= MOST_BUCKETS


def test_conditions() -> None:
    """A list means one of; an absent group value means that the field is absent."""
    assert terms_conditions({"a": "x", "b": ("y", "z")}) == [
        {"term": {"a": "x"}},
        {"terms": {"b": ["y", "z"]}},
    ]
    present, absent = group_conditions(("a", "b"), ("x", None))
    assert present == {"term": {"a": "x"}}
    assert absent == {"bool": {"must_not": [{"exists": {"field": "b"}}]}}


@pytest.mark.parametrize(
    ("part", "limits"), [("0", {"lt": 1.0}), ("1", {"gte": 1.0, "lt": 2.0}), ("2", {"gte": 2.0})]
)
def test_the_bins_of_a_number_leave_no_gap(part: str, limits: dict[str, float]) -> None:
    """Bins are half-open and cover every number."""
    assert bin_condition("f", (1.0, 2.0), part) == {"range": {"f": limits}}


def test_the_bins_of_a_category() -> None:
    """Named values, all others, and none at all."""
    assert bin_condition("f", ("a", "b"), "1") == {"term": {"f": "b"}}
    assert "must_not" in bin_condition("f", ("a", "b"), "other")["bool"]
    assert "must_not" in bin_condition("f", ("a", "b"), "missing")["bool"]


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ("all", (["age", "sum"], ["site"])),
        ("all numeric", (["age", "sum"], [])),
        ("all categorical", ([], ["site"])),
        ("[age, site]", (["age"], ["site"])),
        ("all\n    except_features: [sum]", (["age"], ["site"])),
    ],
)
def test_features_are_chosen(features: str, expected: tuple[list[str], list[str]]) -> None:
    """All, all of a kind, or those that are named."""
    catalog = Catalog(
        ("ml.features.numeric.age", "ml.features.numeric.sum"), ("ml.features.categorical.site",)
    )
    (rule,) = parse_rules(f"rules:\n  - id: d\n    kind: drift\n    features: {features}\n").active
    assert isinstance(rule, DriftRule)
    numeric, categorical = catalog.of(rule)
    assert ([short_name(one) for one in numeric], [short_name(one) for one in categorical]) == expected
