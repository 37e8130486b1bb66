"""`shipper setup`: templates into Elasticsearch, topics into Kafka, dashboards into Kibana."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from shipper.config import Settings


def setup(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; show what would be.")] = False,
    no_kafka: Annotated[bool, typer.Option("--no-kafka", help="Leave the topics alone.")] = False,
    kibana: Annotated[
        str, typer.Option(metavar="URL", help="Also import data views, searches and dashboards there.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Prepare the servers: templates, topics and, with --kibana, dashboards. May be repeated at any time."""
    from shipper.config import load_settings

    settings = load_settings()
    result: dict[str, Any] = {"dry_run": dry_run, "templates": _templates(settings, dry_run=dry_run)}
    if not no_kafka:
        result["topics"] = _topics(settings, dry_run=dry_run)
    if kibana:
        result["kibana"] = _kibana(kibana, settings, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        _print(result)
    problems = [*result["templates"]["problems"], *result.get("kibana", {}).get("problems", ())]
    if problems:
        raise typer.Exit(1)


def _templates(settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    from shipper.assets import asset
    from shipper.elastic.client import connect
    from shipper.index.templates import differences, install, packaged_templates, simulation_problems

    folder = asset("es_templates")
    templates = packaged_templates(folder)
    with connect(settings.elasticsearch) as client:
        changes = differences(client, templates) if dry_run else install(client, templates)
        problems = [] if dry_run else simulation_problems(client, templates)
    return {
        "source": str(folder),
        "count": len(templates),
        "changes": [
            {
                "kind": change.template.kind,
                "name": change.template.name,
                "was": change.state,
                "differences": list(change.lines),
            }
            for change in changes
        ],
        "problems": problems,
    }


def _topics(settings: Settings, *, dry_run: bool) -> list[dict[str, Any]]:
    from shipper.kafka.admin import Admin
    from shipper.kafka.dead_letters import topic_config

    kafka = settings.kafka
    wanted = {
        kafka.topic: (
            kafka.partitions,
            {"max.message.bytes": str(max(1_048_588, 2 * kafka.max_record_bytes))},
        ),
        kafka.dead_letter_topic: (1, topic_config(kafka)),
    }
    rows: list[dict[str, Any]] = []
    with Admin(kafka) as admin:
        for name, (partitions, config) in wanted.items():
            if dry_run:
                is_new = not admin.topic_exists(name)
            else:
                is_new = admin.ensure_topic(
                    name,
                    partitions=partitions,
                    replication_factor=kafka.replication_factor,
                    config=config,
                )
            rows.append({"name": name, "partitions": partitions, "created": is_new})
    return rows


def _kibana(url: str, settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    from shipper.assets import asset
    from shipper.elastic.kibana import import_saved_objects
    from shipper.errors import ConfigurationError

    files = sorted((asset("kibana") / "saved_objects").glob("*.ndjson"))
    if not files:
        raise ConfigurationError(
            "This installation of shipper has no saved objects; install the package again."
        )
    if dry_run:
        return {"files": [path.name for path in files], "imported": 0, "problems": []}
    result = import_saved_objects(url, files, settings.elasticsearch)
    return {
        "files": [path.name for path in files],
        "imported": result.imported,
        "problems": list(result.problems),
    }


def _print(result: dict[str, Any]) -> None:
    would = "would be " if result["dry_run"] else ""
    templates = result["templates"]
    for change in templates["changes"]:
        verb = "installed" if change["was"] == "missing" else "replaced"
        typer.echo(f"{change['kind']} template {change['name']}: {would}{verb} ({change['was']})")
        for line in change["differences"]:
            typer.echo(f"    {line}")
    if not templates["changes"]:
        typer.echo(f"All {templates['count']} templates were up to date.")
    for problem in templates["problems"]:
        typer.echo(f"problem: {problem}", err=True)
    for topic in result.get("topics", ()):
        state = f"{would}created" if topic["created"] else "exists"
        typer.echo(f"topic {topic['name']}: {state}")
    if "kibana" in result:
        found = result["kibana"]
        typer.echo(f"Kibana: {would}imported from {', '.join(found['files'])} ({found['imported']} objects).")
        for problem in found["problems"]:
            typer.echo(f"problem: {problem}", err=True)
