"""The tree that a plan encodes, made once: an event's values are put into it, which costs less than to build it anew."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import orjson

from shipper.ecs.values import JsonValue

Path = tuple[str, ...]
"""Names from a document's root to a value."""

Node = dict[str, Any]
"""An object of the document, with encoded fragments for what does not change."""


def skeleton(
    tree: Mapping[str, JsonValue],
    path: Path,
    sources: Mapping[Path, str],
    stores: list[str],
    number: itertools.count[int],
) -> Node:
    """Return a tree with what does not change, encoded; note the statements that store what does.

    Args:
        tree: a document's, or a part of one.
        path: where the part is.
        sources: the expressions for what changes.
        stores: gets the statements, for variables `node_0` ... of what `nodes` returns.
        number: of the next variable.
    """
    node = f"node_{next(number)}"
    made: Node = {}
    for name, part in tree.items():
        inner = (*path, name)
        if (source := sources.get(inner)) is not None:
            made[name] = None
            stores.append(f"{node}[{name!r}] = {source}")
        elif isinstance(part, dict) and any(used[: len(inner)] == inner for used in sources):
            made[name] = skeleton(part, inner, sources, stores, number)
        else:
            made[name] = orjson.Fragment(orjson.dumps(part))
    return made


def nodes(tree: Node) -> tuple[Node, ...]:
    """Return a copy of a tree, and all dictionaries in it, in the order in which they are numbered."""
    found: list[Node] = [{}]
    for name, part in tree.items():
        below = nodes(part) if type(part) is dict else ()
        found[0][name] = below[0] if below else part
        found += below
    return tuple(found)
