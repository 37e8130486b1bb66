"""5. From the spool to Kafka."""
