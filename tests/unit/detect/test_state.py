"""What survives between runs, and who may write it."""

from __future__ import annotations

import pytest

from shipper.clock import ManualClock
from shipper.detect.judging.threshold import Verdict
from shipper.detect.judging.track import Entry, Track
from shipper.detect.lease import Lease, LeaseHeld, new_holder
from shipper.detect.state import RuleState, StateBook, ensure_state_index, state_index
from shipper.errors import StoreUnavailable
from tests.unit.detect.memory_store import MemoryStore

STATE = RuleState(
    digest="abc",
    checkpoint_us=1_000,
    ingested_us=2_000,
    tracks={("api", None): Track(entries=(Entry(5, Verdict.WEAK, 4),))},
    fitted={("m", "2"): {"ml.features.numeric.age": (1.5, 2.0), "ml.features.categorical.site": ("a", "b")}},
)


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock()


def test_a_state_reads_back(store: MemoryStore, clock: ManualClock) -> None:
    """U65: checkpoint, verdicts and bins survive a restart as they were."""
    book = StateBook(store, "test", clock)
    book.save("one", STATE, book.load("one"))
    assert book.load("one").state == STATE


def test_an_unchanged_state_is_not_written(store: MemoryStore, clock: ManualClock) -> None:
    """A run that learnt nothing leaves no trace."""
    book = StateBook(store, "test", clock)
    book.save("one", STATE, book.load("one"))
    before = dict(store.documents)
    book.save("one", STATE, book.load("one"))
    assert store.documents == before


def damaged(**changes: object) -> dict[str, object]:
    """A stored state of the right version with something wrong in it."""
    return {**STATE.to_json(), **changes}


@pytest.mark.parametrize(
    "body",
    [
        {"version": 1},
        {},
        {"version": 2, "digest": "x"},
        "text",
        damaged(version=3),
        damaged(tracks=5),
        damaged(tracks=[[["api"], {"folded": {}, "entries": []}]]),
        damaged(checkpoint_us="2026-11-21T00:00:00Z"),
        damaged(ingested_us=1.5),
        damaged(fitted=[[["m"], {"ml.features.numeric.age": "abc"}]]),
        damaged(fitted=[[["m"], {"ml.features.numeric.age": [1.5, "x"]}]]),
        damaged(references=[[["m"], 0, {"events": None}]]),
    ],
)
def test_an_unreadable_state_begins_anew_and_says_so(
    store: MemoryStore, clock: ManualClock, body: object
) -> None:
    """U65: damage is neither fatal nor silent."""
    store.create(state_index("test"), "rule-one", {"kind": "rule", "body": body})
    loaded = StateBook(store, "test", clock).load("one")
    assert loaded.state == RuleState()
    assert "cannot be read" in loaded.problem


def test_states_are_read_and_written_together(store: MemoryStore, clock: ManualClock) -> None:
    """The states of all rules are one request each way; those that did not change are not sent."""
    book = StateBook(store, "test", clock)
    names = [f"rule-{number}" for number in range(20)]
    loaded = book.load_all(names)
    book.save_all([(name, STATE, one) for name, one in zip(names, loaded, strict=True)])
    assert store.requests == 2
    again = book.load_all(names)
    assert [one.state for one in again] == [STATE] * 20
    book.save_all([(name, one.state, one) for name, one in zip(names, again, strict=True)])
    assert store.requests == 3


def test_a_broken_state_among_good_ones(store: MemoryStore, clock: ManualClock) -> None:
    """U65: one state that cannot be read begins anew and says so; the others, read with it, are what they were."""
    book = StateBook(store, "test", clock)
    names = ["one", "two", "three"]
    book.save_all([(name, STATE, one) for name, one in zip(names, book.load_all(names), strict=True)])
    broken = store.documents[state_index("test"), "rule-two"]
    store.put(state_index("test"), broken.id, {"kind": "rule", "body": {"version": 1}})
    first, second, third, unknown = book.load_all([*names, "four"])
    assert (first.state, third.state) == (STATE, STATE)
    assert (first.problem, third.problem, unknown.problem) == ("", "", "")
    assert second.state == unknown.state == RuleState()
    assert "cannot be read" in second.problem
    # What is judged anew is stored even where it comes to nothing, in place of what cannot be read.
    book.save_all([("one", first.state, first), ("two", RuleState(), second), ("three", third.state, third)])
    assert [one.problem for one in book.load_all(names)] == ["", "", ""]


def test_one_state_that_another_wrote_keeps_no_other_back(store: MemoryStore, clock: ManualClock) -> None:
    """U63: the job that lost the race for one rule's state says which; the other rules' states are stored."""
    book = StateBook(store, "test", clock)
    names = ["one", "two", "three"]
    loaded = book.load_all(names)
    book.save("two", RuleState(checkpoint_us=7), loaded[1])
    with pytest.raises(StoreUnavailable, match="state of rule two"):
        book.save_all([(name, STATE, one) for name, one in zip(names, loaded, strict=True)])
    assert [one.state for one in book.load_all(names)] == [STATE, RuleState(checkpoint_us=7), STATE]


def test_two_writers_do_not_overwrite_each_other(store: MemoryStore, clock: ManualClock) -> None:
    """U63: a job that slept past its lease cannot put back an old checkpoint."""
    book = StateBook(store, "test", clock)
    first, second = book.load("one"), book.load("one")
    book.save("one", STATE, first)
    with pytest.raises(StoreUnavailable, match="another detection job"):
        book.save("one", RuleState(checkpoint_us=1), second)
    stale = book.load("one")
    book.save("one", RuleState(checkpoint_us=3), book.load("one"))
    with pytest.raises(StoreUnavailable, match="another detection job"):
        book.save("one", RuleState(checkpoint_us=2), stale)


def test_the_index_is_created_once(store: MemoryStore) -> None:
    """A second job finds the index; losing the race for it is no error."""
    ensure_state_index(store, "test")
    ensure_state_index(store, "test")
    assert store.created == [state_index("test")]


def test_a_lease_is_exclusive_until_it_expires(store: MemoryStore, clock: ManualClock) -> None:
    """U63: one leader; a dead leader is followed as soon as its lease has run out."""
    leader = Lease(store, "test", clock, "a", length_s=60)
    other = Lease(store, "test", clock, "b", length_s=60)
    leader.take()
    leader.take()
    with pytest.raises(LeaseHeld, match=r"\(a\)"):
        other.take()
    clock.advance(61)
    other.take()
    with pytest.raises(LeaseHeld, match=r"\(b\)"):
        leader.take()


def test_a_lease_that_is_given_back_is_free(store: MemoryStore, clock: ManualClock) -> None:
    """A clean end lets the next one start at once; giving back what is not ours changes nothing."""
    leader, other = Lease(store, "test", clock, "a"), Lease(store, "test", clock, "b")
    leader.take()
    other.give_back()
    with pytest.raises(LeaseHeld):
        other.take()
    leader.give_back()
    other.take()


def test_losing_the_race_for_an_expired_lease(store: MemoryStore, clock: ManualClock) -> None:
    """Of two that find it expired one gets it, by conditional write."""
    Lease(store, "test", clock, "dead", length_s=60).take()
    clock.advance(120)
    quick, slow = Lease(store, "test", clock, "quick"), Lease(store, "test", clock, "slow")
    store.before_put.append(quick.take)
    with pytest.raises(LeaseHeld, match="quicker"):
        slow.take()
    assert LeaseHeld.retriable


def test_holders_differ() -> None:
    """Two jobs of one process are two holders."""
    assert new_holder() != new_holder()
