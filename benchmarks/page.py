"""The page of the documentation: `make costs` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.contender import Contender
from benchmarks.result import Result
from benchmarks.run import Plan
from benchmarks.table import machine, markdown, process_rows, rows, verdict_rows

_HEAD: Final = """# What logging costs

Written by `benchmarks/emit.py --markdown`; `make bench-emit` measures anew and fails beyond a promise.

One inference record with ten features, about 650 bytes as JSON as the floor writes it; ours is larger, because
it carries the id, sequence, git commit, model and context. Each contender runs in a fresh process of its own. In
each repeat, in another random order, it meets its peer: the two take turns of some hundred calls, and whoever waits
is stopped. Figures are medians over the repeats. A ratio is the median of those of each meeting, and in brackets
stands its spread. Nothing is subtracted for anybody.
Microseconds belong to the machine below and to what else ran there; ratios travel better."""

_TEXT: Final = """Ours is in the spool when the call returns, and survives the death of the process. What the peers
write to a file is in the operating system's hands, too; what QueueHandler, python-logstash-async, OpenTelemetry and
the Kafka clients have taken is in memory, and is lost with the process."""


def page(contenders: Sequence[Contender], result: Result, plan: Plan) -> str:
    """Return the page with the tables of a run."""
    skipped = [f"- {name}: {why}" for name, why in (result.missing | result.failed).items()]
    parts = [
        _HEAD,
        "\n".join(f"- {line}" for line in machine(plan)),
        "## Promises",
        markdown(verdict_rows(result)),
        "## Calls",
        _TEXT,
        markdown(rows(contenders, result, plan)),
        "## Once per process, and text",
        markdown(process_rows(contenders, result)),
    ]
    if skipped:
        parts += ["## Not measured", "\n".join(skipped)]
    return "\n\n".join(parts)
