#!/bin/sh
# make compose-secrets: a random value for every secret of compose.yaml that has none yet.
#
# The folder is closed to all but its owner. The files in it are not: each container gets its files
# alone, and reads them as another user than the one who made them.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
chmod 700 secrets

# create NAME CONTENT: never replaces what is there, because the databases know it by then.
create() {
    if [ -e "secrets/$1" ]; then
        echo "secrets/$1: kept"
        return 0
    fi
    printf '%s' "$2" >"secrets/$1.new"
    chmod 444 "secrets/$1.new"
    mv "secrets/$1.new" "secrets/$1"
    echo "secrets/$1: created"
}

random() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

create postgres_password "$(random)"
create influxdb_admin_password "$(random)"
create influxdb_admin_token "$(random)"
# Optional, empty at first: values of COIN_ALERT_WEBHOOKS and COIN_HEARTBEAT_URL.
create alert_webhooks ""
create heartbeat_url ""
