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
    masked_numbers: set[float] = set()
    labels = tree.get("labels")
    before = dict(labels) if isinstance(labels, dict) else {}
    _redact_object(redaction, tree, "", 0)
    labels = tree.get("labels")
    if isinstance(labels, dict):
        for name, value in before.items():
            if labels.get(name) != value:
                _add_number(value, masked_numbers)
    numbers = tree.get("numeric_labels")
    if isinstance(numbers, dict):
        for name in [name for name, value in numbers.items() if masked_numbers and value in masked_numbers]:
            del numbers[name]
    for root in ("labels", "numeric_labels"):
        if tree.get(root) == {}:
            del tree[root]


def _add_number(value: object, numbers: set[float]) -> None:
    try:
        numbers.add(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return


def _redact_object(redaction: TextRedaction, tree: Tree, prefix: str, depth: int) -> None:
    for name in list(tree):
        value = tree[name]
        path = prefix + name
        if isinstance(value, dict):
            _redact_branch(redaction, tree, name, value, path, depth)
            continue
        treatment = redaction.treatment(path)
        if treatment is Treatment.PASS:
            continue
        if treatment is Treatment.RENAME:
            del tree[name]
            name = _renamed(redaction, tree, name)
            tree[name] = value
            treatment = Treatment.SCAN
        if treatment is Treatment.DROP:
            del tree[name]
        else:
            tree[name] = _redacted(redaction, treatment, value, path, depth)


def _redact_branch(
    redaction: TextRedaction, tree: Tree, name: str, value: Tree, path: str, depth: int
) -> None:
    if depth >= _DEEPEST:
        tree[name] = marked("text")
        return
    clean = redaction.scan(name)
    if clean != name:
        del tree[name]
        tree[_renamed(redaction, tree, name)] = value
    had_members = bool(value)
    _redact_object(redaction, value, f"{path}.", depth + 1)
    if had_members and not value:
        tree.pop(name, None)


def _redacted(redaction: TextRedaction, treatment: Treatment, value: object, path: str, depth: int) -> object:
    if isinstance(value, list):
        return (
            [_redacted(redaction, treatment, part, path, depth + 1) for part in value]
            if depth < _DEEPEST
            else None
        )
    if isinstance(value, dict):
        _redact_object(redaction, value, f"{path}.", depth + 1)
        return value
    if isinstance(value, str):
        if treatment is Treatment.SCAN:
            return redaction.scan(value)
        return redaction.mask(path, value) if treatment is Treatment.MASK else redaction.pseudonym(value)
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    if treatment is Treatment.SCAN:
        return value if redaction.scan(text) == text else redaction.scan(text)
    return redaction.mask(path, text) if treatment is Treatment.MASK else redaction.pseudonym(text)


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
