"""`shipper rules test`: what rules would have told of the last hours; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from shipper.alert.finding import Finding
    from shipper.detect.rules.rule import Rule, RuleSet
    from shipper.detect.trial import Trial


def try_rules(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Rules file; default: as `detect` reads it.")
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule", help="Only this rule, switched on or not; may be repeated. Default: all that are on."
        ),
    ] = None,
    last: Annotated[str, typer.Option("--last", help="How far back, for example 6h or 2d.")] = "24h",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try rules on what is stored: the alerts that they would have raised, and what data they lack. Nothing is written.

    What they are worth against known faults says `shipper detect backtest`.
    """
    from shipper.cli.detect import load
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.detect.event_time.window import SECOND_US, parse_duration
    from shipper.detect.trial import tried
    from shipper.elastic.client import connect
    from shipper.errors import ConfigurationError

    settings = load_settings()
    loaded = load(file, settings)
    those = chosen(loaded, rule or [])
    try:
        length_us = parse_duration(last)
    except ValueError as error:
        raise ConfigurationError(f"--last: {error}.") from error
    end_us = SystemClock().now_us() - round(settings.detect.allowed_lateness_s * SECOND_US)
    budget = (loaded.false_alarms, max(1, loaded.tests))
    documents = []
    with connect(settings.elasticsearch) as client:
        for one in those:
            trial = tried(one, budget, client, settings.namespace, (end_us - length_us, end_us))
            if as_json:
                documents.append(_document(trial))
            else:
                typer.echo("\n".join(_lines(trial)))
    if as_json:
        typer.echo(json.dumps(documents, ensure_ascii=False))


def chosen(rules: RuleSet, names: list[str]) -> list[Rule]:
    """Return the named rules, switched on or not; without names those that are on.

    Raises:
        ConfigurationError: there is no such rule; the sentence has a guess.
    """
    import difflib

    from shipper.errors import ConfigurationError

    if not names:
        return list(rules.active)
    parts = {rule.id: rule.judged_as() for rule in rules.rules}
    parts |= {one.id: (one,) for some in list(parts.values()) for one in some if one.id not in parts}
    for name in names:
        if name not in parts:
            near = difflib.get_close_matches(name, list(parts), n=1)
            hint = f"did you mean {near[0]}?" if near else "see `shipper rules list`."
            raise ConfigurationError(f"There is no rule {name}; {hint}")
    return [one for name in names for one in parts[name]]


def _lines(trial: Trial) -> Iterator[str]:
    windows = f"{trial.windows} windows of {len(trial.groups)} groups"
    unknown = f", {trial.unknown} without enough data" if trial.unknown else ""
    alerts = len(trial.findings)
    yield (
        f"{trial.rule.id} ({trial.rule.kind}): {windows}{unknown}, {trial.anomalous} anomalous; "
        f"{alerts or 'no'} alert{'' if alerts == 1 else 's'}"
    )
    for one in trial.findings:
        yield f"  {_sentence(one)} ({_until(one)})"
    if not trial.windows:
        yield f"  No event in {trial.rule.dataset} fits the rule: nothing was judged."
    for lacking in trial.waiting:
        yield f"  {lacking.group}: not enough data, {lacking.have} of {lacking.need} {lacking.missing}"
    for note in dict.fromkeys(trial.notes):
        yield f"  {note}"


def _sentence(one: Finding) -> str:
    from shipper.alert.wording import group_text, moment_text, sentence

    group = {name: value for name, value in one.group.items() if value is not None}
    if one.measured is None:
        return f"{one.rule.name}: since {moment_text(one.start_us)}, for {group_text(group)}"
    return sentence(one.rule, group, one.start_us, one.measured)


def _until(one: Finding) -> str:
    from shipper.alert.wording import moment_text

    return "lasts" if one.ended_us is None else f"until {moment_text(one.ended_us)}"


def _document(trial: Trial) -> dict[str, Any]:
    from shipper.detect.event_time.window import iso

    return {
        "rule": trial.rule.id,
        "kind": trial.rule.kind,
        "windows": trial.windows,
        "unknown": trial.unknown,
        "anomalous": trial.anomalous,
        "groups": len(trial.groups),
        "alerts": [
            {
                "message": _sentence(one),
                "group": {name: value for name, value in one.group.items() if value is not None},
                "start": iso(one.start_us),
                "detected": iso(one.detected_us),
                "end": iso(one.ended_us) if one.ended_us is not None else None,
            }
            for one in trial.findings
        ],
        "waiting": [
            {"group": one.group, "have": one.have, "need": one.need, "missing": one.missing}
            for one in trial.waiting
        ],
        "notes": list(dict.fromkeys(trial.notes)),
    }
