"""What a caller gave goes to its place in the schema, or among the labels. Never raises, never loses a key silently.

The rules are written down for users in `docs/reference/document.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from shipper.ecs.fields import FIELDS, FieldSpec
from shipper.ecs.fit import Misfit, finite, fit, fit_double
from shipper.ecs.limits import Limits
from shipper.ecs.values import (
    JsonValue,
    Room,
    double,
    elements,
    is_mapping,
    json_text,
    key_text,
    number,
    pairs,
    plain,
    text,
)

OPEN_TYPES: Final = frozenset({"doubles", "keywords", "flattened"})
"""Types of fields under which callers invent names."""

RESERVED: Final = frozenset(
    name
    for name in FIELDS
    if name in {"event.id", "event.sequence", "event.ingested", "ecs.version", "process.pid"}
    or name.startswith(("agent.", "data_stream."))
)
"""Facts that only shipper states; a caller's value under such a name becomes a label."""

LEFT_OUT: Final = "shipper.left_out"
"""Label with the number of names that went beyond a cap."""

_LABELS: Final = ("labels", "numeric_labels")
_OPEN: Final = {
    name: spec for name, spec in FIELDS.items() if spec.type in OPEN_TYPES and name not in _LABELS
}
_LEAVES: Final = {
    name: (tuple(name.split(".")), spec)
    for name, spec in FIELDS.items()
    if name not in RESERVED and name not in _LABELS
}
DECLARED: Final = {name: spec for name, (_, spec) in _LEAVES.items() if spec.type not in OPEN_TYPES}
"""Fields that a caller may set, but for the open objects."""

_GROUPS: Final = frozenset(name[:end] for name in FIELDS for end in range(len(name)) if name[end] == ".")
_ROOTS: Final = frozenset(name.partition(".")[0] for name in FIELDS)
_MOST_FIELDS: Final = 1024

Tree = dict[str, JsonValue]
"""A nested part of a document."""


