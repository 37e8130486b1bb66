"""How much of what is harmless is touched by default."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.ecs.fields import FIELDS
from shipper.enrich.redact import Redactor
from tests.harmless import harmless_lines

_FOUND = [
    Path(os.environ.get("SHIPPER_BENCH_DATA", "")) / "loghub"
    if os.environ.get("SHIPPER_BENCH_DATA")
    else None,
    Path(__file__).parents[3].parent / "shared" / "data" / "loghub",
]
LOGHUB = next((path for path in _FOUND if path is not None and path.is_dir()), None)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_harmless_lines(seed: int) -> None:
    """Ids, hashes, times, versions, numbers, paths and addresses of machines are left alone: under 0.1 % are touched."""
    redactor = Redactor(FIELDS)
    touched = [line for line in harmless_lines(seed, 3000) if redactor.scan(line) != line]
    assert len(touched) < 3, touched


@pytest.mark.skipif(
    LOGHUB is None, reason="no log samples: neither SHIPPER_BENCH_DATA nor ../shared/data has loghub"
)
def test_real_logs(record_property: Callable[[str, object], None]) -> None:
    """Of real log lines under 1 % are touched, and what is touched has a name or form that tells of a secret."""
    assert LOGHUB is not None
    redactor = Redactor(FIELDS)
    lines, kinds, touched = 0, Counter[str](), 0
    for path in sorted(LOGHUB.glob("*/*.csv")):
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            for row in csv.DictReader(file):
                lines += 1
                if redactor.scan(row["Content"]) != row["Content"]:
                    touched += 1
                    kinds.update({span.kind for span in redactor.explain(row["Content"])})
    record_property("touched", f"{touched} of {lines}: {dict(kinds)}")
    assert lines >= 10_000
    assert touched < 0.01 * lines, kinds
