"""`shipper logstash`: the pipelines where Logstash reads them, and how they are doing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.error import URLError
from urllib.request import urlopen

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Logstash's pipelines: put them where it reads them, look at how they are doing.",
)

_TIMEOUT_S = 10.0


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Gets config/ and pipelines/; made if it is not there.")],
    is_forced: Annotated[bool, typer.Option("--force", help="Replace files that are different.")] = False,
    is_mutual: Annotated[
        bool,
        typer.Option(
            "--mutual-tls",
            help="For a Kafka that asks for a certificate: SHIPPER_LOGSTASH_KAFKA_CERTIFICATE.",
        ),
    ] = False,
) -> None:
    """Write the pipelines, their scripts and Logstash's settings into a folder. Other files there are left alone."""
    from shipper.assets import asset
    from shipper.errors import ConfigurationError

    root = asset("logstash")
    files = {
        each.relative_to(root): _content(each, is_mutual=is_mutual)
        for name in ("config", "pipelines")
        for each in (root / name).iterdir()
    }
    other = [name for name, content in files.items() if _differs(folder / name, content)]
    if other and not is_forced:
        names = ", ".join(sorted(map(str, other)))
        raise ConfigurationError(f"In {folder} are other versions of {names}; --force replaces them.")
    try:
        for name, content in sorted(files.items()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}.") from error
    typer.echo(f"{len(files)} files written.")
    typer.echo(f"Set for Logstash: SHIPPER_LOGSTASH_PIPELINES={(folder / 'pipelines').resolve()}")
    if is_mutual:
        typer.echo(
            "And SHIPPER_LOGSTASH_KAFKA_CERTIFICATE: a PEM file with its certificate and the key of it."
        )


def _content(file: Path, *, is_mutual: bool) -> bytes:
    """Return what is written; the lines for mutual TLS are marked as comments, as without it there is no certificate."""
    content = file.read_bytes()
    return content.replace(b"# ssl_keystore_", b"ssl_keystore_") if is_mutual else content


def _differs(there: Path, ours: bytes) -> bool:
    return there.exists() and there.read_bytes() != ours


@app.command()
def status(
    url: Annotated[
        str, typer.Option(metavar="URL", help="Logstash's own interface.")
    ] = "http://localhost:9600",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object by pipeline.")] = False,
) -> None:
    """Show what each pipeline took in and gave out, what waits, and what was refused.

    Exit 1 if ml-logs, ml-dead-letters or another pipeline of Logstash's settings does not run, or Logstash's dead letter
    queue had to drop something.
    """
    asked = _asked(url)
    pipelines = {name: summary(row) for name, row in asked.items()}
    missing = {name: "" for name in ("ml-logs", "ml-dead-letters") if name not in asked}
    missing |= {name: _failure(row) for name, row in asked.items() if row.get("events") is None}
    dropped = sum(row["dead_letters_dropped"] for row in pipelines.values())
    if as_json:
        typer.echo(json.dumps(pipelines, indent=2))
    else:
        for name, row in pipelines.items():
            typer.echo(
                f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in row.items())
            )
    for name, reason in missing.items():
        typer.echo(f"The pipeline {name} does not run{reason}.", err=True)
    if dropped:
        typer.echo(
            f"Logstash's dead letter queue was full: {dropped} dropped. Kafka has them still; see docs/how-to/logstash.md.",
            err=True,
        )
    if missing or dropped:
        raise typer.Exit(1)


def _asked(url: str) -> dict[str, Any]:
    """Return the statistics by pipeline. Raises ConfigurationError: nobody answers there as Logstash does."""
    from shipper.errors import ConfigurationError

    address = f"{url.rstrip('/')}/_node/stats/pipelines"
    if not address.startswith(("http://", "https://")):
        raise ConfigurationError(f"{url} is no address of Logstash: it begins with http:// or https://.")
    try:
        with urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - checked above
            found = json.load(answer)["pipelines"]
    except (URLError, OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"Logstash does not answer at {address}: {error}.") from error
    return {name: row for name, row in found.items() if not name.startswith(".") and isinstance(row, dict)}


def _failure(row: dict[str, Any]) -> str:
    """Return why a pipeline could not start, as the end of a sentence; empty where Logstash does not say."""
    error = (row.get("reloads") or {}).get("last_error") or {}
    return f": {error['message']}" if error.get("message") else ""


def summary(row: dict[str, Any]) -> dict[str, int]:
    """Return the numbers of a pipeline that say whether it works; sizes in bytes."""
    events, queue, letters = (row.get(name) or {} for name in ("events", "queue", "dead_letter_queue"))
    found = {
        "in": events.get("in", 0),
        "out": events.get("out", 0),
        "waiting": queue.get("events_count", 0),
        "waiting_bytes": queue.get("queue_size_in_bytes", 0),
        "dead_letters_bytes": letters.get("queue_size_in_bytes", 0),
        "dead_letters_dropped": letters.get("dropped_events", 0),
    }
    for each in (row.get("plugins") or {}).get("filters", []):
        if each.get("id") == "unparsed":
            found["unparsed"] = (each.get("events") or {}).get("in", 0)
    return {name: int(number or 0) for name, number in found.items()}
