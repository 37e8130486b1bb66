"""What has been judged of one group: verdicts in order of time, and what they amount to.

The track is what keeps a fault out of its own baseline, and from it alone follow the episodes that become
alerts. Old entries are folded into `Progress`, so the track stays short and nothing is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from shipper.detect.judging.threshold import Verdict
from shipper.detect.rules.rule import Hysteresis


class Entry(NamedTuple):
    """The verdict on the window that starts at `start_us`; the anomaly reaches back to `since_us`."""

    start_us: int
    verdict: Verdict
    since_us: int


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of anomalous windows.

    Attributes:
        start_us: start of the first anomalous window.
        opened_us: start of the window whose verdict opened it.
        last_us: start of the last anomalous window.
        windows: number of anomalous windows.
        ended_us: start of the ordinary windows that ended it; None while it lasts.
        recovered_us: start of the window whose verdict ended it; None while it lasts.
    """

    start_us: int
    opened_us: int
    last_us: int
    windows: int
    ended_us: int | None = None
    recovered_us: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the reading of verdicts stands.

    The open episode, recent entries, ordinary windows in a row, and the end of the episode before, behind
    which a new one does not reach.
    """

    episode: Episode | None = None
    recent: tuple[Entry, ...] = ()
    ordinary_since_us: int | None = None
    ordinary: int = 0
    closed_us: int = 0

    def after(self, entry: Entry, hysteresis: Hysteresis) -> tuple[Progress, Episode | None]:
        """Return the progress after one more entry, and the episode that it ended, if any."""
        if entry.verdict is Verdict.UNKNOWN:
            return self, None
        recent = (*self.recent, entry)[-hysteresis.of :]
        if entry.verdict is Verdict.UNCLEAR:
            return replace(self, recent=recent), None
        if self.episode is None:
            return replace(self, episode=self._opened(recent, hysteresis), recent=recent), None
        if entry.verdict.is_anomalous:
            longer = replace(self.episode, last_us=entry.start_us, windows=self.episode.windows + 1)
            return Progress(longer, recent, closed_us=self.closed_us), None
        since = self.ordinary_since_us if self.ordinary_since_us is not None else entry.start_us
        if self.ordinary + 1 < hysteresis.recover:
            return replace(self, recent=recent, ordinary_since_us=since, ordinary=self.ordinary + 1), None
        ended = replace(self.episode, ended_us=since, recovered_us=entry.start_us)
        return Progress(closed_us=since), ended

    def _opened(self, recent: tuple[Entry, ...], hysteresis: Hysteresis) -> Episode | None:
        anomalous = [entry for entry in recent if entry.verdict.is_anomalous]
        newest = recent[-1]
        if not newest.verdict.is_anomalous:
            return None
        if newest.verdict is not Verdict.STRONG and len(anomalous) < hysteresis.open:
            return None
        first = max(self.closed_us, min(entry.since_us for entry in anomalous))
        return Episode(first, newest.start_us, newest.start_us, len(anomalous))

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads back."""
        episode = self.episode
        return {
            "episode": episode and [episode.start_us, episode.opened_us, episode.last_us, episode.windows],
            "recent": [_packed(entry) for entry in self.recent],
            "ordinary_since": self.ordinary_since_us,
            "ordinary": self.ordinary,
            "closed": self.closed_us,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read a stored progress; KeyError, TypeError or ValueError where it is not one."""
        return cls(
            Episode(*map(int, content["episode"])) if content["episode"] else None,
            tuple(_unpacked(item) for item in content["recent"]),
            content["ordinary_since"],
            int(content["ordinary"]),
            int(content["closed"]),
        )


@dataclass(frozen=True, slots=True)
class Track:
    """Entries of one group by window start, ascending, after `folded`."""

    folded: Progress = Progress()
    entries: tuple[Entry, ...] = ()

    def flagged(self) -> set[int]:
        """Return the starts of the windows that a baseline leaves out: anomalous ones and what led to them."""
        found: set[int] = set()
        since = None
        for entry in reversed(self.entries):
            if entry.verdict.is_anomalous:
                since = entry.since_us if since is None else min(since, entry.since_us)
            if since is not None and entry.start_us >= since:
                found.add(entry.start_us)
            else:
                since = None
        return found

    def with_judged(self, start_us: int, end_us: int, judged: Iterable[Entry]) -> Track:
        """Return the track with all entries inside [start, end) replaced by the newly judged ones."""
        kept = [entry for entry in self.entries if not start_us <= entry.start_us < end_us]
        return replace(self, entries=tuple(sorted([*kept, *judged])))

    def trimmed(self, before_us: int, hysteresis: Hysteresis) -> Track:
        """Return the track with the entries before a moment folded away."""
        progress = self.folded
        for entry in self.entries:
            if entry.start_us < before_us:
                progress, _ = progress.after(entry, hysteresis)
        return Track(progress, tuple(entry for entry in self.entries if entry.start_us >= before_us))

    def episodes(self, hysteresis: Hysteresis) -> list[Episode]:
        """Return all episodes that the entries show, the open one last."""
        progress, found = self.folded, []
        for entry in self.entries:
            progress, ended = progress.after(entry, hysteresis)
            if ended is not None:
                found.append(ended)
        return [*found, progress.episode] if progress.episode is not None else found

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads back."""
        return {"folded": self.folded.to_json(), "entries": [_packed(entry) for entry in self.entries]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read a stored track; KeyError, TypeError or ValueError where it is not one."""
        return cls(
            Progress.from_json(content["folded"]), tuple(_unpacked(item) for item in content["entries"])
        )


def _packed(entry: Entry) -> list[Any]:
    return [entry.start_us, entry.verdict.value, entry.since_us]


def _unpacked(item: Any) -> Entry:
    start, verdict, since = item
    return Entry(int(start), Verdict(verdict), int(since))
