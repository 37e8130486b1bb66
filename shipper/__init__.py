"""Logs of machine-learning systems: emitted complete, found once, watched.

::

    application ── emit ── enrich ── ecs ── spool ── ship ──▶ Kafka ──▶ Elasticsearch ◀── detect ── alert
"""
