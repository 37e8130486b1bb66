"""What survives between runs, and who may write it."""

from __future__ import annotations

import pytest

from shipper.clock import ManualClock
from shipper.detect.lease import Lease, LeaseHeld, new_holder
from shipper.detect.state import RuleState, StateBook, ensure_state_index, state_index
from shipper.detect.threshold import Verdict
from shipper.detect.track import Entry, Track
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


@pytest.mark.parametrize(
    "body", [{"version": 2}, {}, {"version": 1, "digest": "x"}, {"version": 1, "tracks": 5}, "text"]
)
def test_an_unreadable_state_begins_anew_and_says_so(
    store: MemoryStore, clock: ManualClock, body: object
) -> None:
    """U65: damage is neither fatal nor silent."""
    store.create(state_index("test"), "rule-one", {"kind": "rule", "body": body})
    loaded = StateBook(store, "test", clock).load("one")
    assert loaded.state == RuleState()
    assert "cannot be read" in loaded.problem


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
