"""Which fields of documents a rule about features watches: inputs, predictions or labels, numeric or categorical."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shipper.datasets import index_name, index_pattern
from shipper.detect.event_time.window import DAY_US, floor_to
from shipper.detect.fetching.store import Store
from shipper.detect.rules.rule import FeatureRule

NUMERIC: Final = "ml.features.numeric"
CATEGORICAL: Final = "ml.features.categorical"

OUTPUTS: Final = {
    "predictions": (("ml.prediction.value", "ml.prediction.score"), ("ml.prediction.label",)),
    "labels": (("ml.feedback.value",), ("ml.feedback.label",)),
}
"""Numeric and categorical fields that are no inputs."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The features that indices know, by full field name."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]

    def of(self, rule: FeatureRule) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the numeric and the categorical fields that the rule watches."""
        if rule.of != "features":
            return OUTPUTS[rule.of]
        if isinstance(rule.features, tuple):
            named = rule.features
            numeric = [field for field in self.numeric if _is_named(field, named)]
            categorical = [field for field in self.categorical if _is_named(field, named)]
            return tuple(numeric), tuple(categorical)
        kept = [
            [field for field in fields if not _is_named(field, rule.except_features)]
            for fields in (self.numeric, self.categorical)
        ]
        return (
            tuple(kept[0]) if rule.features != "all categorical" else (),
            tuple(kept[1]) if rule.features != "all numeric" else (),
        )


def read_catalog(store: Store, dataset: str, namespace: str, start_us: int, end_us: int) -> Catalog:
    """Return the features of the indices that hold [start, end)."""
    days = range(floor_to(start_us, DAY_US), end_us, DAY_US)
    wanted = {index_name(dataset, namespace, day) for day in days}
    numeric: set[str] = set()
    categorical: set[str] = set()
    for index in sorted(wanted & set(store.indices(index_pattern(dataset, namespace)))):
        definition = store.index_definition(index) or {}
        root = definition.get("mappings", {}).get("properties", {})
        numeric.update(_leaves(root, NUMERIC))
        categorical.update(_leaves(root, CATEGORICAL))
    return Catalog(tuple(sorted(numeric)), tuple(sorted(categorical)))


def short_name(field: str) -> str:
    """Return the feature's own name."""
    return field.removeprefix(f"{NUMERIC}.").removeprefix(f"{CATEGORICAL}.")


def _is_named(field: str, names: Sequence[str]) -> bool:
    return field in names or short_name(field) in names


def _leaves(properties: Mapping[str, Any], path: str) -> list[str]:
    node: Mapping[str, Any] = {"properties": properties}
    for step in path.split("."):
        node = node.get("properties", {}).get(step, {})
    found: list[str] = []

    def walk(inner: Mapping[str, Any], name: str) -> None:
        for key, value in inner.get("properties", {}).items():
            if "type" in value:
                found.append(f"{name}.{key}")
            walk(value, f"{name}.{key}")

    walk(node, path)
    return found
