"""The reference page of typed events, from the builders' signatures and docstrings, the schema, and real documents."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from shipper.emit import events
from shipper.schema.table import Field, Table
from shipper.testing import capture

PAGE: Final = "docs/reference/events.md"

_INTRODUCTION: Final = """# Typed events

Generated from the builders of `shipper.events` and from `schema/` by `shipper schema generate`; do not edit.

A builder returns the fields of one event; `events.log(log, event)` logs it with a logger of structlog or of
`logging`. Blocks and decorators build and log by themselves. Each event below has its arguments, the fields that
it can hold, and an example with the document that it really becomes; what every document carries besides (`@timestamp`,
`event.id`, service, host, git, model, context) stands in [document.md](document.md), all fields in [fields.md](fields.md).
Programs that run: [examples/events](../../examples/events/README.md).

What is None or empty is left out. Nothing raises for an odd value: what does not fit its field becomes a label.

| event | `event.dataset` | `event.action` | what it tells |
|---|---|---|---|
"""

_BLOCKS: Final[tuple[Callable[..., Any], ...]] = (
    events.log,
    events.inference,
    events.logged_inference,
    events.InferenceBatch,
    events.TrainingRun,
    events.preprocessing,
    events.process_resources,
)
_HELPERS: Final = {"evaluation": ("evaluating",), "prediction": ("features",)}
"""Modules beside a builder's own function that name fields of its event."""

_ACTIONS: Final = {"deployment": "`deploy`, `rollback`"}
"""Actions of builders that have a choice."""

_ALWAYS: Final = ("event.dataset", "event.kind", "event.action")
_FIELD: Final = re.compile(r"(?:event|ml|git)(?:\.[a-z0-9_]+)+")


@dataclass(slots=True)
class _Text:
    """A docstring taken apart."""

    prose: list[str] = field(default_factory=list)
    sections: dict[str, dict[str, str]] = field(default_factory=dict)


def events_page(table: Table) -> str:
    """Return `docs/reference/events.md`."""
    built = [(builder, *_example(builder)) for builder in events.BUILDERS]
    lines = [_INTRODUCTION]
    for builder, _, document in built:
        name, event = builder.__name__, document["event"]
        summary = _taken_apart(builder).prose[0].split("\n\n")[0].replace("\n", " ")
        first = summary.partition(". ")[0].rstrip(".")
        actions = _ACTIONS.get(name, f"`{event['action']}`")
        lines.append(f"| [{name}](#{name}) | `{event['dataset']}` | {actions} | {first}. |\n")
    for builder, source, document in built:
        lines += _event(table, builder, source, document)
    lines.append("\n# Blocks, decorators and calls\n")
    for block in _BLOCKS:
        lines += _block(block)
    return "".join(lines)


def fields_of(table: Table, builder: Callable[..., Any]) -> list[Field]:
    """Return the fields that a builder's event can hold, in the order of the schema: those that its source names."""
    modules = [
        importlib.import_module(f"shipper.emit.events.{name}") for name in _HELPERS.get(builder.__name__, ())
    ]
    sources = [inspect.getsource(part) for part in (inspect.unwrap(builder), *modules)]
    named = {*_ALWAYS}
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.update(_FIELD.findall(node.value) if _FIELD.match(node.value) else ())
    return [row for row in table.fields if row.name in named]


def _event(table: Table, builder: Callable[..., Any], source: str, document: dict[str, Any]) -> Iterable[str]:
    text = _taken_apart(builder)
    yield f"\n## {builder.__name__}\n\n"
    yield "\n".join(text.prose) + "\n"
    shown = json.dumps(document, indent=2, ensure_ascii=False)
    yield f"\n```python\n{source}\n```\n\nbecomes\n\n```json\n{shown}\n```\n"
    yield from _arguments(builder, text)
    yield "\n| field | type | unit | privacy | meaning |\n|---|---|---|---|---|\n"
    for row in fields_of(table, builder):
        yield f"| `{_shown(row)}` | {row.type} | {row.unit} | {row.privacy} | {row.meaning} |\n"


def _shown(row: Field) -> str:
    return f"{row.name}.<name>" if row.type in ("doubles", "keywords") else row.name


