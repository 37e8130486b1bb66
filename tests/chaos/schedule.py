"""What is done to whom and when: a list that follows from the seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal

Deed = Literal["kill", "hang", "stop", "weather", "trap", "kill_all"]
"""kill: SIGKILL. hang: SIGSTOP, later SIGCONT. stop: SIGTERM, later started again. weather: what a proxy does to the
traffic for a while. trap: SIGKILL at a chosen point of the next request. kill_all: SIGKILL for everything at once."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do.

    Attributes:
        at_s: seconds after the start of the run.
        target: a kind of process, or for weather and traps a hop (see `proxy`).
        detail: which weather; for a trap `<request>:<moment>:<victim>`.
        length_s: how long it lasts, or how long the victim stays away.
    """

    at_s: float
    deed: Deed
    target: str
    detail: str = ""
    length_s: float = 0.0

    def __str__(self) -> str:
        about = f" {self.detail}" if self.detail else ""
        length = f" for {self.length_s:.1f} s" if self.length_s else ""
        return f"{self.at_s:7.1f} s  {self.deed} {self.target}{about}{length}"


TRAPS: Final = (
    ("ship", "Produce:sent:kafka"),
    ("ship", "Produce:answered:client"),
    ("ship", "Produce:delivered:client"),
    ("ship", "Produce:sent:client"),
    ("index", "OffsetCommit:asked:client"),
    ("index", "OffsetCommit:answered:client"),
    ("index", "OffsetCommit:sent:kafka"),
    ("index", "JoinGroup:sent:client"),
    ("store", "bulk:sent:elasticsearch"),
    ("store", "bulk:answered:client"),
    ("store", "bulk:sent:client"),
)
"""hop, and request:moment:victim. A batch in flight when the broker dies; a death between acknowledgement and checkpoint;
one between Elasticsearch's answer and the commit; Elasticsearch dead in the middle of a bulk; and their neighbours."""

WEATHERS: Final = (
    ("ship", "refuse"), ("ship", "silent"), ("ship", "cut"), ("ship", "slow"), ("ship", "half"), ("ship", "flap"),
    ("index", "silent"), ("index", "cut"), ("index", "half"), ("index", "flap"),
    ("store", "refuse"), ("store", "silent"), ("store", "half"), ("store", "flap"), ("store", "429"), ("store", "503"),
    ("store", "items429"), ("store", "slow"),
)  # fmt: skip
"""hop and what its proxy does."""

_CLIENTS: Final = ("steady", "clock", "small", "forks", "agent", "indexer")


def deck() -> list[tuple[Deed, str, str]]:
    """Return one of each thing that can be done; what is likely in life, more often."""
    servers = ("kafka", "elasticsearch")
    cards: list[tuple[Deed, str, str]] = [("kill", kind, "") for kind in _CLIENTS for _ in range(3)]
    cards += [("kill", kind, "") for kind in ("kafka", "kafka", "elasticsearch")]
    for kind in (*_CLIENTS, *servers):
        cards.append(("hang", kind, ""))
    for kind in ("agent", "indexer", *servers):
        cards.append(("stop", kind, ""))
    for hop, detail in TRAPS:
        cards.append(("trap", hop, detail))
    for hop, detail in WEATHERS:
        cards.append(("weather", hop, detail))
    return [*cards, ("kill_all", "everything", "")]


def make_schedule(seed: int, rounds: int, round_s: float, per_round: int) -> list[Action]:
    """Return the actions of a run, rising in time.

    The deck is dealt out shuffled, and again when it is empty: what happens is random, that it happens is not.
    """
    source = random.Random(seed)
    cards: list[tuple[Deed, str, str]] = []
    actions: list[Action] = []
    for number in range(rounds):
        for _ in range(per_round):
            if not cards:
                cards = deck()
                source.shuffle(cards)
            deed, target, detail = cards.pop()
            at_s = (number + source.random()) * round_s
            actions.append(Action(at_s, deed, target, detail, _length_s(source, deed)))
    return sorted(actions, key=lambda action: action.at_s)


def short_schedule(seed: int, round_s: float) -> list[Action]:
    """Return the one short round of the test suite: the sharpest traps, one of each kind of weather, no slow restarts."""
    source = random.Random(seed)
    cards: list[tuple[Deed, str, str]] = [
        ("trap", "ship", "Produce:delivered:client"),
        ("trap", "index", "OffsetCommit:asked:client"),
        ("trap", "store", "bulk:sent:client"),
        ("weather", "store", "items429"),
        ("weather", "store", "half"),
        ("weather", "ship", "cut"),
        ("kill", "steady", ""),
        ("kill", "forks", ""),
        ("kill", "small", ""),
        ("hang", "agent", ""),
    ]
    source.shuffle(cards)
    # The broker first: it needs the longest to come back.
    cards.insert(0, ("trap", "ship", "Produce:sent:kafka"))
    step_s = round_s / len(cards)
    return [
        Action((number + source.random()) * step_s, deed, target, detail, min(3.0, _length_s(source, deed)))
        for number, (deed, target, detail) in enumerate(cards)
    ]


def _length_s(source: random.Random, deed: Deed) -> float:
    if deed in ("weather", "hang"):
        return source.uniform(1.0, 12.0)
    if deed == "stop":
        return source.uniform(3.0, 20.0)
    return source.uniform(0.0, 3.0)
