"""From a document with markers to the functions that make such documents: the inner side of `shipper.ecs.plan`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final, NamedTuple, Protocol

import orjson

from shipper.ecs.plan_tree import Node, Path, nodes, skeleton
from shipper.ecs.redaction import Redaction
from shipper.ecs.values import JsonValue

MISS: Final = b""
"""Answer of a plan to fields of another shape."""


class Encode(Protocol):
    """Encodes the message, the call's fields and those that are bound around it, which the call's own win over."""

    def __call__(
        self, message: str, fields: Mapping[str, object], bound: Mapping[str, object] = ..., /
    ) -> bytes | None:
        """Return the part of a document behind its stamp; `MISS` for another shape, None if it needs the general encoder."""


_LARGEST: Final = 1 << 53
"""Integers up to here are the same as `long`, as `double` and as text; larger ones are looked at one by one."""

_SHORT: Final = 1_000_000
"""Numbers below have too few digits before the point to be a card's, a telephone's or any other's."""

_FORMS: Final = {
    (str, False): "{v}",
    (float, False): "{v}",
    (float, True): "text_{v}",
    (int, False): "{v} if -LARGEST <= {v} <= LARGEST else out_of_plan()",
    (int, True): "str({v}) if -LARGEST <= {v} <= LARGEST else out_of_plan()",
    (bool, False): "{v}",
    (bool, True): "'true' if {v} else 'false'",
}
"""How a value is shown, by its type and whether it stands as text."""


class _OutOfPlan(Exception):
    """A value needs the general encoder."""


class Use(NamedTuple):
    """A place of the document that shows a value.

    Attributes:
        argument: name of the value's argument.
        kind: its type.
        is_text: whether it stands there as text.
    """

    argument: str
    kind: type
    is_text: bool

    @property
    def source(self) -> str:
        """The expression that stands for it."""
        return _FORMS[self.kind, self.is_text].format(v=self.argument)


@dataclass(frozen=True, slots=True)
class Checks:
    """What has to hold for the values of an event.

    Attributes:
        names: of the call's mapping, in order, those included that are no part of the plan.
        fields: fields of this shape, the bound ones first; their leaves are the arguments v0, v1 ... in order.
        bound: names of the bound mapping, in order, and the types of its values.
        own: names that the call gives.
        pinned: names of arguments that must have a certain value, and the value.
        caps: names of the texts, and how many characters of each are kept whole; at least one.
        looked_at: names of the texts that must hold nothing to redact.
        numbers: names of the numbers that are shown as text and may hold something to redact if they are long.
        redaction: tells whether a text holds something to redact; None: nothing is looked for.
    """

    names: Sequence[str]
    fields: Mapping[str, object]
    bound: Mapping[str, type]
    own: frozenset[str]
    pinned: Sequence[tuple[str, str]]
    caps: Sequence[tuple[str, int]]
    looked_at: Sequence[str]
    numbers: Sequence[str]
    redaction: Redaction | None

    def lines(self, namespace: dict[str, object]) -> Iterator[str]:
        """Yield the statements that take the values from `fields` and `bound` and check all that can be before encoding."""
        doubles: list[str] = []
        targets, deeper = _targets("fields", self.fields, namespace, doubles, itertools.count())
        kinds = {name: type(value) for name, value in self.fields.items() if name in self.own}
        yield from _readings("fields", self.names, targets, kinds, namespace)
        yield from self._bound_readings(targets, namespace)
        yield from deeper
        for argument, value in self.pinned:
            yield f"if {argument} != {value!r}: return MISS"
        if doubles:
            # One NaN or infinity makes the sum so; a sum of finite ones that overflows costs the quick way only.
            yield f"if not isfinite({' + '.join(doubles)}): return None"

    def _bound_readings(self, targets: Mapping[str, str], namespace: dict[str, object]) -> Iterator[str]:
        """Yield the statements that take the bound values; one mapping is bound for many events, and looked at once."""
        names, values = ([f"bound_{kind}_{n}" for n in range(len(self.bound))] for kind in ("name", "value"))
        namespace["bound_known"] = [(None, ())]
        namespace.update((f"bound_kind_{n}", kind) for n, kind in enumerate(self.bound.values()))
        yield "known, bound_values = bound_known[0]"
        yield "if known is not bound:"
        pairs = "".join(f"({name}, {value}), " for name, value in zip(names, values, strict=True))
        yield f"    try: {pairs or '()'} = bound.items()"
        yield "    except ValueError: return MISS  # more names, or less"
        for number, name in enumerate(self.bound):
            yield f"    if {names[number]} != {name!r} or type({values[number]}) is not bound_kind_{number}: return MISS"
        yield f"    bound_values = ({''.join(f'{value}, ' for value in values)})"
        if dict not in self.bound.values():  # what may hold anything is not kept
            yield "    bound_known[0] = bound, bound_values"
        if names:
            shown = ("_" if name in self.own else targets[name] for name in self.bound)
            yield f"{', '.join(shown)}, = bound_values"

    def lines_behind(self) -> Iterator[str]:
        """Yield the statements that check the rest, once `encoded` is there."""
        long = " or ".join(f"len({name}) > {cap}" for name, cap in self.caps)
        yield f"if len(encoded) > {min(cap for _, cap in self.caps)} and ({long}): return None"
        if self.looked_at:
            seen = "\\n".join(f"{{{name}}}" for name in self.looked_at)
            unchanged = " and ".join(f"scan({name}) == {name}" for name in self.looked_at)
            # All at once is quick, one by one is exact.
            yield f'if not is_clean(f"{seen}") and not ({unchanged}): return None'
        for name in self.numbers:
            yield f"if not -SHORT < {name} < SHORT and scan(str({name})) != str({name}): return None"


