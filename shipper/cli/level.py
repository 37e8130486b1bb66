"""`shipper level`: change what running processes of this machine log, for a while."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shipper.cli.audited import Why

if TYPE_CHECKING:
    from shipper.emit.level_file import Entry

app = typer.Typer(
    no_args_is_help=True,
    help="Change the levels of loggers in running processes of this machine and user, for a while.",
)

Service = Annotated[
    str, typer.Option("--service", metavar="NAME", help="Only processes of this service.name; default: all.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("set")
def set_command(
    assignments: Annotated[
        list[str],
        typer.Argument(metavar="LOGGER=LEVEL...", help="For example app.model=debug; root stands for all."),
    ],
    for_: Annotated[
        str, typer.Option("--for", metavar="TIME", help="It ends after this: 30s, 15m, 6h; at most 7d.")
    ] = "15m",
    service: Service = "",
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Set levels until a time is over; processes with the same spool directory follow within a second.

    A level counts for the logger and for those below it. The change and its end are logged as records.
    """
    from shipper.cli.audited import who
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.emit.level_file import Entry, change, check_level, check_name
    from shipper.emit.levels import Override
    from shipper.redaction import default_redactor

    now_us = SystemClock().now_us()
    until_us = now_us + _length_us(for_)
    by, told = who(load_settings()), default_redactor().scan(why)
    new = []
    for assignment in assignments:
        logger, level = _parts(assignment)
        override = Override(check_name(logger), check_level(level), until_us, by, "file", told)
        new.append(Entry(override, service))

    def merged(present: list[Entry]) -> list[Entry]:
        keys = {(entry.override.logger, entry.service) for entry in new}
        kept = [entry for entry in present if _is_live(entry, now_us)]
        return [entry for entry in kept if (entry.override.logger, entry.service) not in keys] + new

    root = _root()
    change(root, merged)
    _print(new, _processes(root, service), as_json=as_json)


@app.command("show")
def show(as_json: Json = False) -> None:
    """Show what is set now, and the running processes that it reaches."""
    from shipper.clock import SystemClock
    from shipper.emit.level_file import read

    now_us = SystemClock().now_us()
    root = _root()
    live = [entry for entry in read(root) if _is_live(entry, now_us)]
    _print(live, _processes(root, ""), as_json=as_json)


@app.command("reset")
def reset(
    loggers: Annotated[
        list[str] | None, typer.Argument(metavar="[LOGGER...]", help="Default: all that were set.")
    ] = None,
    service: Service = "",
    as_json: Json = False,
) -> None:
    """Take back what `shipper level set` set; every logger has its configured level again within a second."""
    from shipper.clock import SystemClock
    from shipper.emit.level_file import change, check_name
    from shipper.errors import ConfigurationError

    now_us = SystemClock().now_us()
    names = {check_name(logger) for logger in loggers or ()}
    removed: list[Entry] = []

    def rest(present: list[Entry]) -> list[Entry]:
        live = [entry for entry in present if _is_live(entry, now_us)]
        removed.extend(
            entry
            for entry in live
            if (not names or entry.override.logger in names) and service in ("", entry.service)
        )
        return [entry for entry in live if entry not in removed]

    root = _root()
    if root.exists():
        change(root, rest)
    missing = names - {entry.override.logger for entry in removed}
    if missing:
        raise ConfigurationError(
            f"Nothing is set for {', '.join(sorted(name or 'root' for name in missing))}."
        )
    if as_json:
        typer.echo(json.dumps({"reset": [_as_dict(entry) for entry in removed]}, ensure_ascii=False))
    else:
        typer.echo(f"{len(removed)} levels taken back." if removed else "Nothing was set.")


def _root() -> Path:
    from shipper.config import load_settings

    return load_settings().spool.directory


def _parts(assignment: str) -> tuple[str, str]:
    from shipper.errors import ConfigurationError

    logger, equals, level = assignment.rpartition("=")
    if not equals or not logger:
        raise ConfigurationError(f"{assignment!r} is not LOGGER=LEVEL, for example app.model=debug.")
    return logger, level


def _length_us(text: str) -> int:
    from shipper.detect.event_time.window import parse_duration
    from shipper.emit.level_watch import LONGEST_S
    from shipper.errors import ConfigurationError

    try:
        length_us = parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    if not 0 < length_us <= LONGEST_S * 1e6:
        raise ConfigurationError(
            "A level is set for at least 1s and at most 7d; what shall last is a setting."
        )
    return length_us


def _is_live(entry: Entry, now_us: int) -> bool:
    return entry.override.until_us is not None and entry.override.until_us > now_us


def _processes(root: Path, service: str) -> list[dict[str, Any]]:
    """Return the running processes that log into this root, each once."""
    from shipper.spool.directory import read_meta, scan, writer_is_alive

    found: dict[int, dict[str, Any]] = {}
    for folder in scan(root):
        meta = read_meta(folder)
        if service in ("", meta.service) and writer_is_alive(folder):
            found[meta.pid] = {"pid": meta.pid, "service": meta.service, "host": meta.host}
    return [found[pid] for pid in sorted(found)]


def _as_dict(entry: Entry) -> dict[str, Any]:
    from shipper.ecs.timestamps import iso_timestamp
    from shipper.emit.level_file import spelled

    override = entry.override
    return {
        "logger": override.logger or "root",
        "level": spelled(override.level),
        "until": iso_timestamp(override.until_us or 0),
        "by": override.by,
        "service": entry.service or None,
    }


def _print(entries: list[Entry], processes: list[dict[str, Any]], *, as_json: bool) -> None:
    rows = [_as_dict(entry) for entry in entries]
    if as_json:
        typer.echo(json.dumps({"levels": rows, "processes": processes}, ensure_ascii=False))
        return
    for row in rows:
        where = f" in {row['service']}" if row["service"] else ""
        typer.echo(f"{row['logger']}={row['level']}{where} until {row['until']} (by {row['by']})")
    if not rows:
        typer.echo("No level is set: the configured ones count.")
    shown = ", ".join(f"{one['service'] or 'unnamed'} ({one['pid']})" for one in processes[:10])
    more = f" and {len(processes) - 10} more" if len(processes) > 10 else ""
    typer.echo(
        f"Running processes that log here: {shown}{more}."
        if processes
        else "No running process has logged here."
    )
