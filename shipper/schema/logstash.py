"""What the Logstash pipeline must know of the schema: required and reserved fields, and how much time an index holds."""

from __future__ import annotations

import json

from shipper.schema.table import Table


def routing_table(table: Table) -> str:
    """Return `logstash/pipelines/schema.json`, which the pipelines' scripts read at their start.

    `original` says whether recipes may keep the source line: in `event.original`, and nowhere else.
    """
    routing = {
        "generated_by": "shipper schema generate",
        "required": list(table.required),
        "reserved": list(table.reserved),
        "original": table.field("event.original") is not None,
        "periods": {row.name: row.period for row in table.datasets},
    }
    return json.dumps(routing, indent=2) + "\n"
