"""7. Windows to scores: asks Elasticsearch what is unusual."""
