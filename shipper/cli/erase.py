"""`shipper erase`: take one person's records out of everything that can be changed, and keep them out."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shipper.cli.audited import Why

if TYPE_CHECKING:
    from shipper.cli.erase_receipt import Receipt
    from shipper.config import Settings
    from shipper.elastic.client import ElasticClient

_NONE: list[str] = []


def erase(  # noqa: PLR0913, PLR0917 - each is an option
    subject: Annotated[
        str,
        typer.Option(metavar="VALUE|-", help="Whose records: the value as it was logged; - reads one line."),
    ] = "",
    pseudonym: Annotated[
        list[str],
        typer.Option(metavar="PSEUDONYM", help="Or by pseudonym, as it stands in the records; repeat."),
    ] = _NONE,
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep", help="All persons on the list once more: after a restore, or where hosts ship late."
        ),
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="Show the list of erasures and end.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; without this only count.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Find by the index alone; misses what is not indexed.")
    ] = False,
    no_kafka: Annotated[
        bool, typer.Option("--no-kafka", help="Leave Kafka for later: dead letters and what is on its way.")
    ] = False,
    index: Annotated[
        list[str], typer.Option(metavar="PATTERN", help="A further index to look through; repeat.")
    ] = _NONE,
    why: Why = "",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Erase a person: find by pseudonym and delete in every index and among dead letters; keep it from coming back.

    Counts only, unless --yes is given. May be interrupted, killed, repeated and run twice at once.
    """
    from shipper.cli.erase_run import EraseRun
    from shipper.config import load_settings
    from shipper.elastic.client import connect

    settings = load_settings()
    with connect(settings.elasticsearch) as client:
        if show:
            _show_list(client, as_json=as_json)
            return
        run = EraseRun(settings, client, tuple(index), quick, no_kafka, is_loud=not as_json)
        if sweep:
            receipt = run.sweep(why, is_dry=not yes)
        else:
            receipt = run.erase(_pseudonyms(settings, subject, pseudonym), why, is_dry=not yes)
    _print(receipt, as_json=as_json)
    if not receipt.is_whole and yes:
        raise typer.Exit(1)


def _pseudonyms(settings: Settings, subject: str, given: list[str]) -> list[str]:
    from shipper.errors import ConfigurationError
    from shipper.index.erasures import is_pseudonym
    from shipper.redaction import keyring_of

    if bool(subject) == bool(given):
        raise ConfigurationError(
            "Say whose records: --subject VALUE or --pseudonym PSEUDONYM, one of the two."
        )
    if given:
        wrong = next((one for one in given if not is_pseudonym(one)), None)
        if wrong is not None:
            raise ConfigurationError(
                "A pseudonym has the form pseudonym:<key>:<32 hexadecimal digits>; see `shipper redact pseudonym`."
            )
        return sorted(set(given))
    plain = sys.stdin.readline().rstrip("\n") if subject == "-" else subject
    if not plain:
        raise ConfigurationError("No subject was given.")
    if is_pseudonym(plain):
        raise ConfigurationError("This is a pseudonym already; give it with --pseudonym.")
    keyring = keyring_of(settings.redact)
    if keyring is None:
        raise ConfigurationError(
            "There is no key, so records hold no pseudonyms to find anybody by: give redact.key_file or redact.key, "
            "with all keys that were ever used."
        )
    return keyring.all_pseudonyms(plain)


def _show_list(client: ElasticClient, *, as_json: bool) -> None:
    from shipper.clock import SystemClock
    from shipper.index.erasures import ErasureList

    entries = sorted(ErasureList(client, SystemClock()).entries(), key=lambda entry: entry.requested)
    if as_json:
        rows = [
            {
                "id": entry.id,
                "requested": entry.requested,
                "by": entry.by,
                "state": entry.state,
                "pseudonyms": list(entry.pseudonyms),
                "counts": dict(entry.counts),
            }
            for entry in entries
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for entry in entries:
        typer.echo(f"{entry.id}  {entry.requested}  {entry.state:7}  by {entry.by}: {_said(entry.counts)}")
    if not entries:
        typer.echo("Nobody was erased.")


def _said(counts: Any) -> str:
    return (
        ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()))
        or "nothing found"
    )


def _print(receipt: Receipt, *, as_json: bool) -> None:
    from shipper.cli.erase_receipt import receipt_document, receipt_lines

    if sys.stderr.isatty() and not as_json:
        typer.echo("\r\x1b[K", err=True, nl=False)
    if as_json:
        typer.echo(json.dumps(receipt_document(receipt), ensure_ascii=False))
        return
    for line in receipt_lines(receipt):
        typer.echo(line)
