#!/usr/bin/env bash
# Times the load of a month file into a MySQL or MariaDB server against the server's own client, which loads a ready
# sorted file of the same rows over one connection. Each in turn, RUNS times; prints seconds, smallest first.
#
#   benches/load.sh MONTH.parquet mysql://root@127.0.0.1:33106/load_bench [RUNS]
#
# The client needs an account without a password (as scripts/mysql and scripts/mariadb make it) and local_infile.
# The time of viewmart includes reading the month file, the check in the database and the publishing; that of the client
# is LOAD DATA alone, into an empty table with the same definition.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

month_file=$1 url=$2 runs=${3:-3}
rest=${url#mysql://} user=${rest%%@*} rest=${rest#*@}
host=${rest%%:*} port=${rest#*:} database=${rest##*/}
port=${port%%/*}
viewmart=${VIEWMART:-target/release/viewmart}
client=(mariadb --no-defaults --local-infile=1 --user="$user" --host="$host" --port="$port")
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT

load() {
    "$viewmart" load "$month_file" --warehouse "$url" --load-connections "$1" --quiet >/dev/null
}
seconds() {
    local started=$EPOCHREALTIME
    # A load that failed is no time.
    "$@" || kill -s TERM "$$"
    awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", b - a }'
}
client_load() {
    "${client[@]}" "$database" -e "LOAD DATA LOCAL INFILE '$rows' INTO TABLE by_client CHARACTER SET utf8mb4"
}

load 2
"${client[@]}" --batch --skip-column-names --quick -e \
    "SELECT * FROM $database.customer_behavior ORDER BY Month, Contract" >"$rows"
echo "$(wc -l <"$rows") rows, $(stat -c %s "$rows") bytes"
declare -A taken
for _ in $(seq "$runs"); do
    "${client[@]}" "$database" -e "DROP TABLE IF EXISTS by_client; CREATE TABLE by_client LIKE customer_behavior;
        ALTER TABLE by_client REMOVE PARTITIONING"
    taken[client]+=" $(seconds client_load)"
    for n in 1 2; do
        taken[viewmart $n]+=" $(seconds load $n)"
    done
done
for who in client 'viewmart 1' 'viewmart 2'; do
    printf '%-12s' "$who"
    tr ' ' '\n' <<<"${taken[$who]}" | sed '/^$/d' | sort -n | paste -sd ' '
done
"${client[@]}" "$database" -e 'DROP TABLE by_client'
