"""What a caller logs cannot forge a second record or a field that shipper states."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

import shipper
from shipper.ecs.document import RESERVED
from shipper.testing import capture

FORGED = (
    '{"@timestamp":"2020-01-01T00:00:00.000000Z","event":{"id":"forged-1","sequence":1},"message":"forged"}'
)
ATTACKS = [
    f"x\n{FORGED}", f"x\r\n{FORGED}\n", f'x"}}\n{FORGED}', f'"}},{FORGED[1:]}', "\u2028" + FORGED, "\u0085" + FORGED, "\x1b[2K\x1b[1A" + FORGED,
    "\0" + FORGED, "\x0b\x0c\x1c\x1d\x1e" + FORGED, "\\n" + FORGED, '\\"}\n', "\ud800\n" + FORGED, '","event":{"id":"forged"},"a":"', "\b\b\b\b",
]  # fmt: skip


def logged(message: object, **fields: Any) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes and the document of the one record that a call makes."""
    with capture() as found:
        shipper.get_logger("app").info(message, **fields)
        assert len(found.records) == 1
        return found.records[0].payload, found.documents[0]


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_no_second_record(attack: str) -> None:
    """U47: whatever stands in a message, a value, a key, or an exception, one line with one document leaves."""
    error = ValueError(attack)
    error.add_note(attack)
    payload, document = logged(
        attack,
        note=attack,
        rows=[{"a": attack}],
        tags=[attack],
        exc_info=(ValueError, error, None),
        **{attack: attack},
    )
    assert not set(payload) & set(range(32)), "a control character stands in the line as it is"
    assert orjson.loads(payload) == document
    assert document["@timestamp"] > "2026"
    assert document["event"]["id"].partition("-")[0] == document["agent"]["ephemeral_id"]
    assert payload.startswith(b'{"@timestamp":"20')


@pytest.mark.parametrize("name", sorted(RESERVED | {"log.level", "log.logger", "@timestamp"}))
def test_reserved_fields(name: str) -> None:
    """What shipper states cannot be stated by a caller: dotted, nested, or in a mapping of bytes keys."""
    _, clean = logged("m")
    root, _, rest = name.partition(".")
    for fields in ({name: "forged"}, {root: {rest: "forged"}} if rest else {}, {"labels": {name: "forged"}}):
        _, document = logged("m", **fields)
        place: Any = document
        for part in name.split("."):
            place = place.get(part) if isinstance(place, dict) else None
        assert place != "forged"
        if name != "event.ingested":
            assert place is not None
        assert document.keys() - {"labels"} == clean.keys()
