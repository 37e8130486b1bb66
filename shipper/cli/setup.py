"""`shipper setup`: templates, lifecycle and roles into Elasticsearch, topics into Kafka, dashboards into Kibana."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.kafka.admin import Topic


def setup(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; show what would be.")] = False,
    no_kafka: Annotated[bool, typer.Option("--no-kafka", help="Leave the topics alone.")] = False,
    kibana: Annotated[
        str, typer.Option(metavar="URL", help="Also import data views, searches and dashboards there.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Prepare the servers: templates, lifecycle, roles, topics and, with --kibana, dashboards.

    May be repeated at any time; indices that exist get the fields that they lack. What the server cannot take is
    said and left out; what is newer there than here is refused, and then nothing is changed.
    """
    from shipper.cli.setup_output import print_setup
    from shipper.config import load_settings

    settings = load_settings()
    result: dict[str, Any] = {"dry_run": dry_run, **_elasticsearch(settings, dry_run=dry_run)}
    if not no_kafka:
        result["topics"] = _topics(settings, dry_run=dry_run)
    if kibana:
        result["kibana"] = _kibana(kibana, settings, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        print_setup(result)
    problems = [*result["templates"]["problems"], *result.get("kibana", {}).get("problems", ())]
    if problems:
        raise typer.Exit(1)


def _elasticsearch(settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    from shipper.assets import asset
    from shipper.elastic.client import connect
    from shipper.index.preparing import prepare

    folder = asset("es_templates")
    with connect(settings.elasticsearch) as client:
        done = prepare(client, folder, settings.retention.days, dry_run=dry_run)
    changes = [
        {
            "kind": change.template.kind,
            "name": change.template.name,
            "was": change.state,
            "differences": list(change.lines),
        }
        for change in done.changes
    ]
    return {
        "server": {"version": done.version, "lifecycle": done.has_lifecycle, "roles": done.has_roles},
        "left_out": list(done.left_out),
        "templates": {
            "source": str(folder),
            "count": done.count,
            "changes": changes,
            "problems": list(done.problems),
        },
        "indices": [
            {
                "name": found.index.name,
                "added": list(found.lines),
                "needs_migration": {
                    **found.changed,
                    **{old: f"now {new}" for old, new in found.renamed.items()},
                },
            }
            for found in done.indices
        ],
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
            found = [] if is_new else _topic_differences(admin.describe(name), partitions, config)
            rows.append({"name": name, "partitions": partitions, "created": is_new, "differences": found})
    return rows


def _topic_differences(topic: Topic, partitions: int, config: Mapping[str, str]) -> list[str]:
    """Say what an existing topic has otherwise; it is never changed: records lie in it already."""
    found = [
        f"{key}: ours {value}, the broker's {topic.config.get(key, 'unknown')}"
        for key, value in sorted(config.items())
        if topic.config.get(key) != value
    ]
    if topic.partitions < partitions:
        found.insert(0, f"partitions: ours {partitions}, the broker's {topic.partitions}")
    return found


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
