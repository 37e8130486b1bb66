#!/bin/sh
# Makes .env out of .env.example, with a new random value for each secret; one that is there stays as it is.
#   sh deploy/compose/new-env.sh [FILE]        default: .env beside docker-compose.yml
set -eu
umask 077

root=$(cd "$(dirname "$0")/../.." && pwd)
target=${1:-$root/.env}
if [ -e "$target" ]; then
    echo "$target is there already and was left as it is: its passwords are those of the servers' data." >&2
    exit 1
fi
secret() { # 40 letters and digits: they are put into JSON and JAAS without escapes
    LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 40
}
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
        [A-Z]*=) printf '%s%s\n' "$line" "$(secret)" ;;
        *) printf '%s\n' "$line" ;;
    esac
done <"$root/.env.example" >"$target.new"
mv "$target.new" "$target"
echo "Made $target."
