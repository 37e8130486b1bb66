"""What the care of stored data asks of a server: what it can do, which indices it has, how they change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

from shipper.elastic.answers import JsonObject
from shipper.elastic.client import ElasticClient
from shipper.errors import RequestRefused

_EVERY_STATE: Final = {
    "expand_wildcards": "open,closed,hidden",
    "allow_no_indices": "true",
    "ignore_unavailable": "true",
}
_NO_SUCH_ROUTE: Final = (400, 404, 405, 410, 501)
_ANALYSIS: Final = "analysis-common"
"""Module without which the server cannot make the index in which it would keep roles."""


@dataclass(frozen=True, slots=True)
class Size:
    """Documents and bytes of an index; copies on other nodes are not counted."""

    documents: int
    stored_bytes: int


def has_lifecycle(client: ElasticClient) -> bool:
    """Ask whether the server can delete indices by age itself (ILM)."""
    return _answers(client, "/_ilm/status")


def can_store_roles(client: ElasticClient) -> bool:
    """Ask whether the server keeps roles that are given to it by its interface, and by this account.

    Who may make roles may make anybody anything; the role `operator` may not, and does all else without.
    """
    try:
        if not _answers(client, "/_security/role"):
            return False
    except RequestRefused as error:
        if error.status == 403:
            return False
        raise
    nodes = client.request("GET", "/_nodes/_local/plugins", params={"filter_path": "nodes.*.modules.name"})
    names = {module["name"] for node in nodes["nodes"].values() for module in node.get("modules", ())}
    return _ANALYSIS in names


def lifecycle_policy(client: ElasticClient, name: str) -> JsonObject | None:
    """Return `{"policy": ...}` as installed, or None."""
    found = client.request_or_none("GET", f"/_ilm/policy/{_part(name)}")
    return None if found is None else {"policy": found[name]["policy"]}


def put_lifecycle_policy(client: ElasticClient, name: str, body: Mapping[str, Any]) -> None:
    """Install a policy, replacing the one of this name."""
    client.request("PUT", f"/_ilm/policy/{_part(name)}", body=orjson.dumps(body))


def role(client: ElasticClient, name: str) -> JsonObject | None:
    """Return the body of a stored role, or None."""
    found = client.request_or_none("GET", f"/_security/role/{_part(name)}")
    return None if not found else dict(found[name])


def put_role(client: ElasticClient, name: str, body: Mapping[str, Any]) -> None:
    """Store a role, replacing the one of this name."""
    client.request("PUT", f"/_security/role/{_part(name)}", body=orjson.dumps(body))


def every_index(client: ElasticClient, patterns: Sequence[str]) -> dict[str, JsonObject]:
    """Return `aliases`, `mappings` and `settings` by name: of open, closed and hidden indices that match."""
    return client.request("GET", f"/{_part(','.join(patterns))}", params=_EVERY_STATE)


def sizes(client: ElasticClient, patterns: Sequence[str]) -> dict[str, Size]:
    """Return the sizes of the matching indices by name; closed ones are left out, the server does not say."""
    answer = client.request(
        "GET",
        f"/{_part(','.join(patterns))}/_stats/docs,store",
        params={**_EVERY_STATE, "forbid_closed_indices": "false", "filter_path": "indices.*.primaries"},
    )
    return {
        name: Size(
            int(found["primaries"]["docs"]["count"]), int(found["primaries"]["store"]["size_in_bytes"])
        )
        for name, found in answer.get("indices", {}).items()
    }


def put_mapping(client: ElasticClient, index: str, mapping: Mapping[str, Any]) -> None:
    """Add to the mapping of one index. `RequestRefused`, status 400, where it would change a type."""
    client.request("PUT", f"/{_part(index)}/_mapping", body=orjson.dumps(mapping))


def put_settings(client: ElasticClient, index: str, settings: Mapping[str, Any]) -> None:
    """Change settings of one index that can be changed while it is in use; None takes one away."""
    client.request("PUT", f"/{_part(index)}/_settings", body=orjson.dumps(settings))


def hold_writers(client: ElasticClient, index: str) -> None:
    """Let nothing more be written into an index; when this returns, no write is under way any more.

    Two blocks, because the first answers "later" to writers (as a full disk does: they wait), and the second alone
    is certain to have seen the end of each write that had begun.
    """
    put_settings(client, index, {"index.blocks.read_only_allow_delete": True})
    client.request("PUT", f"/{_part(index)}/_block/write")


def release_writers(client: ElasticClient, index: str) -> None:
    """Take the blocks of `hold_writers` away."""
    put_settings(client, index, {"index.blocks.write": None, "index.blocks.read_only_allow_delete": None})


def is_held(client: ElasticClient, index: str) -> bool:
    """Return whether nothing can be written into an index because of `hold_writers`."""
    definition = client.index_definition(index) or {"settings": {"index": {}}}
    blocks = definition["settings"]["index"].get("blocks", {})
    return str(blocks.get("write", "false")) == "true"


def put_in_place(client: ElasticClient, old: str, new: str, aliases: Mapping[str, Mapping[str, Any]]) -> None:
    """Delete the index `old` and give `new` these aliases, in one step that happens whole or not at all."""
    actions: list[JsonObject] = [{"remove_index": {"index": old}}]
    actions += [{"add": {"index": new, "alias": name, **more}} for name, more in aliases.items()]
    client.request("POST", "/_aliases", body=orjson.dumps({"actions": actions}))


def _answers(client: ElasticClient, path: str) -> bool:
    try:
        client.request("GET", path)
    except RequestRefused as error:
        if error.status in _NO_SUCH_ROUTE:
            return False
        raise
    return True


def _part(text: str) -> str:
    return quote(text, safe=",*-")
