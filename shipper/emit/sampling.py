"""Which events are kept where an application logs more than it wants to send, and for how many each kept one stands.

Errors (level error and above, and whatever reports an exception) are always kept. For the rest the first rule
that matches decides, in this order:

1. `rate`: a part is kept. By the id of the prediction or the trace, so that all events of one id, in all
   processes, are kept or dropped together; without an id, by chance. A kept event stands for 1 / rate.
2. `fold_s`: of equal events (logger, level, template of the message, place in the program) within this time the
   first is kept, the others are folded.
3. `max_per_second` and `burst`: what goes beyond is dropped.

What 2 and 3 drop is added to the weight of the next kept event of the same kind; where none comes in time, a
summary is sent that has this weight. So the sum of `ml.sample.weight` (1 where it is absent) is an unbiased count
per logger, level, dataset and `event.action`. A process that is killed loses what it had not summarised yet.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Final, Literal

from shipper.clock import Clock
from shipper.ecs.encode import dataset_of
from shipper.ecs.event import Event
from shipper.emit.sampling_cells import Cells, Kind, Tally
from shipper.observe.counters import Counters

WEIGHT: Final = "ml.sample.weight"
FOLDED: Final = "ml.sample.folded"

_ERROR: Final = 40
_SCALE: Final = 1 << 64
_LONGEST: Final = 512
_MOST_KINDS: Final = 4096
_NEVER: Final = float("inf")
_IDS: Final[Mapping[str, tuple[str, str]]] = {
    "prediction": ("ml.prediction.id", "trace.id"),
    "trace": ("trace.id", "ml.prediction.id"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do with the events that match all that is given; what is empty matches all.

    Attributes:
        logger: the logger of this name and those below it.
        dataset, action: `event.dataset` and `event.action`, as a pattern with `*` and `?`.
        message: the message before its arguments are put in, as such a pattern.
        rate: part that is kept, above 0 and at most 1.
        by: the id that decides, if the event has both; the other one is taken if it has only that.
        max_per_second: of the events that match, together; None: no limit.
        burst: so many may come at once.
        fold_s: seconds; 0: equal events are not folded.
    """

    logger: str = ""
    dataset: str = ""
    action: str = ""
    message: str = ""
    rate: float = 1.0
    by: Literal["prediction", "trace"] = "prediction"
    max_per_second: float | None = None
    burst: int = 1
    fold_s: float = 0.0

    def matches(self, logger: str, dataset: str, action: str, message: str) -> bool:
        """Tell whether an event falls under this rule."""
        if self.logger and logger != self.logger and not logger.startswith(f"{self.logger}."):
            return False
        return (
            (not self.dataset or fnmatchcase(dataset, self.dataset))
            and (not self.action or fnmatchcase(action, self.action))
            and (not self.message or fnmatchcase(message, self.message))
        )


