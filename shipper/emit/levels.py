"""Which level counts for which logger, now: the configured one, or one that was set at run time.

A level that was set for `app` also counts for `app.model`, unless a level was set for that one: names are
hierarchical as in `logging`. It counts whether it is lower or higher than the configured one.

For loggers of `logging` the level of exactly the named logger is changed (its children follow by Python's own
rules: a child with a level of its own keeps it) and put back when the setting ends, unless somebody else changed
it meanwhile. Levels of handlers stay what they are.

Nothing here looks at a file or asks the time on a logging call: see `shipper.emit.level_watch`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from shipper.observe.report import Reporter

EVERYTHING: Final = ""
"""Name of the logger that is above all others; `root` means the same."""

MOST_OVERRIDES: Final = 256
"""More levels at a time than this are refused: a person sets them."""

_MOST_NAMES: Final = 4096
_NONE: Final[Mapping[str, Override]] = MappingProxyType({})


class Override(NamedTuple):
    """A level that was set at run time for a logger and those below it.

    Attributes:
        logger: dotted name; empty: all loggers.
        level: number as in `logging`.
        until_us: microseconds since the epoch at which it ends; None: it stays until it is reset.
        by: who set it, for people.
        source: `call` (`shipper.set_level`) or `file` (`shipper level set`).
        why: in the words of whoever set it.
    """

    logger: str
    level: int
    until_us: int | None = None
    by: str = ""
    source: Literal["call", "file"] = "call"
    why: str = ""


class Change(NamedTuple):
    """One change, ready to be logged.

    Attributes:
        action: set, reset (taken back) or expired.
        override: what was set, or what ended.
        former: level that counted for this name before, now: after the change.
    """

    action: Literal["set", "reset", "expired"]
    override: Override
    former: int
    now: int


class _State(NamedTuple):
    """All that `effective` needs, replaced as a whole: a reader never sees half a change."""

    base: int
    overrides: Mapping[str, Override]
    memo: dict[str, int]


def canonical(logger: str) -> str:
    """Return the name under which overrides are kept: `root` is the empty name."""
    return EVERYTHING if logger == "root" else logger


class Levels:
    """The levels of this process. Reading takes no lock; callbacks run with none held.

    Attributes:
        revision: grows with each change of what `effective` may return.
    """

    def __init__(self, reporter: Reporter | None = None) -> None:
        self.revision = 0
        self._state = _State(logging.NOTSET, _NONE, {})
        self._callbacks: tuple[Callable[[], None], ...] = ()
        self._standard: dict[str, tuple[int, int]] = {}
        self._unsettled: deque[str | None] = deque()
        self._settling = threading.Lock()
        self._lock = threading.RLock()
        self._reporter = reporter or Reporter()

    @property
    def base(self) -> int:
        """The configured level: counts where none was set at run time."""
        return self._state.base

    @property
    def overrides(self) -> Mapping[str, Override]:
        """What was set at run time, by name."""
        return self._state.overrides

    def effective(self, logger: str) -> int:
        """Return the least level that the structlog logger of this name takes; a dictionary look-up."""
        base, overrides, memo = self._state
        level = memo.get(logger)
        if level is None:
            level = _effective(logger, base, overrides)
            if len(memo) >= _MOST_NAMES:
                memo.clear()
            memo[logger] = level
        return level

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have `callback()` called after each change, also after the end of one; it asks `effective` itself.

        On the thread that made the change, before the change returns; where several threads make changes at the
        same time, one of them calls for all, so calls never overlap and one begins after the last change.
        What it raises is reported and keeps no other from being called. It stays for the life of the process.
        """
        with self._lock:
            if callback not in self._callbacks:
                self._callbacks = (*self._callbacks, callback)

    def set_base(self, level: int) -> None:
        """Set the configured level."""
        with self._lock:
            if level == self._state.base:
                return
            self._replace(level, self._state.overrides)
        self._settle(None)

    def set(self, override: Override) -> Change | None:
        """Set a level; replaces the one of that name. Returns None if exactly this is set already.

        Raises:
            ValueError: there are `MOST_OVERRIDES` already.
        """
        override = override._replace(logger=canonical(override.logger))
        with self._lock:
            known = self._state.overrides
            if known.get(override.logger) == override:
                return None
            if override.logger not in known and len(known) >= MOST_OVERRIDES:
                raise ValueError(f"more than {MOST_OVERRIDES} levels are set; reset some first")
            change = self._change("set", override, {**known, override.logger: override})
        self._settle(override.logger)
        return change

    def reset(self, logger: str) -> Change | None:
        """Take back what was set for exactly this name; None if nothing was."""
        return self._take_back(canonical(logger), "reset", None)

    def expire(self, now_us: int) -> list[Change]:
        """End what is over at `now_us`, microseconds since the epoch."""
        over = [one for one in self._state.overrides.values() if _is_over(one, now_us)]
        return [change for one in over if (change := self._take_back(one.logger, "expired", one)) is not None]

    def next_end_us(self) -> int | None:
        """Return when the next override ends, None if none does."""
        return min(
            (o.until_us for o in self._state.overrides.values() if o.until_us is not None), default=None
        )

    def forget(self) -> None:
        """Take back everything, the configured level too; callbacks stay. For tests."""
        for logger in self._state.overrides:
            self.reset(logger)
        self.set_base(logging.NOTSET)

    def reset_in_child(self) -> None:
        """In a forked child: a fresh lock; what was set goes on counting."""
        self._lock = threading.RLock()
        self._settling = threading.Lock()
        self._reporter.reset_in_child()

    def _take_back(
        self, logger: str, action: Literal["reset", "expired"], expected: Override | None
    ) -> Change | None:
        with self._lock:
            rest = dict(self._state.overrides)
            override = rest.pop(logger, None)
            # `expected` may have been set anew meanwhile: then it is not over.
            if override is None or (expected is not None and override != expected):
                return None
            change = self._change(action, override, rest)
        self._settle(logger)
        return change

    def _change(
        self,
        action: Literal["set", "reset", "expired"],
        override: Override,
        overrides: Mapping[str, Override],
    ) -> Change:
        base = self._state.base
        former = _effective(override.logger, base, self._state.overrides)
        self._replace(base, overrides)
        return Change(action, override, former, _effective(override.logger, base, overrides))

    def _replace(self, base: int, overrides: Mapping[str, Override]) -> None:
        self._state = _State(base, overrides, {})
        self.revision += 1

    def _settle(self, name: str | None) -> None:
        """After a change, with no lock held: `logging` follows (with a name), then callbacks are called.

        Python's own `logging` lock is taken here, and callbacks may take any. So no lock of ours is waited for:
        a thread that finds another one at work leaves its change to it. Callbacks never overlap, so what
        they saw last is what counts.
        """
        self._unsettled.append(name)
        while self._unsettled and self._settling.acquire(blocking=False):
            try:
                while self._unsettled:
                    changed = self._unsettled.popleft()
                    if changed is not None:
                        self._apply_standard(changed)
                    self._call_back()
            finally:
                self._settling.release()

    def _apply_standard(self, name: str) -> None:
        """Give the logger of `logging` the level that is set for it, or its own one back."""
        override = self._state.overrides.get(name)
        logger = logging.getLogger(name or None)
        known = self._standard.get(name)
        if override is not None:
            own = logger.level if known is None or logger.level != known[1] else known[0]
            self._standard[name] = (own, override.level)
            logger.setLevel(override.level)
        elif known is not None:
            del self._standard[name]
            if logger.level == known[1]:  # else the application has set it since: that stands
                logger.setLevel(known[0])

    def _call_back(self) -> None:
        for callback in self._callbacks:
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - one bad callback must not keep the others from the change
                self._reporter.report("levels.callback", f"a callback of a level's change failed: {error!r}")


def _effective(logger: str, base: int, overrides: Mapping[str, Override]) -> int:
    if not overrides:
        return base
    for name in _upwards(canonical(logger)):
        found = overrides.get(name)
        if found is not None:
            return found.level
    return base


def _upwards(name: str) -> Iterable[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]
    yield EVERYTHING


def _is_over(override: Override, now_us: int) -> bool:
    return override.until_us is not None and override.until_us <= now_us


LEVELS: Final = Levels()
"""The levels of this process."""
