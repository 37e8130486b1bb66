"""Which events show what was found about a training run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipper.alert.finding import Fact
from shipper.detect.fetching.query import Condition
from shipper.detect.rules.training_rule import TrainingRule

_METRICS: Final = "ml.metrics."
_ENDED: Final = ("failed", "killed")


def training_bad(
    rule: TrainingRule, facts: Mapping[str, Fact]
) -> tuple[tuple[Condition, ...], tuple[str, str] | None]:
    """Return what makes an event one that shows the finding, and by what the worst come first."""
    if rule.check == "nonfinite":
        metrics = facts.get("metrics", ())
        names = [f"{_METRICS}{name}" for name in metrics] if isinstance(metrics, tuple) else []
        return ({"terms": {"ml.nonfinite": names}},), ("@timestamp", "asc")
    if has_said_end(facts):
        return ({"term": {"event.action": "train-end"}},), None
    if rule.check == "slower":
        return ({"exists": {"field": "event.duration"}},), None
    if rule.check in ("loss_spike", "out_of_band"):
        is_upward = rule.better == "lower" or rule.check == "out_of_band"
        return ({"exists": {"field": rule.field}},), (rule.field, "desc" if is_upward else "asc")
    return (), None


def is_before(rule: TrainingRule, facts: Mapping[str, Fact]) -> bool:
    """Return whether the events that show it are the last ones before it: there are none in it."""
    return rule.check in ("stalled", "killed") and not has_said_end(facts)


def has_said_end(facts: Mapping[str, Fact]) -> bool:
    """Return whether the run itself said how it ended."""
    return facts.get("process") in _ENDED
