"""Two demos never work on the same folder or the same servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.demo.run import _own
from shipper.errors import ConfigurationError


def test_a_second_demo_is_refused(tmp_path: Path) -> None:
    """The second one is told what to do; when the first has ended the place is free."""
    with _own(tmp_path), pytest.raises(ConfigurationError, match="Another demo works"), _own(tmp_path):
        pass
    with _own(tmp_path):
        pass
