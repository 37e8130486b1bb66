"""`shipper redact`: what would be taken out of a text, and keys for pseudonyms."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from shipper.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True, help="Show what would be redacted; make keys for pseudonyms.")


@app.command("test")
def try_out(
    source: Annotated[
        str, typer.Argument(metavar="FILE|-", help="Text or log file; - reads standard input.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per touched line.")] = False,
) -> None:
    """Show which lines would be touched, what stays of them, and why; never shows what was found."""
    from shipper.config import load_settings
    from shipper.redaction import redactor

    chosen = redactor(load_settings().redact)
    if chosen is None:
        raise ConfigurationError("Redaction is switched off (redact.enabled).")
    kinds: Counter[str] = Counter()
    lines = touched = 0
    for number, line in enumerate(_lines(source), 1):
        lines = number
        result = chosen.scan(line)
        if result == line:
            continue
        touched += 1
        found = [span.kind for span in chosen.explain(line)]
        kinds.update(found)
        if as_json:
            typer.echo(json.dumps({"line": number, "kinds": found, "text": result}, ensure_ascii=False))
        else:
            typer.echo(f"{number}: {result}    ({', '.join(found)})")
    if not as_json:
        share = 100 * touched / lines if lines else 0.0
        told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()) or "nothing"
        typer.echo(f"{touched} of {lines} lines touched ({share:.2f} %): {told}.", err=True)


@app.command("key")
def key(
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Put the new key first into this file; the former ones stay."),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="Name of the key, part of each pseudonym; default: a date.")
    ] = "",
) -> None:
    """Make a key for pseudonyms; with --file an existing file is rotated: the new key is used from now on."""
    from shipper.clock import SystemClock
    from shipper.ecs.timestamps import iso_timestamp
    from shipper.enrich.redact import Keyring, KeyringError
    from shipper.enrich.redact.pseudonym import new_key_line

    try:
        line = new_key_line(name or f"k{iso_timestamp(SystemClock().now_us())[:10].replace('-', '')}")
        if file is None:
            typer.echo(line)
            return
        former = file.read_text("utf-8") if file.exists() else ""
        keyring = Keyring.parse(f"{line}\n{former}")
    except KeyringError as error:
        raise ConfigurationError(f"No key was made: {error}.") from None
    _write_secretly(file, f"{line}\n{former}")
    typer.echo(f"{file} holds {len(keyring.names)} keys; {keyring.names[0]} is used from now on.")


@app.command("pseudonym")
def pseudonym(
    value: Annotated[
        str, typer.Argument(metavar="VALUE|-", help="For example a user's id; - reads one line.")
    ],
) -> None:
    """Print a value's pseudonym under each key, to find in the records what was logged about somebody."""
    from shipper.config import load_settings
    from shipper.redaction import keyring_of

    keyring = keyring_of(load_settings().redact)
    if keyring is None:
        raise ConfigurationError("There is no key: give redact.key_file or redact.key.")
    plain = sys.stdin.readline().rstrip("\n") if value == "-" else value
    for one in keyring.all_pseudonyms(plain):
        typer.echo(one)


def _lines(source: str) -> Iterator[str]:
    if source == "-":
        yield from (line.rstrip("\n") for line in sys.stdin)
        return
    with Path(source).open(encoding="utf-8", errors="replace") as file:
        yield from (line.rstrip("\n") for line in file)


def _write_secretly(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only."""
    path = path.expanduser()
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
