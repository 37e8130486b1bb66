"""What a run says at its end, as text for a person and as Markdown for the documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.chaos.accounting import Balance
from tests.chaos.victims import Deaths

_SHOWN = 40


@dataclass(slots=True)
class Outcome:
    """Everything that is told.

    Attributes:
        facts: name and value, in the order in which they are told.
        after_replays: what of the books changed by reading the topic again; empty: nothing.
        places: of missing tokens, where they were last seen.
        problems: what went wrong beside the books.
    """

    seed: int
    rounds: int
    length_s: float
    balance: Balance
    deaths: Deaths
    sprung: Counter[str]
    laid: Counter[str]
    weather: Counter[str]
    facts: dict[str, str] = field(default_factory=dict)
    after_replays: list[str] = field(default_factory=list)
    places: Mapping[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether the promise held."""
        return self.balance.is_balanced and not self.after_replays and not self.problems


def as_markdown(outcome: Outcome) -> str:
    """Return the report."""
    balance = outcome.balance
    lines = [
        f"Seed {outcome.seed}, {outcome.rounds} rounds, {outcome.length_s / 60:.1f} minutes of disturbance: "
        + (
            "**every record is accounted for, none twice, none false.**"
            if outcome.is_good
            else "**the promise did not hold.**"
        ),
        "",
        "| what | count |",
        "|---|---:|",
        f"| logging calls that returned | {balance.returned:,} |",
        f"| found in Elasticsearch, once | {balance.stored:,} |",
        f"| dead letters | {balance.dead:,} |",
        f"| counted as dropped by the process (small spool) | {balance.dropped:,} |",
        f"| missing | {len(balance.missing):,} |",
        f"| doubled | {len(balance.doubled):,} |",
        f"| false | {len(balance.false):,} |",
        f"| found although the call was cut off by the kill | {balance.in_progress:,} |",
        *(f"| {name} | {value} |" for name, value in outcome.facts.items()),
        "",
        *_table("Killed by SIGKILL", outcome.deaths.by_state),
        *_table("Ended by themselves, or by their own timer", outcome.deaths.own_ends),
        *_table("Hung (SIGSTOP, later SIGCONT)", outcome.deaths.holds),
        *_table("Stopped (SIGTERM) and away for a while", outcome.deaths.stops),
        "Traps: a kill at one point of one request.",
        "",
        "| request, moment, victim | laid | sprung |",
        "|---|---:|---:|",
        *(f"| {name} | {count} | {outcome.sprung[name]} |" for name, count in sorted(outcome.laid.items())),
        "",
        "| weather between processes and servers | times |",
        "|---|---:|",
        *(f"| {name} | {count} |" for name, count in sorted(outcome.weather.items())),
        "",
        *_failures(outcome),
    ]
    return "\n".join(lines)


def _table(title: str, counts: Counter[tuple[str, str]]) -> Iterator[str]:
    if not counts:
        return
    yield f"| {title} | state | times |"
    yield "|---|---|---:|"
    by_kind: dict[str, list[tuple[str, int]]] = {}
    for (kind, state), count in sorted(counts.items()):
        by_kind.setdefault(kind, []).append((state, count))
    for kind, rows in by_kind.items():
        yield f"| **{kind}** | | **{sum(count for _, count in rows)}** |"
        for state, count in sorted(rows, key=lambda row: -row[1]):
            yield f"| | {state} | {count} |"
    yield ""


def _failures(outcome: Outcome) -> Iterator[str]:
    balance = outcome.balance
    sections = (
        ("Problems", outcome.problems),
        ("After a replay", outcome.after_replays),
        ("Missing", [f"{token}: {outcome.places.get(token, '?')}" for token in balance.missing]),
        ("Doubled", balance.doubled),
        ("False", balance.false),
        ("Miscounted", balance.miscounted),
    )
    for title, entries in sections:
        if entries:
            yield f"{title}:"
            yield ""
            yield from (f"- {entry}" for entry in entries[:_SHOWN])
            if len(entries) > _SHOWN:
                yield f"- and {len(entries) - _SHOWN} more"
            yield ""