def _block(block: Callable[..., Any]) -> Iterable[str]:
    text = _taken_apart(block)
    yield f"\n## events.{block.__name__}\n\n"
    yield "\n".join(text.prose) + "\n"
    yield from _arguments(block, text)
    if "Attributes" in text.sections:
        yield "\n| attribute | meaning |\n|---|---|\n"
        for name, meaning in text.sections["Attributes"].items():
            yield f"| `{name}` | {_cell(meaning)} |\n"


def _arguments(function: Callable[..., Any], text: _Text) -> Iterable[str]:
    parameters = inspect.signature(function).parameters.values()
    if not parameters:
        return
    yield "\n| argument | type | default | meaning |\n|---|---|---|---|\n"
    for one in parameters:
        star = "**" if one.kind is one.VAR_KEYWORD else "*" if one.kind is one.VAR_POSITIONAL else ""
        is_free = bool(star) or one.default is one.empty
        default = "" if is_free else f"`{one.default!r}`" if _is_plain(one.default) else "the system's"
        meaning = text.sections.get("Args", {}).get(one.name, "")
        yield f"| `{star}{one.name}` | `{_cell(str(one.annotation))}` | {default} | {_cell(meaning)} |\n"


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float, tuple))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _example(builder: Callable[..., Any]) -> tuple[str, dict[str, Any]]:
    """Run the example of a builder's docstring; return its source and the document that its event becomes."""
    example = doctest.DocTestParser().get_examples(inspect.getdoc(builder) or "")[0]
    names: dict[str, Any] = {builder.__name__: builder}
    exec(compile(example.source, builder.__name__, "exec"), names)  # noqa: S102 - our own docstring
    with capture() as records:
        events.log(None, names["event"])
    document = records.documents[0]
    for name in ("id", "sequence"):
        del document["event"][name]
    kept: dict[str, Any] = {
        name: document[name] for name in ("event", "message", "ml", "git", "labels") if name in document
    }
    if "git.commit" not in names["event"]:
        kept.pop("git", None)
    kept["log"] = {"level": document["log"]["level"]}
    return example.source.strip().replace(f"= {builder.__name__}(", f"= events.{builder.__name__}(", 1), kept


def _taken_apart(function: Callable[..., Any]) -> _Text:
    """Split a docstring into prose (examples as code) and its sections by name."""
    found = _Text()
    section: dict[str, str] | None = None
    last: list[str] = []
    in_code = False
    for line in [*(inspect.getdoc(function) or "").splitlines(), ""]:
        if (head := re.fullmatch(r"(Args|Attributes|Raises):", line)) is not None:
            section = found.sections.setdefault(head[1], {})
        elif section is not None:
            if (item := re.match(r"    ([\w, ]+): (.*)", line)) is not None:
                last = [name.strip() for name in item[1].split(",")]
                section.update(dict.fromkeys(last, item[2]))
            elif line.strip():
                section.update({name: f"{section[name]} {line.strip()}" for name in last})
        elif line.endswith("::"):
            in_code = True
            found.prose += [line[:-1] if line != "::" else "", "```python"]
        elif in_code and line and not line.startswith(" "):
            in_code = False
            found.prose += [*_closed(found.prose), line]
        else:
            found.prose.append(line.removeprefix("    ") if in_code else line)
    if in_code:
        found.prose += _closed(found.prose)
    found.prose = _without_examples(found.prose)
    return found


def _closed(prose: list[str]) -> list[str]:
    """Take blank lines from the end of a block of code and from its beginning; return what closes it."""
    while prose and not prose[-1]:
        prose.pop()
    start = len(prose) - 1 - prose[::-1].index("```python")
    while prose[start + 1] == "":
        prose.pop(start + 1)
    return ["```", ""]


def _without_examples(prose: list[str]) -> list[str]:
    """Leave out doctests, which the page shows with their documents, and blank lines that follow each other."""
    kept: list[str] = []
    in_example = False
    for line in prose:
        in_example = line.startswith(">>>") or (in_example and line != "")
        if not in_example and (line or (kept and kept[-1])):
            kept.append(line)
    while kept and not kept[-1]:
        kept.pop()
    return kept