def _targets(
    source: str,
    fields: Mapping[str, object],
    namespace: dict[str, object],
    doubles: list[str],
    number: itertools.count[int],
) -> tuple[dict[str, str], list[str]]:
    """Return the variables for the values of a dictionary, and the statements that take the dictionaries among them apart.

    Notes the variables that are doubles.
    """
    targets: dict[str, str] = {}
    deeper: list[str] = []
    for position, (name, value) in enumerate(fields.items()):
        if type(value) is dict:
            inner = targets[name] = f"{source}_{position}"
            below, further = _targets(inner, value, namespace, doubles, number)
            kinds = {part: type(found) for part, found in value.items()}
            deeper += (*_readings(inner, [*value], below, kinds, namespace), *further)
        else:
            targets[name] = f"v{next(number)}"
            if type(value) is float:
                doubles.append(targets[name])
    return targets, deeper


def _readings(
    source: str,
    names: Sequence[str],
    targets: Mapping[str, str],
    kinds: Mapping[str, type],
    namespace: dict[str, object],
) -> Iterator[str]:
    """Yield the statements that take the values of those of the `names` that have a kind from a dictionary.

    Names and types are compared as whole lists, and all values taken at once: the interpreter's own loops do in a few
    steps what takes a dozen for each field if it is written out. So the order of the fields matters.
    """
    taken = [name for name in names if name in kinds]
    namespace[f"{source}_names"] = [*names]
    namespace[f"{source}_kinds"] = [kinds[name] for name in taken]
    yield f"if [*{source}] != {source}_names: return MISS"
    yield f"{source}_values = [*{source}.values()]"
    if len(names) > len(taken):
        runs = _runs([position for position, name in enumerate(names) if name in kinds])
        yield f"{source}_values = {' + '.join(f'{source}_values[{start}:{stop}]' for start, stop in runs) or '[]'}"
    yield f"if [*map(type, {source}_values)] != {source}_kinds: return MISS"
    if taken:
        yield f"{', '.join(targets[name] for name in taken)}, = {source}_values"


def _runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Return the stretches of consecutive numbers as start and stop."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and runs[-1][1] == position:
            runs[-1] = (runs[-1][0], position + 1)
        else:
            runs.append((position, position + 1))
    return runs


def leaves(tree: Mapping[str, JsonValue], path: Path = ()) -> Iterator[tuple[Path, JsonValue]]:
    """Yield all values of a document that are no objects, with their paths."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def encode_function(roots: Mapping[str, JsonValue], uses: Mapping[Path, Use], checks: Checks) -> Encode:
    """Return a function (message, fields, bound) that encodes a document's tree behind its stamp, and leaves it open.

    It returns `MISS` for fields of another shape, and None where a value needs the general encoder.

    The tree is made once, and gets each event's values; who encodes takes one that nobody else has just now.

    Args:
        roots: the document with markers, `event` first; what no use covers stays as it is.
        uses: what stands where.
    """
    stores: list[str] = []
    sources = {path: use.source for path, use in uses.items()}
    tree = skeleton(roots, (), sources, stores, itertools.count())
    namespace = _namespace(tree, checks.redaction)
    source = "\n".join(
        (
            "def encode(message, fields, bound=NOTHING):",
            "    try:",
            *(f"        {line}" for line in checks.lines(namespace)),
            *(f"        {line}" for line in _float_texts(uses.values())),
            "        try: spare = take()",
            "        except IndexError: spare = make()  # the first event, or another thread is encoding",
            f"        {', '.join(f'node_{number}' for number in range(len(nodes(tree))))}, = spare",
            *(f"        {line}" for line in stores),
            "        encoded = dumps(node_0)",
            *(f"        {line}" for line in checks.lines_behind()),
            "        give(spare)",
            "        return encoded[OPENING:-1]",
            "    except (OutOfPlan, Unencodable):  # a large integer, a lone surrogate",
            "        return None",
        )
    )
    # All names in the source are ours, and literals are made by `repr`: no text of a caller becomes code.
    exec(source, namespace)  # noqa: S102 - see above
    made: Encode = namespace["encode"]  # type: ignore[assignment]
    return made


def _float_texts(uses: Iterable[Use]) -> Iterator[str]:
    """Yield the statements that write the doubles that stand as text: all at once takes a tenth of what `repr` takes.

    From 0.0001 to 1e16 both write the same digits; elsewhere `repr` has an exponent of its own form.
    """
    names = sorted({use.argument for use in uses if use.kind is float and use.is_text})
    if names:
        yield f"shown = dumps([{', '.join(names)}])[1:-1].decode()"
        yield "is_alike = 'e' not in shown and '0.0000' not in shown"
        texts = ", ".join(f"text_{name}" for name in names)
        yield f"{texts}, = shown.split(',') if is_alike else map(repr, ({', '.join(names)},))"


def _namespace(tree: Node, redaction: Redaction | None) -> dict[str, object]:
    """Return what the source of a plan may use."""
    spares: list[tuple[Node, ...]] = []
    return {
        "LARGEST": _LARGEST,
        "MISS": MISS,
        "NOTHING": {},
        "OPENING": len('{"event":{'),
        "OutOfPlan": _OutOfPlan,
        "SHORT": _SHORT,
        "Unencodable": orjson.JSONEncodeError,
        "dumps": orjson.dumps,
        "give": spares.append,
        "is_clean": None if redaction is None else redaction.is_clean,
        "isfinite": isfinite,
        "make": lambda: nodes(tree),
        "out_of_plan": _out_of_plan,
        "scan": None if redaction is None else redaction.scan,
        "take": spares.pop,
    }


def _out_of_plan() -> None:
    raise _OutOfPlan
