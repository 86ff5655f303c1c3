#!/bin/sh
# home.sh DEFAULT print | home.sh DEFAULT COMMAND...: run a command with the environment of the home
# that COIN_HOME names, DEFAULT if it is unset; or print that environment for a shell to eval.
#
# Run it in the checkout. It completes paths because make cannot: make splits them at blanks.
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
        [ -z "$given" ] || printf 'export %s=%s\n' "$name" "$(quoted "$value")"
    done
    printf 'export VIRTUAL_ENV=%s\n' "$(quoted "$PWD/.venv")"
    printf 'export PATH=%s:"$PATH"\n' "$(quoted "$PWD/.venv/bin")"
}

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
