"""One stored document as one line (or a few) of a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from rich.text import Text

_STYLES: Final = {
    "debug": "dim",
    "info": "green",
    "warning": "yellow",
    "error": "bold red",
    "critical": "bold white on red",
}
_KEYS: Final = (
    ("ml.model.name", "model"),
    ("ml.model.version", "version"),
    ("git.commit", "commit"),
    ("event.action", "action"),
    ("ml.run.id", "run"),
    ("ml.prediction.id", "prediction"),
    ("trace.id", "trace"),
)
_COMMIT_LENGTH: Final = 10
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LABELS_SHOWN: Final = 8


def log_line(source: Mapping[str, Any], *, with_trace: bool = False) -> Text:
    """Return time, level, service, message and what else tells where it comes from.

    Args:
        with_trace: add the stack trace of an error, whole.
    """
    level = _text(source, "log.level")
    message = _text(source, "message")
    line = Text()
    line.append(_time(_text(source, "@timestamp")), style="cyan")
    line.append(f" {level.upper():8}", style=_STYLES.get(level, ""))
    line.append(f" {_text(source, 'service.name') or '-'}", style="magenta")
    line.append(f"  {message}", style="bold" if level in ("error", "critical") else "")
    error_type, error_message = _text(source, "error.type"), _text(source, "error.message")
    if error_type and (not error_message or error_message not in message):
        line.append(f"  {error_type}: {error_message}", style="red")
    for key, value in _pairs(source):
        line.append(f"  {printable(key)}=", style="dim")
        line.append(printable(value), style="dim")
    stack_trace = _text(source, "error.stack_trace")
    if with_trace and stack_trace:
        line.append("\n" + "\n".join(f"    {row}" for row in stack_trace.splitlines()), style="red")
    return line


def _text(source: Mapping[str, Any], name: str) -> str:
    value = field(source, name)
    return "" if value is None else printable(str(value))


def printable(text: str) -> str:
    """Return text that does nothing to a terminal but appear: a record may hold escape sequences."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def field(source: Mapping[str, Any], name: str) -> object:
    """Return a field of a stored document by its full name, nested or written with dots; None if absent."""
    value: Any = source
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return source.get(name) if value is None else value


def _pairs(source: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, short in _KEYS:
        value = field(source, name)
        if value is not None:
            text = str(value)
            yield short, text[:_COMMIT_LENGTH] if short == "commit" else text
    metrics = field(source, "ml.metrics")
    labels = source.get("labels")
    for group in (metrics, labels):
        if isinstance(group, Mapping):
            for key, value in list(group.items())[:_LABELS_SHOWN]:
                yield str(key), f"{value:.4g}" if isinstance(value, float) else str(value)


def _time(text: str) -> str:
    """Return the time in UTC to the millisecond; what is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"
