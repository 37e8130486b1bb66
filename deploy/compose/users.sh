#!/bin/bash
# Who may do what in Elasticsearch: a user for each service, and one for people, with the roles that `shipper setup` made.
# May run again at any time: it then sets passwords and roles to what they are here.
set -euo pipefail

server=${ELASTICSEARCH_SERVER:-https://elasticsearch:9200}

ask() { # METHOD PATH BODY
    # The password goes in by a file of this shell's own: arguments can be seen by others.
    curl -fsS --cacert "${CERTIFICATES:-/certificates}/ca.crt" --config <(echo "user = \"elastic:${ELASTIC_PASSWORD}\"") \
        -H 'Content-Type: application/json' -X "$1" "$server/_security/$2" --data-binary @- <<<"$3"
    echo " $2"
}

ask POST user/kibana_system/_password "{\"password\":\"${KIBANA_SYSTEM_PASSWORD}\"}"

# Kibana's dashboards without the right to change them.
ask PUT role/shipper_boards \
    '{"applications":[{"application":"kibana-.kibana","privileges":["read"],"resources":["*"]}]}'

user() { # NAME PASSWORD ROLES
    ask PUT "user/$1" "{\"password\":\"$2\",\"roles\":[$3]}"
}
user logstash "$LOGSTASH_PASSWORD" '"shipper_writer"'
user indexer "$INDEXER_PASSWORD" '"shipper_indexer"'
user detector "$DETECTOR_PASSWORD" '"shipper_detector"'
user viewer "$VIEWER_PASSWORD" '"shipper_viewer","shipper_boards"'
