"""What the page on watching shipper tells is true of the code."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.core import Metric

from shipper.detect.pulse import DetectStatus
from shipper.detect.rules.rule_file import parse_rules
from shipper.ecs.fields import FIELDS
from shipper.index.letter_watch import OpenLetters
from shipper.index.tally import IndexCounts
from shipper.integrations.prometheus import agent_metrics, detect_metrics, indexer_metrics
from shipper.observe.counters import Snapshot
from shipper.observe.health import HealthReport
from shipper.ship.agent import AgentStatus

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "watch.md"


def families() -> list[Metric]:
    """Return all metrics that there are."""
    status = AgentStatus(0, 0, 0, Snapshot(), HealthReport(None, None, 0.0, ""))
    letters = OpenLetters({("index", "json"): 1}, 1, 0)
    job = detect_metrics(DetectStatus(ended_us=0), 0)
    return [*agent_metrics(status, 0, 0.0), *indexer_metrics(IndexCounts(), 0, letters, 0), *job]


def _spelled_out(text: str) -> str:
    """Return the text with each `a_{b,c}_d` as `a_b_d a_c_d`."""

    def each(match: re.Match[str]) -> str:
        before, middles, after = match.groups()
        return " ".join(f"{before}{middle}{after}" for middle in middles.split(","))

    return re.sub(r"(shipper_[a-z_]*_)\{([a-z_,]+)\}(_[a-z_]+)", each, text)


def test_each_metric_of_the_page_exists() -> None:
    """A name on the page is a name that is served (a trailing _total included)."""
    served = {name for one in families() for name in (one.name, f"{one.name}_total")}
    text = PAGE.read_text("utf-8")
    told = set(re.findall(r"shipper_[a-z_]+", _spelled_out(text))) - {"shipper_"}
    assert told
    assert told <= served


def test_the_rules_of_the_page_are_valid() -> None:
    """The rules on heartbeats can be put into a rules file as they stand."""
    snippets = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    found = [rule.id for text in snippets for rule in parse_rules(text, known_fields=FIELDS).rules]
    assert found == ["process-silence", "shipper-silent"]
