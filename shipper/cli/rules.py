"""`shipper rules`: whether a rules file is right, and what is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shipper.cli.rules_trial import try_rules

if TYPE_CHECKING:
    from shipper.detect.rules.rule import Rule, RuleSet

app = typer.Typer(no_args_is_help=True, help="Check, list, show and try the rules of detection.")

app.command("test")(try_rules)

_LENGTHS = frozenset({"period", "long", "short", "within", "labels_within", "silence", "horizon"})
"""Further keys whose values are lengths of time."""

_HOLD_LENGTHS = frozenset({"burn"})

File = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="Rules file; default: as `detect` reads it.")
]


@app.command("check")
def check(file: File = None) -> None:
    """Check a rules file; all problems are named, each with its line and rule."""
    rules = _load(file)
    count = sum(rule.enabled for rule in rules.rules)
    off = len(rules.rules) - count
    typer.echo(f"{count} rules are right" + (f", {off} more are switched off" if off else "") + ".")


@app.command("list")
def list_command(
    file: File = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the rules with the significance level that each test has with one group."""
    from rich.console import Console
    from rich.table import Table

    from shipper.detect.event_time.window import format_duration
    from shipper.detect.judging.threshold import level_of

    rules = _load(file)
    if as_json:
        typer.echo(json.dumps([rule.model_dump(mode="json") for rule in rules.rules], ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule", no_wrap=True)
    for heading in ("kind", "by", "window", "baseline", "severity", "level"):
        table.add_column(heading, overflow="fold")
    for rule in rules.rules:
        level = (
            f"{level_of(rules.false_alarms, rules.tests, rule.window, 1):.1e}" if rule.is_test else "no test"
        )
        table.add_row(
            rule.id,
            rule.kind,
            "\n".join(rule.group_by) or "everything",
            format_duration(rule.window),
            format_duration(rule.baseline.preceding),
            rule.severity if rule.enabled else "off",
            level,
        )
    Console().print(table)


@app.command("show")
def show(
    rule_id: Annotated[str, typer.Argument(metavar="RULE", help="The rule's id.")], file: File = None
) -> None:
    """Show one rule with all its defaults filled in, as YAML."""
    import difflib

    import yaml

    from shipper.errors import ConfigurationError

    rules = _load(file)
    found = next((rule for rule in rules.rules if rule.id == rule_id), None)
    if found is None:
        near = difflib.get_close_matches(rule_id, [rule.id for rule in rules.rules], n=1)
        hint = f"; did you mean {near[0]}?" if near else "; see `shipper rules list`."
        raise ConfigurationError(f"There is no rule {rule_id}{hint}")
    typer.echo(yaml.safe_dump(_readable(found), sort_keys=False).rstrip())


def _readable(rule: Rule) -> dict[str, object]:
    """Return the rule as a file would say it: lengths of time with their unit."""
    from shipper.detect.event_time.window import format_duration

    content: dict[str, object] = rule.model_dump(mode="json")
    baseline = dict(content["baseline"]) if isinstance(content["baseline"], dict) else {}
    baseline["preceding"] = format_duration(baseline["preceding"])
    window, warm_up = content["window"], content["warm_up"]
    written = {
        "window": format_duration(window) if isinstance(window, int) else window,
        "baseline": baseline,
        "maintenance": [one.as_written() for one in rule.maintenance],
        "warm_up": format_duration(warm_up) if isinstance(warm_up, int) else None,
    }
    return {name: _lengths(name, value) for name, value in (content | written).items()}


def _lengths(name: str, value: object) -> object:
    """Return a value with the lengths of time in it as they are written."""
    from shipper.detect.event_time.window import format_duration

    if isinstance(value, list):
        return [_lengths(name, one) for one in value]
    if isinstance(value, dict) and name in _HOLD_LENGTHS:
        return {key: _lengths(key, one) for key, one in value.items()}
    return format_duration(value) if name in _LENGTHS and isinstance(value, int) else value


def _load(file: Path | None) -> RuleSet:
    from shipper.cli.detect import load
    from shipper.config import load_settings

    return load(file, load_settings())
