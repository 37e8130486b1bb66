"""The judgements of `shipper doctor` that need no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.cli.doctor_checks import _dead_letters, _lag, host_checks, spool_checks
from shipper.cli.doctor_store import _clock, _definition_problem
from shipper.config import SpoolSettings


@pytest.mark.parametrize(
    ("starts", "ends", "committed", "state"),
    [
        ({0: 0}, {0: 0}, {}, "ok"),
        ({0: 0}, {0: 9}, {0: 9}, "ok"),
        ({0: 0}, {0: 9}, {0: 4}, "ok"),
        ({0: 0}, {0: 9}, {}, "warn"),
        ({0: 7}, {0: 9}, {0: 4}, "fail"),
    ],
)
def test_lag_is_judged(
    starts: dict[int, int], ends: dict[int, int], committed: dict[int, int], state: str
) -> None:
    """Lag is ordinary; a group that never committed is a warning; records deleted before indexing are a failure."""
    assert _lag(starts, ends, committed).state == state


def test_records_deleted_by_retention_are_counted() -> None:
    """What retention took before it was indexed is loss, and is told with its number."""
    assert "3 records" in _lag({0: 7}, {0: 9}, {0: 4}).found


def test_dead_letters_are_a_warning() -> None:
    """U34: a dead letter is never silent."""
    assert (_dead_letters({0: 2}, {0: 5}).state, _dead_letters({0: 5}, {0: 5}).state) == ("warn", "ok")


@pytest.mark.parametrize(
    ("ahead_s", "state"), [(0.5, "ok"), (-1.9, "ok"), (3.0, "warn"), (-3.0, "warn"), (90.0, "fail")]
)
def test_the_clock_is_judged(ahead_s: float, state: str) -> None:
    """Two seconds are a warning, a minute a failure, in either direction."""
    assert _clock(ahead_s).state == state


@pytest.mark.parametrize(
    ("definition", "is_well"),
    [
        (
            {
                "mappings": {"dynamic": "false"},
                "settings": {"index": {"mapping": {"total_fields": {"limit": "9"}}}},
            },
            True,
        ),
        ({"mappings": {"dynamic": "false"}, "settings": {"index": {}}}, False),
        ({"mappings": {}, "settings": {"index": {"mapping": {"total_fields": {"limit": "9"}}}}}, False),
        ({"mappings": {"dynamic": "false"}, "data_stream": "x"}, False),
        ({}, False),
    ],
)
def test_an_index_is_ours_or_not(definition: dict[str, object], is_well: bool) -> None:
    """U30: plain, closed and capped is well; anything else is told."""
    assert (_definition_problem(definition) == "") == is_well


class TestSpool:
    """The folder of the local buffer."""

    def test_an_empty_folder_is_well(self, tmp_path: Path) -> None:
        """A folder that can be made and written is ok."""
        (check,) = spool_checks(SpoolSettings(directory=tmp_path / "deep" / "spool", max_bytes=1 << 20))
        assert check.state == "ok", check

    def test_a_file_in_the_way_fails(self, tmp_path: Path) -> None:
        """A path that is no folder is a failure with advice."""
        (tmp_path / "spool").write_text("")
        (check,) = spool_checks(SpoolSettings(directory=tmp_path / "spool"))
        assert (check.state, bool(check.advice)) == ("fail", True)

    def test_too_little_room_fails(self, tmp_path: Path) -> None:
        """U26: below the floor records would be dropped; near it an outage could fill the disk."""
        (below,) = spool_checks(SpoolSettings(directory=tmp_path, free_space_floor_bytes=1 << 44))
        assert below.state == "fail"
        (near,) = spool_checks(SpoolSettings(directory=tmp_path, max_bytes=1 << 44))
        assert near.state == "warn"


def test_the_host_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python is told; without git, records lack the commit: a warning with what to do."""
    monkeypatch.setenv("PATH", "")
    states = {check.name: check for check in host_checks()}
    assert states["python"].state == "ok"
    assert states["git"].state == "warn"
    assert states["git"].advice
