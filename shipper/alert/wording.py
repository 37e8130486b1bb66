"""Alerts in words: one sentence, and numbers with their unit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from shipper.alert.alert import Alert
from shipper.alert.finding import Measured, RuleFacts

_FORMATS: Final[Mapping[str, str]] = {
    "share": "{:.1%}",
    "events": "{:.0f} events",
    "burn": "{:.1f} times",
    "s": "{:.3g} s",
    "moved": "{:.1%} of its values elsewhere",
}


def number(value: float, unit: str) -> str:
    """Return a number as a person reads it: shares in percent, nanoseconds in the unit that fits."""
    if unit == "ns":
        for factor, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
            if abs(value) >= factor:
                return f"{value / factor:.3g} {name}"
        return f"{value:.0f} ns"
    if unit == "s" and value >= 120:
        return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"
    return _FORMATS.get(unit, "{:.4g}").format(value)


def group_text(group: Mapping[str, str]) -> str:
    """Return `service.name api, ml.model.version 2`, or `everything`."""
    return ", ".join(f"{name} {value}" for name, value in group.items()) or "everything"


def moment_text(moment_us: int) -> str:
    """Return `2026-11-21 10:15 UTC`."""
    return f"{datetime.fromtimestamp(moment_us // 1_000_000, UTC):%Y-%m-%d %H:%M} UTC"


def sentence(rule: RuleFacts, group: Mapping[str, str], start_us: int, measured: Measured) -> str:
    """Return the alert's one sentence."""
    about = f"since {moment_text(start_us)}, for {group_text(group)}"
    words = measured.facts.get("words")
    if isinstance(words, str):
        return f"{rule.name}: {words}, {about}"
    feature, against = measured.facts.get("feature"), measured.facts.get("against")
    seen = number(measured.observed, measured.unit)
    if isinstance(feature, str):
        return f"{rule.name}: {feature} has {seen}, ordinary is up to {measured.threshold:.1%}, {about}"
    beside = f" ({against.replace('_', ' ')})" if isinstance(against, str) else ""
    return (
        f"{rule.name}: {seen} where {number(measured.expected, measured.unit)}{beside} was expected, {about}"
    )


def suspects_text(alert: Alert, limit: int = 3) -> str:
    """Return the first suspects, commits shortened."""
    shown = [
        f"{suspect.kind} {suspect.value[:10] if suspect.kind == 'commit' else suspect.value}"
        for suspect in alert.evidence.suspects[:limit]
    ]
    more = len(alert.evidence.suspects) - limit
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
