"""The real Kafka and Elasticsearch, embedded: fetched, started, watched and stopped without root or Docker.

The order of the files is the order of an `up`: artifacts (what is pinned) → maven, cache (downloaded and
verified) → placement, software (unpacked where the servers' account can read it) → checks (ports, memory,
disk) → kafka_server, elasticsearch_server (configuration and command) → process, launch, probe (started
and answering) → state, status. `embedded.py` is the public face.
"""

from shipper.stack.embedded import EmbeddedStack

__all__ = ["EmbeddedStack"]