class Document:
    """A document while it is put together; `roots` is what has been placed so far."""

    __slots__ = ("_labels", "_left_out", "_limits", "_nonfinite", "_numbers", "_room", "roots")

    def __init__(self, limits: Limits) -> None:
        self.roots: Tree = {}
        self._limits = limits
        self._labels: dict[str, JsonValue] = {}
        self._numbers: dict[str, JsonValue] = {}
        self._nonfinite: list[str] = []
        self._left_out = 0
        self._room = Room(limits.parts)

    def put(self, name: str, value: object) -> None:
        """Place one declared field; what does not fit, or finds its place taken, becomes a label."""
        path, spec = _LEAVES[name]
        if spec.type in OPEN_TYPES:
            self._put_open(name, spec, value)
            return
        try:
            fitted = finite(name, fit(spec, value, self._limits), self._nonfinite)
        except Misfit:
            self.label(name, value)
            return
        if name == "tags" and not isinstance(fitted, list):
            fitted = [fitted]
        place = self._branch(path[:-1])
        if path[-1] not in place:
            place[path[-1]] = fitted
        elif place[path[-1]] != fitted:
            self.label(name, value)

    def place(self, fields: Mapping[object, object]) -> None:
        """Place all that a caller gave. Dotted names go first, so that they win over nested ones."""
        nested: list[tuple[str, object]] = []
        given = pairs(fields, _MOST_FIELDS)
        self._left_out += max(0, _length(fields) - len(given))
        for key, value in given:
            if value is None:
                continue
            name = key if type(key) is str else key_text(key, self._limits.key)
            if name in _LEAVES:
                self.put(name, value)
            elif type(value) is not str and is_mapping(value):
                nested.append((name, value))
            else:
                self._place_undeclared(name, value)
        for name, value in nested:
            self._place_mapping(name, value, 1)

    def label(self, name: str, value: object, depth: int = 0) -> None:
        """Keep `value` under `labels.<name>` as text, a number also under `numeric_labels`."""
        if value is None:
            return
        limits = self._limits
        if type(value) is not str and is_mapping(value) and depth < limits.depth:
            given = self._some(value, limits.labels)
            for key, item in given:
                self.label(f"{name}.{key_text(key, limits.key)}", item, depth + 1)
            return
        if len(self._labels) >= limits.labels:
            self._left_out += 1
            return
        unique = _unused(key_text(name, limits.key), self._labels)
        self._labels[unique] = self._label_text(value)
        if issubclass(type(value), (str, bool)):  # the type itself is asked: `__class__` may lie or raise
            return
        found = number(value)
        if found is not None:
            chartable = _unused(unique.replace(".", "_"), self._numbers)
            self._numbers[chartable] = finite(f"numeric_labels.{chartable}", double(found), self._nonfinite)

    def finish(self) -> Tree:
        """Add labels and what they tell, and return the whole."""
        if self._left_out:
            self._labels[LEFT_OUT] = str(self._left_out)
        if self._labels:
            self.roots["labels"] = self._labels
        if self._numbers:
            self.roots["numeric_labels"] = self._numbers
        if self._nonfinite:
            names: list[JsonValue] = []
            names.extend(dict.fromkeys(self._nonfinite[: self._limits.items]))
            self._branch(("ml",))["nonfinite"] = names
        return self.roots

    def _branch(self, path: tuple[str, ...]) -> Tree:
        place = self.roots
        for part in path:
            below = place.get(part)
            if not isinstance(below, dict):
                below = place[part] = {}
            place = below
        return place

    def _label_text(self, value: object) -> str:
        if type(value) is not str and (is_mapping(value) or elements(value, 0) is not None):
            return json_text(value, self._limits, self._room)
        return text(value, self._limits.keyword)

    def _place_undeclared(self, name: str, value: object) -> None:
        opened, rest = _opened(name) if len(name) <= self._limits.key else _opened.__wrapped__(name)
        if opened in _OPEN:
            self._put_named(opened, _OPEN[opened], rest, value, 1)
        else:
            self.label(rest, value)

    def _place_mapping(self, name: str, value: object, depth: int) -> None:
        if name in _LABELS:
            for key, item in self._pairs(value):
                self.label(key, item, depth)
        elif name in _GROUPS and depth < self._limits.depth:
            for key, item in self._pairs(value):
                full = f"{name}.{key}"
                if item is None:
                    continue
                if full in _LEAVES:
                    self.put(full, item)
                elif type(item) is not str and is_mapping(item):
                    self._place_mapping(full, item, depth + 1)
                else:
                    self._place_undeclared(full, item)
        else:
            self._place_undeclared(name, value)

    def _pairs(self, value: object) -> list[tuple[str, object]]:
        given = self._some(value, _MOST_FIELDS)
        return [(key_text(key, self._limits.key), item) for key, item in given]

    def _some(self, value: object, most: int) -> list[tuple[object, object]]:
        """Return the first pairs of a nested mapping: `most`, and what there is room for in the whole document."""
        given = pairs(value, min(most, max(0, self._room.left)))  # type: ignore[arg-type]
        self._room.left -= len(given)
        self._left_out += max(0, _length(value) - len(given))
        return given

    def _put_open(self, name: str, spec: FieldSpec, value: object) -> None:
        if not is_mapping(value):
            self.label(name, value)
            return
        for key, item in self._pairs(value):
            self._put_named(name, spec, key, item, 1)

    def _put_named(self, opened: str, spec: FieldSpec, name: str, value: object, depth: int) -> None:
        """Place one invented name under an open object of the schema."""
        if value is None:
            return
        limits = self._limits
        if spec.type != "flattened":
            if is_mapping(value) and depth < limits.depth:
                for key, item in self._pairs(value):
                    self._put_named(opened, spec, f"{name}.{key}", item, depth + 1)
                return
            # A dot would make an object of the name before it, which another document uses as a number.
            name = name.replace(".", "_")
        name = key_text(name, limits.key)
        place = self._branch(_LEAVES[opened][0])
        if name in place:
            self.label(f"{opened}.{name}", value)
        elif len(place) >= limits.names:
            self._left_out += 1
        else:
            self._put_typed(place, opened, spec, name, value)

    def _put_typed(self, place: Tree, opened: str, spec: FieldSpec, name: str, value: object) -> None:
        full = f"{opened}.{name}"
        if spec.type == "flattened":
            place[name] = plain(value, self._limits, 1, full, self._nonfinite, room=self._room)
            return
        try:
            if spec.type == "keywords":
                place[name] = fit(spec._replace(type="keyword"), value, self._limits)
                return
            parts = elements(value, self._limits.items)
            fitted = fit_double(value) if parts is None else [fit_double(part) for part in parts]
            place[name] = finite(full, fitted, self._nonfinite)
        except Misfit:
            self.label(full, value)


@lru_cache(maxsize=8192)
def _opened(name: str) -> tuple[str, str]:
    """Return the open object that a name lies in and the rest of the name; ("", label) where it lies in none."""
    root, dot, rest = name.partition(".")
    if dot and root in _LABELS:
        return "", rest
    if dot and root in _ROOTS:
        for opened in _OPEN:
            if name.startswith(f"{opened}."):
                return opened, name[len(opened) + 1 :]
    return "", name


def open_object(name: str) -> FieldSpec | None:
    """Return the open object that an undeclared name lies in; None where it will be a label."""
    return _OPEN.get(_opened(name)[0])


def _length(value: object) -> int:
    try:
        return len(value)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - hostile __len__
        return 0


def _unused(name: str, taken: Mapping[str, JsonValue]) -> str:
    if name not in taken:
        return name
    for suffix in range(2, 1000):
        other = f"{name}_{suffix}"
        if other not in taken:
            return other
    return f"{name}_1000"
