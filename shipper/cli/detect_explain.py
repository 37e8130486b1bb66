"""`shipper detect explain`: why a window did or did not alert."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.detect.explain import Explanation, GroupExplanation
    from shipper.detect.rules.rule import Rule, RuleSet


def explain(
    window: Annotated[
        str, typer.Argument(metavar="WINDOW", help="A moment inside the window (ISO 8601, UTC).")
    ],
    rule: Annotated[
        list[str] | None, typer.Option("--rule", help="Only this rule; may be repeated. Default: all.")
    ] = None,
    about: Annotated[
        str, typer.Option("--about", metavar="TEXT", help="Only groups with this text in a value.")
    ] = "",
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Rules file; default: detect.rules, else those that ship.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with the searches that were asked.")
    ] = False,
) -> None:
    """Judge a window again and say why it did or did not alert; nothing is written.

    For each rule and group: what was asked, observed, expected, where ordinary ends, how sure that is, what data
    there was of what it takes.
    """
    from shipper.cli.detect import load, moment_of
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.detect.event_time.window import SECOND_US
    from shipper.detect.explain import explain as explained
    from shipper.elastic.client import connect
    from shipper.errors import ConfigurationError

    settings = load_settings()
    loaded = load(rules, settings)
    chosen = [one for name in rule for one in rules_named(loaded, name)] if rule else list(loaded.active)
    moment = moment_of("WINDOW", window)
    if moment is None:
        raise ConfigurationError("WINDOW is empty; write a moment such as 2026-11-21T10:00:00Z.")
    lateness_us = round(settings.detect.allowed_lateness_s * SECOND_US)
    documents = []
    with connect(settings.elasticsearch) as client:
        for one in chosen:
            found = explained(
                loaded,
                one,
                client,
                SystemClock(),
                moment,
                namespace=settings.namespace,
                lateness_us=lateness_us,
            )
            if as_json:
                documents.append(as_document(found, about))
            else:
                typer.echo("\n".join(lines(found, about)) + "\n")
    if as_json:
        typer.echo(json.dumps(documents, ensure_ascii=False))


def rules_named(rules: RuleSet, name: str) -> list[Rule]:
    """Return the active rule with this id, or those that one of the file is judged as.

    Raises:
        ConfigurationError: there is none; the sentence has a guess.
    """
    import difflib

    from shipper.errors import ConfigurationError

    written = {part.id for one in rules.rules if one.id == name for part in one.judged_as()}
    found = [one for one in rules.active if one.id == name or one.id in written]
    if found:
        return found
    near = difflib.get_close_matches(name, [one.id for one in rules.active], n=1)
    hint = f"did you mean {near[0]}?" if near else "see `shipper rules list`."
    raise ConfigurationError(f"No active rule has the id {name}; {hint}")


def as_document(found: Explanation, about: str = "") -> dict[str, Any]:
    """Return the explanation for scripts; moments as ISO 8601."""
    from shipper.detect.event_time.window import iso

    return {
        "rule": found.rule.id,
        "kind": found.rule.kind,
        "from": iso(found.window.start_us),
        "to": iso(found.window.end_us),
        "notes": list(found.notes),
        "asked": [{"index": index, "body": body} for index, body in found.asked],
        "groups": [_group_document(one) for one in found.groups if _is_about(one, about)],
    }


def _group_document(one: GroupExplanation) -> dict[str, Any]:
    from shipper.detect.statistics.probability import significance

    document: dict[str, Any] = {
        "group": dict(one.group),
        "why": one.why,
        "alerts": [{"id": alert.id, "state": alert.state.value} for alert in one.alerts],
    }
    if one.judgement is None:
        return document | {"verdict": None}
    found = one.judgement.score
    # Not by `asdict`: facts may be a mapping that cannot be copied.
    score = {field.name: _plain(getattr(found, field.name)) for field in fields(found)}
    score |= {
        "score": score.pop("value"),
        "facts": {name: _plain(value) for name, value in found.facts.items()},
    }
    return document | {
        "verdict": one.judgement.verdict.name.lower(),
        "unit": one.unit,
        "level": one.judgement.level,
        "score_needed": significance(one.judgement.level),
        **score,
    }


def _plain(value: Any) -> Any:
    """Return a number or truth of numpy as Python's own: they look the same but cannot be written as JSON."""
    return value.item() if hasattr(value, "item") else value


def lines(found: Explanation, about: str = "") -> Iterator[str]:
    """Yield the explanation for a person."""
    from shipper.alert.wording import moment_text

    rule = found.rule
    yield f"Rule {rule.id} ({rule.kind}): {rule.title}"
    yield f"  window     {moment_text(found.window.start_us)} to {moment_text(found.window.end_us)}"
    yield f"  asked      {_asked(found)}"
    for note in found.notes:
        yield f"  note       {note}"
    groups = [one for one in found.groups if _is_about(one, about)]
    if not groups:
        yield "  result     no events in the window or in the baseline before it"
    for one in groups:
        for name, value in _rows(one, is_test=rule.is_test):
            yield f"  {name:<10} {value}"


def _rows(one: GroupExplanation, *, is_test: bool) -> Iterator[tuple[str, str]]:
    from shipper.alert.wording import group_text, number
    from shipper.detect.statistics.probability import significance

    yield "about", group_text({name: value for name, value in one.group.items() if value is not None})
    if one.judgement is not None:
        score = one.judgement.score
        for name, value in (
            ("observed", score.observed),
            ("expected", score.expected),
            ("threshold", score.threshold),
        ):
            if value is not None:
                yield f"  {name}", number(value, one.unit)
        if score.value is not None and is_test:
            needed = significance(one.judgement.level)
            yield "  chance", f"10^-{score.value:.1f} if nothing were wrong; below 10^-{needed:.1f} counts"
        yield "  data", f"{score.have} of {score.need} {score.missing or 'needed'}"
        yield "  verdict", one.judgement.verdict.name.lower()
    yield "  why", one.why
    for alert in one.alerts:
        yield "  alert", f"{alert.id[:8]} ({alert.state.value})"


def _asked(found: Explanation) -> str:
    from shipper.detect.event_time.window import format_duration

    rule = found.rule
    index = ", ".join(dict.fromkeys(index for index, _ in found.asked)) or rule.dataset
    terms = "".join(f", {name} = {value}" for name, value in rule.filter.items())
    by = f" and {', '.join(rule.group_by)}" if rule.group_by else ""
    back = format_duration(rule.baseline.preceding)
    return f"{index}{terms}: per {format_duration(rule.window)}{by}, with {back} before"


def _is_about(one: GroupExplanation, about: str) -> bool:
    return not about or any(about in (value or "") for value in one.group.values())
