"""An error that was never seen before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np

from shipper.detect.detectors.base import Enough, Reference, Score
from shipper.detect.detectors.new_values import SLASH
from shipper.detect.fetching.table import Floats, Ints, Table
from shipper.detect.statistics.probability import significance
from shipper.detect.templates.forms import Form, fingerprint
from shipper.detect.templates.mining import covers, mined

EXCEPTIONS: Final = "exceptions"
"""Block of errors that have a fingerprint, each part `<fingerprint> <type>`."""

MESSAGES: Final = "messages"
"""Block of errors that have a message alone, each part the form of it."""

_ENOUGH: Final = Enough(samples=1, baseline_windows=24)


class _Sighting(NamedTuple):
    fingerprint: str
    error_type: str
    template: str
    times: float


@dataclass(frozen=True, slots=True)
class NewError:
    """Errors whose fingerprint the baseline has none of, unless new ones are what this service always has.

    Idea: a form that no ordinary window has, and that no template mined from their forms covers, is new. How improbable
    that is, its own baseline says: it is the share of the windows of the newer half that had first sightings of their
    own, half as many at least; none had: zero. So a service whose messages cannot be masked well grows quiet instead
    of telling something new each quarter of an hour, until there is much more that is new than there ever was.
    Windows in which a new error was told are not in the baseline: the alert lasts as long as the error, and an error
    that comes back after its alert ended is told again, as the regression that it is.
    Fails: an error that comes less often than the baseline is long is new each time; two errors with one form
    are one; of a window with more than 1000 different texts the rare ones are not seen.
    Cost: one column per fingerprint; forms are mined once per window that has a form the baseline has not.
    Source: Good (1953): what has not been seen is as probable as first sightings have been of late.

    Attributes:
        minimum_count: least events with new errors in the window.
    """

    minimum_count: int = 1
    enough: Enough = _ENOUGH
    unit: ClassVar[str] = "events"
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - a new error needs none
        """See `Detector.score`; observed is the number of events with new errors, expected is none."""
        baseline = reference.baseline
        total, events = current.column("events")[0], baseline.column("events")
        lacking = self.enough.lacking(total, float(events.sum()), int((events > 0).sum()))
        if lacking is not None:
            return lacking
        new = sorted(_new(current, baseline), key=lambda one: (-one.times, one.fingerprint))
        if not new:
            return Score(0.0, 0.0, observed=0.0, expected=0.0, threshold=0.0, count=int(total))
        seen = sum(one.times for one in new)
        chance = float((_first_sightings(baseline) >= len(new) / 2).mean())
        return Score(
            value=significance(chance),
            effect=seen,
            is_effective=seen >= self.minimum_count,
            observed=seen,
            expected=0.0,
            threshold=float(self.minimum_count - 1),
            count=int(total),
            have=int(total),
            need=self.enough.samples,
            facts={
                "fingerprint": new[0].fingerprint,
                "error_type": new[0].error_type,
                "template": _short(new[0].template, 500),
                "new_errors": len(new),
                "words": _words(new),
            },
        )


def _words(new: list[_Sighting]) -> str:
    first = new[0].error_type or _short(new[0].template, 160)
    more = f" and {len(new) - 1} more" if len(new) > 1 else ""
    return f"an error never seen before: {first}{more}, {int(sum(one.times for one in new))} times"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rpartition(' ')[0] or text[: most - 1]}…"


def _new(current: Table, baseline: Table) -> Iterator[_Sighting]:
    past = baseline.block(EXCEPTIONS).sum(axis=0)
    for part, count in _fresh(current, EXCEPTIONS, past):
        identity, _, kind = part.partition(" ")
        yield _Sighting(identity, kind.replace(SLASH, "/"), "", count)
    past = baseline.block(MESSAGES).sum(axis=0)
    fresh = list(_fresh(current, MESSAGES, past))
    if not fresh:
        return
    lengths = {part.count(" ") for part, _ in fresh}
    known = [
        _form(part)
        for part, count in zip(baseline.parts(MESSAGES), past, strict=True)
        if count > 0 and part.count(" ") in lengths
    ]
    templates = {template for form, template in mined(known).items() if template != form}
    for part, count in fresh:
        form = _form(part)
        if not any(covers(template, form) for template in templates):
            yield _Sighting(fingerprint(form), "", " ".join(form), count)


def _fresh(current: Table, block: str, past: Floats) -> Iterator[tuple[str, float]]:
    before = dict(zip(current.parts(block), past, strict=True)) if len(past) else {}
    for part, count in zip(current.parts(block), current.block(block)[0], strict=True):
        if count > 0 and before.get(part, 0.0) == 0:
            yield part, float(count)


def _form(part: str) -> Form:
    return tuple(part.replace(SLASH, "/").split(" "))


def _first_sightings(baseline: Table) -> Ints:
    """Return for each window of the newer half how many errors it has that none before it has."""
    firsts = np.zeros(len(baseline), dtype=np.int64)
    for block in (EXCEPTIONS, MESSAGES):
        counts = baseline.block(block)
        if counts.size:
            rows = (counts > 0).argmax(axis=0)[counts.any(axis=0)]
            firsts += np.bincount(rows, minlength=len(baseline))
    return firsts[len(baseline) // 2 :]
