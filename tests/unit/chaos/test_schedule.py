"""The schedule of a chaos run follows from its seed; ledgers say what returned."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.ledger import Account, Ledger, StateFile, message_of, read_ledgers, read_state
from tests.chaos.schedule import deck, make_schedule, short_schedule


def test_a_seed_makes_a_schedule() -> None:
    """Equal seeds do the same at the same time, others do not."""
    assert make_schedule(7, 3, 40.0, 9) == make_schedule(7, 3, 40.0, 9)
    assert make_schedule(7, 3, 40.0, 9) != make_schedule(8, 3, 40.0, 9)
    assert short_schedule(7, 16.0) == short_schedule(7, 16.0)


def test_the_deck_is_dealt_out() -> None:
    """With as many actions as cards each thing that can be done is done; all lie inside the run, in order."""
    cards = deck()
    actions = make_schedule(1, len(cards), 10.0, 1)
    assert sorted((action.deed, action.target, action.detail) for action in actions) == sorted(cards)
    times = [action.at_s for action in actions]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= len(cards) * 10.0


def test_ledgers_hold_what_returned(tmp_path: Path) -> None:
    """A line per returned call; the one that did not return has none."""
    ledger = Ledger(tmp_path, "short-0001.main")
    assert ledger.next_token() == "short-0001.main/1"
    ledger.returned(2, 3, 4)
    ledger.next_token()
    Ledger(tmp_path, "forks-0001c2.main")
    empty, written = read_ledgers(tmp_path)
    assert (empty, empty.life) == (Account("forks-0001c2.main", 0), "forks-0001c2")
    assert written == Account("short-0001.main", 1, 2, 3, 4)


def test_a_ledger_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """A ledger with a gap would excuse a loss: the harness stops."""
    (tmp_path / "x.main.ledger").write_text("1 0 0 0\n3 0 0 0\n")
    with pytest.raises(ValueError, match="not a ledger"):
        list(read_ledgers(tmp_path))


def test_states(tmp_path: Path) -> None:
    """The last state counts; who has said nothing is starting."""
    assert read_state(tmp_path, "a") == "starting"
    state = StateFile(tmp_path, "a")
    state.set("between calls")
    state.set("logging")
    assert read_state(tmp_path, "a") == "logging"


def test_messages_cannot_be_taken_for_each_other_or_for_secrets() -> None:
    """Messages differ between tokens and carry no digits behind the token that redaction might rightly mask."""
    tokens = [f"steady-0001.t0/{number}" for number in range(2000)]
    messages = {message_of(token) for token in tokens}
    assert len(messages) == len(tokens)
    assert not any(character.isdecimal() for token in tokens for character in message_of(token)[len(token) :])
    assert max(map(len, messages)) > 6000
    assert max(len(message_of(f"forks-0001.t0/{number}")) for number in range(2000)) < 1000
