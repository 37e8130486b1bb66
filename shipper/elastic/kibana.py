"""Import of saved objects into Kibana, over its own interface (multipart, with the header it insists on)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import urllib3

from shipper.config import ElasticsearchSettings
from shipper.elastic.answers import SavedObjectsImport
from shipper.errors import RequestRefused, StoreUnavailable

_IMPORT_PATH: Final = "/api/saved_objects/_import?overwrite=true"
_RETRIABLE: Final = frozenset({408, 429, 500, 502, 503, 504})


def import_saved_objects(
    url: str, files: Iterable[Path], settings: ElasticsearchSettings
) -> SavedObjectsImport:
    """Import the objects in `files` (NDJSON), replacing those of the same id.

    Args:
        url: address of Kibana, for example http://localhost:5601; a path (`/s/<space>`) is kept.
        settings: credentials and certificates; Kibana knows the same users as Elasticsearch.

    Raises:
        StoreUnavailable: Kibana does not answer, or is still starting.
        RequestRefused: it refuses the import as a whole.
    """
    imported = 0
    problems: list[str] = []
    ca_certs = str(settings.ca_certs) if settings.ca_certs is not None else None
    with urllib3.PoolManager(ca_certs=ca_certs, retries=False) as pool:
        for path in files:
            answer = _post(pool, url.rstrip("/"), path, settings)
            imported += int(answer.get("successCount", 0))
            problems += [_problem(error) for error in answer.get("errors", ())]
    return SavedObjectsImport(imported, tuple(problems))


def _post(pool: urllib3.PoolManager, url: str, path: Path, settings: ElasticsearchSettings) -> dict[str, Any]:
    try:
        answer = pool.request(
            "POST",
            url + _IMPORT_PATH,
            fields={"file": (path.name, path.read_bytes(), "application/ndjson")},
            headers={"kbn-xsrf": "shipper", **_credentials(settings)},
            timeout=settings.request_timeout_s,
        )
    except urllib3.exceptions.HTTPError as error:
        raise StoreUnavailable(url, f"Kibana: {type(error).__name__}") from error
    if answer.status in _RETRIABLE:
        raise StoreUnavailable(url, f"Kibana answers status {answer.status}; it may still be starting")
    try:
        content = orjson.loads(answer.data)
    except orjson.JSONDecodeError as error:
        raise RequestRefused(answer.status, f"{url} does not answer like Kibana") from error
    if answer.status != 200 or not isinstance(content, dict):
        reason = content.get("message", "") if isinstance(content, dict) else ""
        raise RequestRefused(answer.status, f"Kibana: {reason or 'no reason given'}")
    return content


def _credentials(settings: ElasticsearchSettings) -> dict[str, str]:
    api_key = settings.api_key.get_secret_value()
    if api_key:
        return {"authorization": f"ApiKey {api_key}"}
    if settings.username:
        pair = f"{settings.username}:{settings.password.get_secret_value()}"
        return dict(urllib3.make_headers(basic_auth=pair))
    return {}


def _problem(error: Mapping[str, Any]) -> str:
    cause = error.get("error", {})
    detail = cause.get("message") or cause.get("type") or "unknown"
    missing = ", ".join(f"{ref.get('type')} {ref.get('id')}" for ref in cause.get("references", ()))
    return f"{error.get('type')} {error.get('id')}: {detail}{f' ({missing})' if missing else ''}"
