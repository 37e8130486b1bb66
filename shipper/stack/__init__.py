"""The real Kafka and Elasticsearch, embedded: fetched, started, watched and stopped without root or Docker."""
