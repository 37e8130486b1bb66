#!/bin/sh
# Prints .env.example with a new random value for each secret that has none:  sh deploy/compose/new-env.sh > .env
set -eu
umask 077
secret() { # 40 letters and digits: they are put into JSON and JAAS without escapes
    LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 40
}
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
        [A-Z]*=) echo "$line$(secret)" ;;
        *) echo "$line" ;;
    esac
done <"$(dirname "$0")/../../.env.example"
