#!/bin/sh
# Create the platform's token, which may read and write its bucket and nothing else, and leave it
# where the container `code` finds it. InfluxDB's image runs this once, at its first start, with the
# connection of its set-up. To make one later, or another one:
#
#   docker compose -f deploy/compose.yaml exec --user influxdb influxdb \
#       sh /docker-entrypoint-initdb.d/token.sh
set -eu
umask 022
folder=${1:-/home/influxdb}
organisation=$DOCKER_INFLUXDB_INIT_ORG

# value NAME: the first text member of that name in the JSON of standard input.
value() {
    sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1
}

bucket=$(influx bucket list --org "$organisation" --name "$DOCKER_INFLUXDB_INIT_BUCKET" --json | value id)
[ -n "$bucket" ] || { echo "token: there is no bucket $DOCKER_INFLUXDB_INIT_BUCKET" >&2; exit 1; }
token=$(influx auth create --org "$organisation" --read-bucket "$bucket" --write-bucket "$bucket" \
    --description coin_assets --json | value token)
[ -n "$token" ] || { echo "token: InfluxDB created none" >&2; exit 1; }
printf %s "$token" >"$folder/token.new"
chmod 444 "$folder/token.new"
mv -f "$folder/token.new" "$folder/token"
echo "token: created for bucket $bucket"
