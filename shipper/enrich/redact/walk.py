"""A whole document, redacted in place."""

from __future__ import annotations

from typing import Protocol

from shipper.enrich.redact.spans import marked
from shipper.treatment import Treatment

Tree = dict[str, object]

_DEEPEST = 64


class TextRedaction(Protocol):
    """What is asked for each value."""

    def treatment(self, path: str, /) -> Treatment:
        """Return what happens to the value at a path."""
        ...

    def scan(self, text: str, /) -> str:
        """Return a text without what is to be redacted."""
        ...

    def mask(self, path: str, text: str, /) -> str:
        """Return what stands in place of a masked text."""
        ...

    def pseudonym(self, text: str, /) -> str:
        """Return what stands in place of a text that becomes a pseudonym."""
        ...


def redact_tree(redaction: TextRedaction, tree: Tree) -> None:
    """Redact names and values of a nested document; a number whose text was masked leaves `numeric_labels`, too."""
    labels = tree.get("labels")
    before = dict(labels) if isinstance(labels, dict) else {}
    _redact_object(redaction, tree, "", 0)
    labels, numbers = tree.get("labels"), tree.get("numeric_labels")
    if isinstance(labels, dict) and isinstance(numbers, dict):
        masked = {
            _number(value)
            for name, value in before.items()
            if labels.get(name, value) != value and redaction.treatment(f"labels.{name}") is Treatment.SCAN
        } - {None}
        for name in [name for name, value in numbers.items() if masked and _number(value) in masked]:
            del numbers[name]
    for root in ("labels", "numeric_labels"):
        if tree.get(root) == {}:
            del tree[root]


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, (str, int, float)) else None
    except (ValueError, OverflowError):
        return None


def _redact_object(redaction: TextRedaction, tree: Tree, prefix: str, depth: int) -> None:
    for name in list(tree):
        value = tree[name]
        if isinstance(value, dict):
            _redact_branch(redaction, tree, name, value, prefix, depth)
            continue
        place, treatment = name, redaction.treatment(prefix + name)
        if treatment is Treatment.RENAME:
            del tree[name]
            place = _renamed(redaction, tree, name)
            tree[place] = value
            treatment = redaction.treatment(prefix + place)
        if treatment is Treatment.DROP:
            del tree[place]
        elif treatment is not Treatment.PASS:
            tree[place] = _redacted(redaction, treatment, value, prefix + place, depth)


def _redact_branch(
    redaction: TextRedaction, tree: Tree, name: str, value: Tree, prefix: str, depth: int
) -> None:
    place = name
    if redaction.scan(name) != name:
        del tree[name]
        place = _renamed(redaction, tree, name)
        tree[place] = value
    if depth >= _DEEPEST:
        tree[place] = marked("text")
        return
    had_members = bool(value)
    _redact_object(redaction, value, f"{prefix}{place}.", depth + 1)
    if had_members and not value:
        del tree[place]


def _redacted(  # noqa: PLR0911 - one line per kind of value
    redaction: TextRedaction, treatment: Treatment, value: object, path: str, depth: int
) -> object:
    if isinstance(value, (list, dict)):
        if depth >= _DEEPEST:
            return marked("text")
        if isinstance(value, list):
            return [_redacted(redaction, treatment, part, path, depth + 1) for part in value]
        _redact_object(redaction, value, f"{path}.", depth + 1)
        return value
    if value is None or isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else str(value)
    if treatment is Treatment.MASK:
        return redaction.mask(path, text)
    if treatment is Treatment.PSEUDONYM:
        return redaction.pseudonym(text)
    scanned = redaction.scan(text)
    return value if scanned == text else scanned


def _renamed(redaction: TextRedaction, tree: Tree, name: str) -> str:
    """Return a name without what it gave away, not yet taken."""
    clean = redaction.scan(name)
    if clean == name:
        clean = redaction.scan(name.replace("_", ".")).replace(".", "_")
    if clean not in tree:
        return clean
    for suffix in range(2, 1000):
        if f"{clean}_{suffix}" not in tree:
            return f"{clean}_{suffix}"
    return f"{clean}_1000"
