"""What the Logstash pipeline must know of the schema: required and reserved fields, and how much time an index holds."""

from __future__ import annotations

import json

from shipper.schema.table import Table


def routing_table(table: Table) -> str:
    """Return `logstash/pipelines/schema.json`, which the pipeline's script reads at its start."""
    routing = {
        "generated_by": "shipper schema generate",
        "required": list(table.required),
        "reserved": list(table.reserved),
        "periods": {row.name: row.period for row in table.datasets},
    }
    return json.dumps(routing, indent=2) + "\n"
