"""The embedded Elasticsearch with an answer to `GET /`, which it has not; Logstash asks that first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.service.front import Front, Tls, serving

_ROOT: Final = {
    "name": "node",
    "cluster_name": "shipper",
    "cluster_uuid": "c2hpcHBlcg",
    "version": {"number": "9.2.4", "build_flavor": "default"},
    "tagline": "You Know, for Search",
}
_ASKED: Final = json.dumps({"cluster": ["cluster:monitor/main"]}).encode()


@contextmanager
def elastic_front(elasticsearch_url: str, tls: Tls | None = None) -> Iterator[str]:
    """Serve until the block ends; give the address to use instead of `elasticsearch_url`."""
    with serving(_ElasticFront, elasticsearch_url, tls) as url:
        yield url


class _ElasticFront(Front):
    def serve(self, body: bytes) -> None:
        if self.path == "/" and self.command in {"GET", "HEAD"}:
            status = 200 if self.context is None else self._right_to_ask()
            self.send(status, json.dumps(_ROOT).encode() if status == 200 else b"{}")
        else:
            super().serve(body)

    def _right_to_ask(self) -> int:
        """What a full server would answer this user: it has to be known, and to have this one right."""
        del self.headers["Content-Type"]
        self.headers["Content-Type"] = "application/json"
        status, answer = self.ask(_ASKED, "POST", "/_security/user/_has_privileges")
        return status if status != 200 or json.loads(answer)["has_all_requested"] else 403
