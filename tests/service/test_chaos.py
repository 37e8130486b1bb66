"""The short form of `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.report import as_markdown
from tests.chaos.run import run
from tests.service.running_stack import RunningStack


@pytest.mark.timeout(300, func_only=True)
def test_a_short_round_of_chaos(stack: RunningStack, tmp_path: Path) -> None:
    """U04, U05, U24, U27: applications, agent, indexer and broker die in bad moments; all is found once."""
    if stack.control is None:
        pytest.skip("needs SHIPPER_TEST_STACK_DIR, the folder of the running stack, to kill a server")
    outcome = run(
        stack.control, stack.control, tmp_path / "chaos", 1, 1, lambda _sentence: None, is_short=True
    )
    assert outcome.is_good, as_markdown(outcome)
    assert outcome.balance.returned > 500
    assert outcome.deaths.by_state.total() >= 4
    assert outcome.sprung["ship Produce:sent:kafka"] == 1, "the broker died with a batch in flight"
