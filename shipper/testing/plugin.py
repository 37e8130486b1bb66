"""pytest plugin: the fixture `shipper_records`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from shipper.testing.capture import CapturedRecords


@pytest.fixture
def shipper_records() -> Iterator[CapturedRecords]:
    """What is logged through shipper during the test; nothing reaches disk, thread or network."""
    from shipper.testing.capture import capture  # noqa: PLC0415 - loading the plugin must cost nothing

    with capture() as records:
        yield records
