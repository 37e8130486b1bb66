#!/bin/bash
# Who may do what in Kafka, once the topics are there. May run again: a rule that exists is not made twice.
#
#   application  applications and agents: write records and dead letters, read nothing
#   shipper      indexer and Logstash: read records and dead letters, write dead letters, remember how far they are
# Whoever is not named here may do nothing (the authorizer's default); setup comes as admin, who may do everything.
set -euo pipefail

login=$(mktemp)
trap 'rm -f "$login"' EXIT
cat >"$login" <<END
security.protocol=SASL_SSL
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="${KAFKA_ADMIN_PASSWORD}";
ssl.truststore.type=PEM
ssl.truststore.location=${CERTIFICATES:-/certificates}/ca.crt
END
may() {
    "${KAFKA_ACLS:-/opt/kafka/bin/kafka-acls.sh}" --bootstrap-server "${KAFKA_SERVER:-kafka:9092}" \
        --command-config "$login" --add --allow-principal "$@"
}
may User:application --operation Write --operation Describe \
    --topic "$SHIPPER_KAFKA_TOPIC" --topic "$SHIPPER_KAFKA_DEAD_LETTER_TOPIC"
may User:shipper --operation Read --operation Describe --operation DescribeConfigs \
    --topic "$SHIPPER_KAFKA_TOPIC" --topic "$SHIPPER_KAFKA_DEAD_LETTER_TOPIC"
may User:shipper --operation Write --topic "$SHIPPER_KAFKA_DEAD_LETTER_TOPIC"
may User:shipper --operation Read --operation Describe --group shipper- --resource-pattern-type prefixed
