"""Asked together on the real Elasticsearch: the same answers as alone, in fewer searches; states by one request each way."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest

from shipper.alert.store import JsonObject
from shipper.detect.event_time.window import HOUR_US, iso
from shipper.detect.fetching import query
from shipper.detect.fetching.measures import measure
from shipper.detect.fetching.query import Cells
from shipper.detect.fetching.store import Query, drive
from shipper.detect.rules.rule import Rule
from shipper.detect.rules.rule_file import load_rules, parse_rules
from shipper.detect.state import RuleState, StateBook, ensure_state_index, state_index
from shipper.elastic.client import ElasticClient
from shipper.errors import StoreUnavailable
from tests.service.detect_history import Json
from tests.service.detect_place import END_US, Place, connected, empty_place
from tests.service.running_stack import RunningStack

HOURS: Final = 3
SPAN: Final = (END_US - HOURS * HOUR_US, END_US)


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Iterator[ElasticClient]:
    """A client of the running server."""
    with connected(stack.elasticsearch_url) as found:
        yield found


@pytest.fixture(scope="module")
def place(client: ElasticClient) -> Iterator[Place]:
    """A namespace with a few hours of events, each of which lacks something else."""
    with empty_place(client) as found:
        chance = random.Random(5)
        found.store([event(chance, number) for number in range(600)])
        yield found


def event(chance: random.Random, number: int) -> Json:
    """A prediction without some of its fields."""

    def some(value: Any) -> Any:
        return value if chance.random() < 0.8 else None

    return {
        "@timestamp": iso(chance.randrange(*SPAN)),
        "message": "prediction",
        "log": {"level": chance.choice(["info", "error"])},
        "service": {"name": some(chance.choice(["api", "batch"]))},
        "event": {
            "id": f"e{number}",
            "dataset": "ml.inference",
            "outcome": some(chance.choice(["success", "failure"])),
            "duration": some(round(chance.lognormvariate(17, 2))),
        },
        "ml": {"model": {"name": "m", "version": some(chance.choice(["1", "2"]))}},
        "numeric_labels": {"cost": some(chance.gauss(0, 1))},
    }


class Counting:
    """The real server, with what it was asked."""

    def __init__(self, client: ElasticClient) -> None:
        self.client = client
        self.searches: list[Query] = []
        self.requests = 0

    def msearch(self, searches: Iterable[Query]) -> list[JsonObject]:
        """Search."""
        asked = list(searches)
        self.searches += asked
        self.requests += 1
        return self.client.msearch(asked)


KINDS: Final = (
    "kind: error_rate\n    bad: {event.outcome: failure}",
    "kind: error_rate\n    bad: {log.level: error}",
    "kind: latency",
    "kind: latency\n    field: numeric_labels.cost",
    "kind: silence",
    "kind: series\n    statistic: events",
    "kind: series\n    statistic: mean\n    field: numeric_labels.cost",
    "kind: metric\n    field: numeric_labels.cost",
)
GROUPS: Final = ("[]", "[service.name]", "[service.name, ml.model.version]")
FILTERS: Final = ("{}", "{}", "{service.name: api}", "{ml.model.version: ['1', '2']}")


def random_rules(chance: random.Random) -> list[Rule]:
    """Return rules of which some ask the same windows and groups, and some do not."""
    text = "rules:\n"
    for number in range(chance.randrange(2, 9)):
        text += (
            f"  - id: r{number}\n    {chance.choice(KINDS)}\n    dataset: ml.inference\n"
            f"    group_by: {chance.choice(GROUPS)}\n    filter: {chance.choice(FILTERS)}\n"
            f"    window: {chance.choice(['15m', '15m', '1h'])}\n"
            "    baseline: {preceding: 2d, minimum_windows: 1}\n"
        )
    return list(parse_rules(text).active)


def asked(place: Place, rules: list[Rule], store: Counting) -> list[Cells]:
    """Ask for all rules at once."""
    return drive(store, [measure(rule, place.namespace, *SPAN) for rule in rules])


@pytest.mark.parametrize("most_buckets", [query.MOST_BUCKETS, 1500])
def test_together_is_the_same_as_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch, most_buckets: int
) -> None:
    """Whatever rules ask together, each has exactly the cells that it has when it asks alone, however many pages it takes."""
    monkeypatch.setattr(query, "MOST_BUCKETS", most_buckets)
    fewer = 0
    for seed in range(12):
        rules = random_rules(random.Random(seed))
        together, alone = Counting(place.client), Counting(place.client)
        found = asked(place, rules, together)
        for rule, cells in zip(rules, found, strict=True):
            (mine,) = asked(place, [rule], alone)
            assert cells == mine, (seed, rule)
            assert {group: [start for start, _ in rows] for group, rows in cells.items()} == {
                group: sorted(start for start, _ in rows) for group, rows in mine.items()
            }
        assert any(cells for cells in found)
        fewer += len(together.searches) < len(alone.searches)
    assert fewer >= 9


def test_default_rules_about_the_same_windows_are_one_search(place: Place) -> None:
    """Errors, latency and silence of a service are sums over the same events: one pass of the server over them."""
    names = ("inference-errors", "inference-latency", "inference-silence")
    rules = [rule for rule in load_rules(None).active if rule.id in names]
    store = Counting(place.client)
    found = asked(place, rules, store)
    assert (len(rules), len(store.searches), store.requests) == (3, 1, 1)
    assert all(("api",) in cells for cells in found)


def test_states_together(place: Place, client: ElasticClient) -> None:
    """U65: of many states that one request reads, the one that is broken begins anew and says so, the others are as stored."""
    book = StateBook(client, place.namespace, place.clock)
    names = [f"r{number}" for number in range(9)]
    assert [one.stored for one in book.load_all(names)] == [None] * 9, "there is no index yet"
    ensure_state_index(client, place.namespace)
    loaded = book.load_all(names)
    states = [RuleState(digest=name, checkpoint_us=number) for number, name in enumerate(names)]
    book.save_all(list(zip(names, states, loaded, strict=True)))
    client.put(state_index(place.namespace), "rule-r4", {"kind": "rule", "body": {"version": 99}})
    again = book.load_all(names)
    assert [one.state for one in again] == [
        RuleState() if number == 4 else states[number] for number in range(9)
    ]
    assert [bool(one.problem) for one in again] == [number == 4 for number in range(9)]
    # Nobody overwrites what another has written since.
    stale = [*again[:4], loaded[4], *again[5:]]
    with pytest.raises(StoreUnavailable, match="state of rule r4"):
        book.save_all([(name, RuleState(), one) for name, one in zip(names, stale, strict=True)])
    assert book.load("r4").problem
    book.save_all([("r4", states[4], again[4])])
    assert book.load("r4").state == states[4]
