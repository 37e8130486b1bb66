#!/bin/sh
# Makes the certificates of docker-compose.yml: an authority of this stack's own, and one certificate for each server.
# It may run again at any time: what is there and valid for 30 days more stays as it is. Needs openssl alone.
#
#   CERTIFICATES  where they go; each server's folder is a volume that only this server sees
#   SERVER_NAME   name or address by which other machines know this one, beside localhost
#
# authority/ca.key signs and is seen by nobody but this script; public/ca.crt is for whoever wants to trust the servers.
set -eu
umask 027

root=${CERTIFICATES:-/certificates}
known_as=${SERVER_NAME:-localhost}
authority=$root/authority
month=2592000

fresh() { # is this certificate there, and for a month more?
    [ -s "$1" ] && openssl x509 -in "$1" -noout -checkend "$month" >/dev/null
}

# What is half-made is never found under its own name: files are made beside it and moved.
if ! fresh "$authority/ca.crt" || [ ! -s "$authority/ca.key" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 -subj "/CN=shipper stack" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$authority/ca.key.new" -out "$authority/ca.crt.new" 2>/dev/null
    mv "$authority/ca.key.new" "$authority/ca.key"
    mv "$authority/ca.crt.new" "$authority/ca.crt"
    echo "made a new authority"
fi
cp "$authority/ca.crt" "$root/public/ca.crt.new"
chmod 0644 "$root/public/ca.crt.new"
mv "$root/public/ca.crt.new" "$root/public/ca.crt"

names() { # of a server, as a certificate lists them
    echo "DNS:$1,DNS:localhost,IP:127.0.0.1"
    case $known_as in
        localhost | "$1" | 127.0.0.1) ;;
        *:*) echo ",IP:$known_as" ;;
        *[!0-9.]*) echo ",DNS:$known_as" ;;
        *) echo ",IP:$known_as" ;;
    esac
}

for server in kafka elasticsearch kibana grafana; do
    folder=$root/$server
    wanted=$(names "$server" | tr -d '\n')
    if fresh "$folder/server.crt" && [ "$(cat "$folder/names" 2>/dev/null)" = "$wanted" ] &&
        openssl verify -CAfile "$authority/ca.crt" "$folder/server.crt" >/dev/null 2>&1; then
        continue
    fi
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$server" \
        -keyout "$folder/key.new" -out "$folder/request" 2>/dev/null
    printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' \
        "$wanted" >"$folder/extensions"
    openssl x509 -req -sha256 -days 730 -in "$folder/request" -extfile "$folder/extensions" \
        -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -CAcreateserial -out "$folder/crt.new" 2>/dev/null
    # For Kafka: key and certificate in one file.
    cat "$folder/key.new" "$folder/crt.new" >"$folder/both.new"
    chmod 0640 "$folder/key.new" "$folder/both.new"
    mv "$folder/both.new" "$folder/server.pem"
    mv "$folder/key.new" "$folder/server.key"
    mv "$folder/crt.new" "$folder/server.crt"
    cp "$authority/ca.crt" "$folder/ca.crt"
    rm -f "$folder/request" "$folder/extensions"
    echo "$wanted" >"$folder/names"
    echo "made a certificate for $server ($wanted)"
done
