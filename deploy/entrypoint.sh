#!/bin/sh
# Secrets come as files and are known to the program by the environment: for each NAME below, the
# content of the file that NAME_FILE names becomes NAME. Nothing of it is printed.
set -eu

# read_secret NAME required|optional
read_secret() {
    eval "file=\${$1_FILE:-}"
    [ -n "$file" ] || return 0
    if ! [ -f "$file" ] || ! [ -r "$file" ]; then
        echo "entrypoint: $1_FILE: $file cannot be read; run make compose-secrets" >&2
        exit 78
    fi
    value=$(cat "$file")
    if [ -z "$value" ] && [ "$2" = required ]; then
        echo "entrypoint: $1_FILE: $file is empty; remove it and run make compose-secrets" >&2
        exit 78
    fi
    export "$1=$value"
    unset "$1_FILE" value
}

read_secret DAGSTER_POSTGRES_PASSWORD required
read_secret INFLUXDB_V2_TOKEN required
read_secret COIN_ALERT_WEBHOOKS optional
read_secret COIN_HEARTBEAT_URL optional

exec "$@"
