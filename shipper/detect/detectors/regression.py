"""A resolved error that occurs again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Final

from shipper.detect.detectors.base import FixedStandard, Reference, Score, not_enough
from shipper.detect.detectors.new_values import SLASH
from shipper.detect.event_time.window import iso
from shipper.detect.fetching.resolved import Act, ResolvedError
from shipper.detect.fetching.table import Table
from shipper.detect.statistics.probability import MAX_SCORE

AGAIN: Final = "again"
"""Block of sightings, each part a `label`."""

_LONGEST: Final = 300


def label(act: Act, error: ResolvedError, version: str) -> str:
    """Return the name of the column of sightings in a version, with what is to be told of them."""
    told = [error.error[:_LONGEST], error.is_exception, act.by, iso(act.at_us)[:16], act.version, version]
    return json.dumps(told, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Regression(FixedStandard):
    """Any sighting of an error after the moment at which somebody declared it resolved.

    Idea: one sighting is enough: somebody has said that there would be none. Which sightings count (later, and not of an older
    version) is decided where they are counted.
    Fails: a resolution that was declared before the last machine had the new version, where no version is given.
    Cost: one column per resolution and version.
    Source: the state "resolved" of issue trackers, and their "regression".
    """

    unit: ClassVar[str] = "events"
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - no test
        """See `Detector.score`; observed is the number of sightings, none is expected."""
        counts = current.block(AGAIN)[0]
        seen = float(counts.sum())
        if seen <= 0 and reference.baseline.block(AGAIN).sum() <= 0:
            return not_enough(0, 1, "sightings since it was resolved")
        if seen <= 0:
            return Score(0.0, 0.0, observed=0.0, expected=0.0, threshold=1.0)
        names = current.parts(AGAIN)
        first = names[max(range(len(names)), key=lambda place: (counts[place], names[place]))]
        error, is_exception, by, at, fixed_in, version = json.loads(first.replace(SLASH, "/"))
        facts: dict[str, str | int | float | bool] = {
            "error_type" if is_exception else "template": error,
            "resolved_by": by,
            "resolved_at": f"{at}Z",
        }
        facts |= {"resolved_in": fixed_in} if fixed_in else {}
        facts |= {"seen_in": version} if version else {}
        often = "once" if seen == 1 else f"{int(seen)} times"
        facts["words"] = (
            f"regression of {error}: resolved by {by} on {at.replace('T', ' ')} UTC"
            f"{f' in version {fixed_in}' if fixed_in else ''}, seen again {often}"
            f"{f' in version {version}' if version else ''}"
        )
        return Score(
            value=MAX_SCORE,
            effect=seen,
            is_effective=True,
            observed=seen,
            expected=0.0,
            threshold=1.0,
            count=int(seen),
            have=int(seen),
            facts=facts,
        )
