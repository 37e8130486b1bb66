"""Every kind of rule by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipper.detect import rules
from shipper.detect.data_rule import DataRule
from shipper.detect.error_rule import NewErrorRule
from shipper.detect.rules import Rule
from shipper.detect.series_rule import SeriesRule

KINDS: Final[Mapping[str, type[Rule]]] = {
    **rules.KINDS,
    "new_error": NewErrorRule,
    "series": SeriesRule,
    "data": DataRule,
}
"""Rule models by kind."""
