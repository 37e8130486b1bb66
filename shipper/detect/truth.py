"""What really went wrong, as a person wrote it down: the file that a backtest is measured by.

CSV with a header (`start,end`, and if wanted `group` and `name`), or YAML: a list of mappings with the same keys,
or a mapping whose key `faults` is such a list. `start` and `end` are moments (UTC where no zone is given); `group`
is `field=value`, several joined by `;`, or in YAML a mapping as well.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from shipper.detect.event_time.window import iso, parse_iso
from shipper.errors import ConfigurationError

_KEYS: Final = ("start", "end", "group", "name")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was wrong from `start_us` up to `end_us`, with what has these values (empty: everything)."""

    start_us: int
    end_us: int
    group: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    def concerns(self, group: Mapping[str, str]) -> bool:
        """Whether an alert about this group may be about the fault.

        A field that the alert's rule does not group by is not held against it.
        """
        return all(group[key] == value for key, value in self.group.items() if key in group)


def load_truth(path: Path) -> tuple[Fault, ...]:
    """Read a file of faults, in order of time.

    Raises:
        ConfigurationError: it cannot be read, or a row is wrong; one sentence with all problems.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The truth file {path} cannot be read: {error}.") from error
    problems: list[str] = []
    found: list[Fault] = []
    try:
        rows = list(_csv(text) if path.suffix.lower() == ".csv" else _yaml(text))
    except (yaml.YAMLError, csv.Error, ValueError) as error:
        raise ConfigurationError(f"The truth file {path} cannot be used: {error}.") from error
    for where, row in rows:
        try:
            found.append(_fault(row))
        except ValueError as error:
            problems.append(f"{where}: {error}")
    if problems:
        raise ConfigurationError(f"The truth file {path} cannot be used: {'; '.join(problems)}.")
    return tuple(sorted(found, key=lambda one: (one.start_us, one.end_us, one.name)))


def _csv(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
    for row in reader:
        if None in row:
            raise ValueError(f"line {reader.line_num} has more fields than the header names")
        yield (
            f"line {reader.line_num}",
            {str(name).strip(): value for name, value in row.items() if value not in (None, "")},
        )


def _yaml(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    content = yaml.safe_load(text)
    rows = content.get("faults") if isinstance(content, dict) else content
    if rows is None and not content:
        return
    if not isinstance(rows, list):
        raise yaml.YAMLError("it must be a list of faults, or have one under the key faults")
    for place, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise yaml.YAMLError(f"fault {place} is no mapping with start and end")
        yield f"fault {place}", row


def _fault(row: Mapping[str, Any]) -> Fault:
    for key in row:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_KEYS)}"
            raise ValueError(f"unknown key {key}, {hint}")
    start, end = (_moment(row, key) for key in ("start", "end"))
    if end <= start:
        raise ValueError(f"end {iso(end)} does not lie after start {iso(start)}")
    return Fault(start, end, _group(row.get("group")), str(row.get("name") or ""))


def _moment(row: Mapping[str, Any], key: str) -> int:
    value = row.get(key)
    if value is None:
        raise ValueError(f"{key} is missing")
    text = value.isoformat() if isinstance(value, date | datetime) else str(value)
    try:
        return parse_iso(text)
    except ValueError:
        raise ValueError(f"{key}: {text!r} is not a moment such as 2026-11-21T10:00:00Z") from None


def _group(value: object) -> dict[str, str]:
    if not value:
        return {}
    if isinstance(value, dict):
        return {str(name): str(one) for name, one in value.items()}
    pairs = [part.partition("=") for part in str(value).split(";")]
    if any(not sign or not name.strip() for name, sign, _ in pairs):
        raise ValueError(f"group: {value!r} is not field=value, such as service.name=api")
    return {name.strip(): one.strip() for name, _, one in pairs}
