"""Reading back what an application put into its spool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from shipper.spool.directory import scan
from shipper.spool.reader import SpoolReader


def refuse_constant(name: str) -> NoReturn:
    """For `json.loads(parse_constant=...)`: NaN and Infinity are not JSON."""
    raise AssertionError(f"{name} is not JSON")


def strict(line: str | bytes) -> dict[str, Any]:
    """Parse one document as a strict parser does; refuses NaN, more than one line, doubled keys."""
    text = line.decode("utf-8", "strict") if isinstance(line, bytes) else line
    assert "\n" not in text
    assert "\r" not in text
    found = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=_without_doubles)
    assert isinstance(found, dict)
    return found


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"doubled keys in {names}"
    return dict(pairs)


def documents_in(folder: Path) -> list[dict[str, Any]]:
    """Return the documents of one producer's folder."""
    reader = SpoolReader.open(folder)
    assert reader is not None, f"{folder} is being read by somebody else"
    found = []
    try:
        while (spooled := reader.read()) is not None:
            assert spooled.missing_before == 0
            found.append(strict(spooled.payload))
    finally:
        reader.close()
    return found


def documents_under(root: Path) -> list[dict[str, Any]]:
    """Return the documents of all producers under a spool root."""
    return [document for folder in scan(root) for document in documents_in(folder)]
