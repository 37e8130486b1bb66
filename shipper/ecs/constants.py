"""The part of a document that is the same for each event of a producer: encoded once, spliced in.

What a caller gives for one event wins, by groups that belong together:

- any `git.*` replaces all of the process's git facts (a commit with another commit's branch would lie);
- `ml.model.name` replaces all of the model's facts, `ml.model.version` all but the name;
- elsewhere (`service.*`, `host.*`) single fields are replaced.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from shipper.ecs.document import Document, Tree
from shipper.ecs.limits import Limits
from shipper.ecs.values import JsonValue

ECS_VERSION = "9.2.0"
"""Version of the Elastic Common Schema whose names are used."""


class Constants:
    """Facts of one producer, ready to be spliced.

    Args:
        facts: declared fields by dotted name; empty texts are left out.
        identity: `process.pid` and the fields of `agent`, which no caller can set.
        limits: caps for the facts.
    """

    __slots__ = ("_encoded", "_streams", "_trees", "identity", "namespace")

    def __init__(
        self, facts: Mapping[str, object], identity: Mapping[str, Tree], namespace: str, limits: Limits
    ) -> None:
        document = Document(limits)
        document.place({name: value for name, value in facts.items() if value not in ("", None)})
        self.identity = {name: dict(tree) for name, tree in identity.items()}
        self._trees: Tree = {**document.finish(), "ecs": {"version": ECS_VERSION}}
        _merge(self._trees, dict(self.identity))
        self._encoded = {root: _member(root, tree) for root, tree in self._trees.items()}
        self._streams: dict[str, bytes] = {}
        self.namespace = namespace

    def complete(self, roots: Tree, dataset: str) -> bytes:
        """Merge the facts into `roots` where a caller has a part of the same root; return the rest encoded.

        The result is empty or a sequence of `,"name":value`.
        """
        parts = [self._stream(dataset)]
        for root, encoded in self._encoded.items():
            given = roots.get(root)
            if given is None:
                parts.append(encoded)
            elif isinstance(given, dict) and root != "git":
                facts = self._trees[root]
                if isinstance(facts, dict):
                    _merge(given, _consistent(facts, given) if root == "ml" else facts)
        return b"".join(parts)

    def _stream(self, dataset: str) -> bytes:
        known = self._streams.get(dataset)
        if known is None:
            stream: Tree = {"type": "logs", "dataset": dataset, "namespace": self.namespace}
            known = self._streams[dataset] = _member("data_stream", stream)
        return known


def _member(name: str, value: JsonValue) -> bytes:
    return b"," + orjson.dumps({name: value})[1:-1]


def _merge(given: Tree, facts: Tree) -> None:
    for name, value in facts.items():
        there = given.get(name)
        if isinstance(value, dict):
            if there is None:
                given[name] = dict(value)
            elif isinstance(there, dict):
                _merge(there, value)
        elif there is None:
            given[name] = value


def _consistent(facts: Tree, given: Tree) -> Tree:
    """Return the process's `ml` facts without those that belong to another model than the given one."""
    model, own = given.get("model"), facts.get("model")
    if not isinstance(model, dict) or not isinstance(own, dict):
        return facts
    if _differs(model, own, "name"):
        return {name: value for name, value in facts.items() if name != "model"}
    if _differs(model, own, "version"):
        return {**facts, "model": {"name": own["name"]} if "name" in own else {}}
    return facts


def _differs(given: Tree, own: Tree, name: str) -> bool:
    return name in given and given[name] != own.get(name)