class Sampler:
    """Decides for the events of one process. Thread-safe; bounded memory; never raises for what an event holds.

    Args:
        rules: the first that matches decides.
        key: of the hash of ids; processes with the same key decide alike.
        clock: its monotonic time is asked, if a rule limits or folds.
        random: for events without an id.
        counters: told of each dropped event with its reason: `sampled`, `folded` or `rate_limited`.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        key: str,
        clock: Clock,
        random: Random,
        counters: Counters,
    ) -> None:
        self._rules = tuple(rules)
        self._key = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        self._clock = clock
        self._random = random
        self._counters = counters
        self._lock = threading.Lock()
        self._cells = Cells([(rule.max_per_second, rule.burst) for rule in self._rules])
        self._free: dict[tuple[str, str, str], bool] = {}

    @property
    def reads_messages(self) -> bool:
        """Whether a rule looks at messages."""
        return any(rule.message for rule in self._rules)

    def is_free(self, logger: str, level: int, fields: Mapping[Any, object]) -> bool:
        """Tell whether an event without an exception may pass as it is: no rule concerns it and no summary is due.

        Only where no rule reads messages. False says nothing: `apply` decides.
        """
        due_s = self._cells.next_due_s
        if self._cells.has_evicted or (due_s != _NEVER and self._clock.monotonic_s() >= due_s):
            return False  # summaries are sent behind events that go the general way
        if level >= _ERROR:
            return True
        dataset, action = dataset_of(fields), _text(fields, "event", "action")[:_LONGEST]
        known = self._free.get((logger, dataset, action))
        if known is None:
            known = not any(rule.matches(logger, dataset, action, "") for rule in self._rules)
            if len(self._free) >= _MOST_KINDS:
                self._free.clear()
            self._free[logger, dataset, action] = known
        return known

    def apply(self, event: Event) -> Event | None:
        """Return the event, with its weight; None: it is not to be sent, and has been counted.

        The event is the emitter's own, so it is given its weight in place; what it refers to stays as it is.
        """
        tally = self._decide(event)
        if tally is None or tally == _WHOLE:
            return event if tally is not None else None
        given = event.fields.get(WEIGHT)
        own = float(given) if type(given) in (int, float) else 1.0  # type: ignore[arg-type]
        fields: dict[object, object] = {**event.fields, WEIGHT: tally.weight * own}
        if tally.folded:
            fields[FOLDED] = tally.folded
        event.fields = fields
        return event

    def due(self, *, is_end: bool = False) -> list[Event]:
        """Return the summaries that are to be sent now: of what was dropped, and no event came to stand for it.

        Args:
            is_end: of all that was dropped, however recently.
        """
        cells = self._cells
        if cells.next_due_s == _NEVER and not cells.has_evicted:
            return []
        now_s = self._clock.monotonic_s()
        if now_s < cells.next_due_s and not cells.has_evicted and not is_end:
            return []
        with self._lock:
            found = cells.due(now_s, is_end=is_end)
        return [_summary(kind, tally) for kind, tally in found]

    def reset_in_child(self) -> None:
        """In a forked child: a fresh lock and other chances; what was dropped before is the parent's to tell."""
        self._lock = threading.Lock()
        self._random.seed()
        self._cells.clear()

    def _decide(self, event: Event) -> Tally | None:
        if event.level >= _ERROR or event.error is not None or event.error_text:
            return _WHOLE
        fields = event.fields
        dataset, action = dataset_of(fields), _text(fields, "event", "action")[:_LONGEST]
        template = _template(event)
        for index, rule in enumerate(self._rules):
            if rule.matches(event.logger, dataset, action, template):
                kind = Kind(index, event.logger[:_LONGEST], event.level, dataset, action)
                return self._by_rule(rule, event, kind)
        return _WHOLE

    def _by_rule(self, rule: Rule, event: Event, kind: Kind) -> Tally | None:
        if rule.rate < 1.0 and self._point(rule, event.fields) >= rule.rate:
            self._drop("sampled")
            return None
        own = Tally(1.0 / rule.rate, 0)
        if rule.fold_s <= 0 and rule.max_per_second is None:
            return own
        if rule.fold_s > 0:
            kind = kind._replace(template=_shortened(_template(event)), origin=event.origin)
        now_s = self._clock.monotonic_s()
        with self._lock:
            taken, reason = self._cells.take(kind, own, rule.fold_s, now_s)
        if taken is None:
            self._drop(reason)
        return taken

    def _drop(self, reason: str) -> None:
        self._counters.count_emitted()
        self._counters.count_dropped(reason)

    def _point(self, rule: Rule, fields: Mapping[object, object]) -> float:
        """Return a number from 0 to 1 (excluded): always the same for an id, else by chance."""
        for name in _IDS[rule.by]:
            root, _, leaf = name.partition(".")
            identity = _text(fields, root, leaf)
            if identity:
                content = identity[:_LONGEST].encode("utf-8", "surrogatepass")
                digest = hashlib.blake2b(content, key=self._key, digest_size=8).digest()
                return int.from_bytes(digest) / _SCALE
        return self._random.random()


def make_sampler(settings: Mapping[str, Any], clock: Clock, counters: Counters) -> Sampler | None:
    """Return the sampler for the settings `sampling`; None without rules."""
    rules = [Rule(**rule) for rule in settings["rules"]]
    if not rules:
        return None
    return Sampler(rules, key=settings["key"], clock=clock, random=Random(), counters=counters)  # noqa: S311


_WHOLE: Final = Tally(1.0, 0)


def _template(event: Event) -> str:
    """Return the message before its arguments were put in; nothing where it is no text."""
    found = event.message if event.template is None else event.template
    return found if type(found) is str else ""


def _shortened(template: str) -> str:
    """Return what tells a template from others, in a bounded length."""
    if len(template) <= _LONGEST:
        return template
    rest = template[_LONGEST:].encode("utf-8", "surrogatepass")
    return f"{template[:_LONGEST]}… {hashlib.blake2b(rest, digest_size=8).hexdigest()}"


def _text(fields: Mapping[object, object], root: str, leaf: str) -> str:
    """Return a field that is given dotted or nested, where it is text or a number; else nothing."""
    found = fields.get(f"{root}.{leaf}")
    if found is None:
        group: object = fields.get(root)
        for part in leaf.split("."):
            group = group.get(part) if type(group) is dict else None
        found = group
    if type(found) is str:
        return found
    return str(found) if type(found) is int and found.bit_length() < 256 else ""


def _summary(kind: Kind, tally: Tally) -> Event:
    """Return an event of the kind of those that were dropped, which has their weight."""
    count = f"{tally.weight:.0f} events"
    fields: dict[object, object] = {
        "event.dataset": kind.dataset,
        "event.action": kind.action or None,
        "event.reason": "folded" if tally.folded else "rate_limited",
        WEIGHT: tally.weight,
    }
    if tally.folded:
        fields[FOLDED] = tally.folded
    message = kind.template or f"{count} of {kind.logger} were not sent one by one"
    return Event(kind.level, message, kind.logger, fields, origin=kind.origin)
