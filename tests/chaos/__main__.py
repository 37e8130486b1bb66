"""`make chaos`: kill everything, again and again, then balance the books.

python -m tests.chaos [--rounds N] [--seed S] [--short] [--report FILE] [--stack DIRECTORY]

Without --stack a stack of its own is started, on free ports. Exit code 1, and the folder is kept, if a record is
missing, doubled or false.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shipper.config import StackSettings, load_settings
from shipper.stack import EmbeddedStack
from tests.chaos.report import as_markdown
from tests.chaos.run import ROUND_S, run
from tests.service.running_stack import free_ports

_BEGIN: Final = "<!-- report: begin, written by make chaos -->"
_END: Final = "<!-- report: end -->"


def main() -> int:
    """Run, print the report, return the exit code."""
    parser = argparse.ArgumentParser(
        prog="make chaos", description="Kill everything, then balance the books."
    )
    parser.add_argument("--rounds", type=int, default=5, help=f"of {ROUND_S:.0f} seconds each")
    parser.add_argument("--seed", type=int, help="the schedule follows from it; none: a new one")
    parser.add_argument("--short", action="store_true", help="one short round, as in the test suite")
    parser.add_argument("--report", type=Path, help="also put the report into this page, between its marks")
    parser.add_argument(
        "--stack", type=Path, help="folder of a running stack to use (its servers are killed)"
    )
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    began_s = time.monotonic()

    def say(sentence: str) -> None:
        print(f"[{time.monotonic() - began_s:6.1f}] {sentence}", file=sys.stderr, flush=True)

    with _stacks(arguments.stack, folder) as stacks:
        outcome = run(*stacks, folder, seed, arguments.rounds, say, is_short=arguments.short)
    text = as_markdown(outcome)
    print(text)
    if arguments.report is not None:
        put_into(arguments.report, text)
    if not outcome.is_good:
        print(f"Ledgers, spools and outputs are kept in {folder}.", file=sys.stderr)
    return 0 if outcome.is_good else 1


def put_into(page: Path, text: str) -> None:
    """Replace what stands between the two marks of a page."""
    head, _, rest = page.read_text("utf-8").partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    page.write_text(f"{head}{_BEGIN}\n{text.strip()}\n{_END}{tail}", "utf-8")


@contextmanager
def _stacks(directory: Path | None, folder: Path) -> Iterator[tuple[EmbeddedStack, EmbeddedStack]]:
    """Yield who runs Kafka, and who Elasticsearch: two, so that they can start at the same time."""
    if directory is not None:
        one = EmbeddedStack.attach(directory)
        yield one, one
        return
    names = ("kafka_port", "kafka_controller_port", "elasticsearch_port", "elasticsearch_transport_port")
    values: dict[str, object] = dict(zip(names, free_ports(4), strict=True))
    values["cache"] = load_settings().stack.cache
    kafka, elasticsearch = (
        EmbeddedStack(StackSettings.model_validate({**values, "directory": folder / name}))
        for name in ("stack-kafka", "stack-elasticsearch")
    )
    try:
        kafka.start_server("kafka")
        elasticsearch.start_server("elasticsearch")
        yield kafka, elasticsearch
    finally:
        for own in (kafka, elasticsearch):
            own.down()
            own.wipe()


if __name__ == "__main__":
    sys.exit(main())
