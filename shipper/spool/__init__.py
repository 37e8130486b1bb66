"""4. Durable on local disk; knows bytes, knows no ECS and no Kafka. The format is in FORMAT.md."""
