"""Says at the end how many golden cases ran where: a skip is not a pass."""

from __future__ import annotations

import os
from typing import Any

from _pytest.terminal import TerminalReporter

_INDEXER = (
    "tests/golden/test_cases.py::test_the_indexer_answers",
    "tests/golden/test_recipes.py::test_the_indexer",
)
_LOGSTASH = {
    "records": "tests/service/test_logstash_pipeline.py::test_logstash_answers_each_case",
    "recipes": "tests/service/test_logstash_recipes.py::test_each_recipe",
    "Logstash's own test of the pipelines": "tests/service/test_logstash_pipeline.py::test_logstash_accepts",
    "end to end": "tests/service/test_logstash_road.py::",
    "with TLS and users": "tests/service/test_logstash_secure.py::",
    "erased beside it": "tests/service/test_logstash_erase.py::",
    "the how-to, walked": "tests/service/test_logstash_page.py::",
}


def _passed(reporter: TerminalReporter, *beginnings: str) -> int:
    reports: list[Any] = reporter.stats.get("passed", [])
    return sum(report.when == "call" and report.nodeid.startswith(beginnings) for report in reports)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Count what passed, by where it ran."""
    reporter = terminalreporter
    by_rules = _passed(reporter, *_INDEXER)
    reporter.write_line(f"Golden cases through the indexer's own rules: {by_rules}.")
    counts = {name: _passed(reporter, beginning) for name, beginning in _LOGSTASH.items()}
    if not os.environ.get("LOGSTASH_HOME"):
        counts.pop("the how-to, walked")  # with a stand-in
    if not any(counts.values()):
        why = (
            "they failed, or were not asked for"
            if os.environ.get("LOGSTASH_HOME")
            else "LOGSTASH_HOME is not set"
        )
        reporter.write_line(f"In a real Logstash: none ({why}).")
        return
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    reporter.write_line(f"In the real Logstash at {os.environ.get('LOGSTASH_HOME', '?')}: {told}.")
