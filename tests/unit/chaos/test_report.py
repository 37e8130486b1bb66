"""The report of a chaos run says what happened, and what went wrong first of all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.chaos.__main__ import put_into
from tests.chaos.accounting import Balance
from tests.chaos.report import Outcome, as_markdown
from tests.chaos.victims import Deaths, end_of


def outcome(balance: Balance) -> Outcome:
    """Return an outcome with one death and one trap."""
    deaths = Deaths(Counter({("agent", "idle"): 2, ("agent", "waiting for the broker"): 5}))
    return Outcome(7, 2, 80.0, balance, deaths, Counter({"ship a": 1}), Counter({"ship a": 3}), Counter())


def test_a_good_run() -> None:
    """Kinds, states and traps are counted; no word of failure."""
    text = as_markdown(outcome(Balance(returned=1000, stored=990, dead=10)))
    assert "**every record is accounted for, none twice, none false.**" in text
    assert "| **agent** | | **7** |\n| | waiting for the broker | 5 |\n| | idle | 2 |" in text
    assert "| ship a | 3 | 1 |" in text
    assert "Missing:" not in text


def test_a_bad_run() -> None:
    """Each missing record is named with the last place where it was seen."""
    bad = outcome(Balance(returned=2, stored=1, missing=["short-0001.main/2"]))
    bad.places = {"short-0001.main/2": "topic 0@17 as p-2"}
    assert not bad.is_good
    text = as_markdown(bad)
    assert "**the promise did not hold.**" in text
    assert "- short-0001.main/2: topic 0@17 as p-2" in text


def test_trouble_beside_the_books_is_failure() -> None:
    """Balanced books do not excuse a replay that stored something anew, or a command that failed."""
    for field in ("after_replays", "problems"):
        one = outcome(Balance())
        setattr(one, field, ["x"])
        assert not one.is_good
        assert "- x" in as_markdown(one)


def test_the_page_keeps_its_words(tmp_path: Path) -> None:
    """A report replaces the former one between the marks of the page, nothing else."""
    page = tmp_path / "chaos.md"
    begin, end = "<!-- report: begin, written by make chaos -->", "<!-- report: end -->"
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    put_into(page, "new\n")
    put_into(page, "newer\n")
    assert page.read_text() == f"before\n{begin}\nnewer\n{end}\nafter\n"


def test_how_a_process_ended() -> None:
    """Exit codes, signals, and the kernel's timer with what the process did just then."""
    assert end_of(1, "logging") == "ended with 1"
    assert end_of(-15, "logging") == "ended by SIGTERM"
    assert end_of(-14, "forking") == "died by its own timer while forking"
