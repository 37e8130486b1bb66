"""6. From Kafka to Elasticsearch: found once, by id."""
