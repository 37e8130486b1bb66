"""The books of a chaos run notice what they are there to notice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.accounting import Balance, Found, balance, drops_told
from tests.chaos.ledger import Account, message_of

WRITER = "steady-0001.main"


def found(number: int, *, writer: str = WRITER, index: str = "logs-a", message: str = "") -> Found:
    """Return the document of one logging call."""
    token, event_id = f"{writer}/{number}", f"p-{number}"
    return Found(f"{index}/{event_id}", event_id, token, message or message_of(token))


def books(account: Account, stored: list[Found], dead: list[Found] | None = None, torn: int = 0) -> Balance:
    """Balance one process."""
    return balance([account], stored, dead or [], {account.life: torn})


def test_all_is_well() -> None:
    """Each call that returned is found once or is a dead letter, and the one that was cut off may be in."""
    result = books(Account(WRITER, 3), [found(1), found(3), found(4)], [found(2)])
    assert result.is_balanced
    assert (result.returned, result.stored, result.dead, result.in_progress) == (3, 2, 1, 1)


def test_a_cut_off_call_may_be_out() -> None:
    """The call that had not returned need not be found."""
    assert books(Account(WRITER, 1), [found(1)]).is_balanced


def test_a_missing_record_is_named() -> None:
    """One that is nowhere is named, and the books do not balance."""
    result = books(Account(WRITER, 3), [found(1), found(3)])
    assert result.missing == [f"{WRITER}/2"]
    assert not result.is_balanced


@pytest.mark.parametrize(
    ("stored", "dead"),
    [([found(1), found(1, index="logs-b")], []), ([found(1)], [found(1)])],
    ids=["two indices", "index and dead letters"],
)
def test_a_double_is_named(stored: list[Found], dead: list[Found]) -> None:
    """Two places are one too many; a dead letter that a replay wrote again is one place."""
    result = books(Account(WRITER, 1), stored, dead)
    assert len(result.doubled) == 1
    assert not result.is_balanced
    assert books(Account(WRITER, 1), [], [found(1), found(1)]).is_balanced


@pytest.mark.parametrize(
    "make",
    [
        lambda: found(3),
        lambda: found(0),
        lambda: found(1, writer="nobody-0001.main"),
        lambda: found(1, message="something else"),
        lambda: Found("logs-a/p-1", "p-1", "", "no token"),
        lambda: Found("logs-a/p-9", "p-1", f"{WRITER}/1", message_of(f"{WRITER}/1")),
        lambda: Found("logs-a/p-12", "p-1", f"{WRITER}/1", message_of(f"{WRITER}/1")),
    ],
    ids=["never logged", "number 0", "unknown program", "other message", "no token", "other id", "longer id"],
)
def test_a_false_record_is_named(make: Callable[[], Found]) -> None:
    """A record that nobody logged, or not so, is false."""
    result = books(Account(WRITER, 1), [found(1), make()])
    assert len(result.false) == 1
    assert not result.is_balanced


def test_counted_drops_are_accounted_for() -> None:
    """As many as the process counted may be missing, not one more; of those it refused, not one less either."""
    account = Account(WRITER, 5, refused=2)
    assert books(account, [found(1), found(2), found(3)]).dropped == 2
    assert books(account, [found(1), found(2), found(3)]).is_balanced
    assert books(account, [found(1), found(2)]).missing == [f"{WRITER}/{n}" for n in (3, 4, 5)]
    assert books(account, [found(n) for n in (1, 2, 3, 4)]).miscounted


def test_records_of_shipper_itself_may_be_among_the_drops() -> None:
    """A heartbeat that found no room is counted, and no ledger misses it."""
    assert books(Account(WRITER, 3, refused=2, own=1), [found(1), found(2)]).is_balanced
    assert not books(Account(WRITER, 3, refused=2, own=1), [found(n) for n in (1, 2, 3)]).is_balanced


def test_evictions_are_an_upper_bound() -> None:
    """An evicted record may have been delivered before; those of an eviction in the last instant are on tombstones."""
    account = Account(WRITER, 5, evicted=2)
    assert books(account, [found(n) for n in range(1, 6)]).is_balanced
    assert books(account, [found(4), found(5)], torn=1).is_balanced
    assert not books(account, [found(4), found(5)]).is_balanced


def test_drops_of_one_process_do_not_excuse_another() -> None:
    """Each process answers for its own."""
    accounts = [Account(WRITER, 1), Account("steady-0002.main", 1, refused=1)]
    stored = [found(1, writer="steady-0002.main")]
    result = balance(accounts, stored, [], {})
    assert result.missing == [f"{WRITER}/1"]
    assert result.miscounted


def test_drops_are_those_of_the_ledgers() -> None:
    """What `shipper reconcile` tells of drops is what the processes counted: not one less, and not one more than a call
    that was cut off and a record of shipper's own explain."""
    accounts = [Account(WRITER, 9, refused=5, evicted=3), Account("small-0001.main", 4)]
    assert drops_told(accounts, {}, 7, {"spool_full": 5, "evicted": 3}) == []
    assert drops_told(accounts, {}, 7, {"spool_full": 4, "disk": 3, "evicted": 1}) == []
    assert drops_told(accounts, {"small-0001": 2}, 5, {"spool_full": 5, "evicted": 5}) == []
    for told in ({"spool_full": 4, "evicted": 3}, {"spool_full": 8}, {"spool_full": 5, "evicted": 4}, {}):
        assert drops_told(accounts, {}, 4, told), told
    assert drops_told(accounts, {}, 8, {"spool_full": 5, "evicted": 2})
