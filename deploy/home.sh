#!/bin/sh
# home.sh DEFAULT print | home.sh DEFAULT COMMAND...: run a command with the environment of the home
# that COIN_HOME names, DEFAULT if it is unset; or print that environment for a shell to eval.
#
# Run it in the checkout. It completes paths because make cannot: make splits them at blanks.
#
# Without other settings, the sandbox begins 30 months ago instead of in 2017, and the home of
# `make demo` is used if it exists and DEFAULT does not: so `make up` shows forecasts at once.
set -eu
default=$1
shift

refuse() {
    printf '%s: %s %s; choose another folder.\n' "$1" "'$2'" "$3" >&2
    exit 2
}

# quoted VALUE: for a shell to read back, whatever is in it.
quoted() {
    printf "'"
    printf %s "$1" | LC_ALL=C sed "s/'/'\\\\''/g"
    printf "'"
}

print_environment() {
    case $PWD in *:*) refuse checkout "$PWD" "holds a colon, which PATH cannot" ;; esac
    for name in $(env | LC_ALL=C sed -nE 's/^(COIN_[A-Z0-9_]+|DAGSTER_HOME|INFLUXDB_V2_(URL|ORG))=.*/\1/p' |
        sort -u); do
        # Secrets stay out: what carries them is read from the environment only.
        case $name in *WEBHOOK* | *HEARTBEAT* | *TOKEN* | *PASSWORD*) continue ;; esac
        eval "given=\${$name+set} value=\${$name-}"
        case $name=$value in COIN_ARCHIVE=*://*) continue ;; esac # may name user and password
        [ -z "$given" ] || printf 'export %s=%s\n' "$name" "$(quoted "$value")"
    done
    printf 'export VIRTUAL_ENV=%s\n' "$(quoted "$PWD/.venv")"
    printf 'export PATH=%s:"$PATH"\n' "$(quoted "$PWD/.venv/bin")"
}

# in_file NAME: whether the settings file sets NAME.
in_file() {
    [ -f coin_assets.toml ] && grep -q "^[[:space:]]*$1[[:space:]]*=" coin_assets.toml
}

if [ "${COIN_MARKET-sandbox}" = sandbox ] && ! in_file COIN_MARKET; then
    if [ "$default" = ./var ] && [ ! -e ./var/market.json ] && [ -e ./var/demo/market.json ]; then
        default=./var/demo
    fi
    if [ -z "${COIN_HISTORY_START+set}" ] && ! in_file COIN_HISTORY_START; then
        months=$(($(date -u +'%Y * 12 + 1%m - 101') - 29))
        COIN_HISTORY_START=$(printf '%04d-%02d-01' $((months / 12)) $((months % 12 + 1)))
        export COIN_HISTORY_START
    fi
fi

home=${COIN_HOME-$default}
newline='
'
case $home in
'') refuse COIN_HOME "$home" "names no folder" ;;
*"$newline"*) refuse COIN_HOME "$home" "holds a line break" ;;
[[:space:]]* | *[[:space:]]) refuse COIN_HOME "$home" "begins or ends with a blank" ;;
/*) ;;
*) home=$PWD/${home#./} ;;
esac
# Dagster keeps its records in SQLite below the home, and names the file by a URL.
case $home in
*\?* | *%[0-9A-Fa-f][0-9A-Fa-f]*)
    refuse COIN_HOME "$home" "holds ? or % with two hexadecimal digits, which Dagster would misread"
    ;;
esac
while [ "$home" != / ] && [ "$home" != "${home%/}" ]; do home=${home%/}; done

export COIN_HOME="$home" DAGSTER_HOME="$PWD" COIN_DAGSTER_HOME="${home%/}/dagster"
if [ "$*" = print ]; then
    mkdir -p -- "$COIN_DAGSTER_HOME"
    print_environment
else
    exec "$@"
fi
