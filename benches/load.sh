#!/usr/bin/env bash
# Times the load of a month file into a MySQL or MariaDB server against the server's own client, which loads a ready
# sorted file of the same rows over one connection. Each in turn, RUNS times; prints seconds, smallest first.
#
#   benches/load.sh MONTH.parquet mysql://root@127.0.0.1:23106/load_bench [RUNS]
#
# The client needs an account without a password (as scripts/mysql and scripts/mariadb make it) and local_infile.
#
#   client load       LOAD DATA alone, into an empty table with the same definition
#   client publish    LOAD DATA, then the check of the sums and the exchange of the partition: what viewmart does too
#   viewmart N        all of `viewmart load` with N connections: it also reads the month file and records the run
#   rows N            of that, LOAD DATA alone, from the first statement to the last answer, as the server's clock has it
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

month_file=$1 url=$2 runs=${3:-3}
rest=${url#mysql://} user=${rest%%@*} rest=${rest#*@}
host=${rest%%:*} port=${rest#*:} database=${rest##*/}
port=${port%%/*} database=${database%%\?*}
viewmart=${VIEWMART:-target/release/viewmart}
client=(mariadb --no-defaults --local-infile=1 --user="$user" --host="$host" --port="$port")
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT

sql() { "${client[@]}" --batch --skip-column-names --quick "$@"; }

load() {
    "$viewmart" load "$month_file" --warehouse "$url" --load-connections "$1" --quiet >/dev/null
}
seconds() {
    local started=$EPOCHREALTIME
    # A load that failed is no time.
    "$@" >/dev/null || kill -s TERM "$$"
    awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", b - a }'
}
client_load() {
    sql "$database" -e "LOAD DATA LOCAL INFILE '$rows' INTO TABLE by_client CHARACTER SET utf8mb4"
}
client_publish() {
    client_load
    sql "$database" -e "SELECT COUNT(*), SUM(MovieDuration), SUM(SportDuration), SUM(ChildDuration), SUM(RelaxDuration),
        SUM(TvDuration), SUM(TotalDuration), SUM(Activeness) FROM by_client;
        ALTER TABLE by_client_published EXCHANGE PARTITION $partition WITH TABLE by_client"
}
# Longest LOAD DATA of the server in the table of its log since the last call.
load_seconds() {
    sql -e "SELECT ROUND(MAX(FLOOR(TIME_TO_SEC(query_time)) + MICROSECOND(query_time) / 1000000), 2) FROM mysql.slow_log
        WHERE CONVERT(sql_text USING utf8mb4) LIKE 'LOAD DATA LOCAL%'; TRUNCATE mysql.slow_log"
}
# Waits until the server has written down what the last load changed, which would slow the next one.
settle() {
    sql -e 'SET GLOBAL innodb_io_capacity_max = 40000; SET GLOBAL innodb_io_capacity = 20000;
        SET GLOBAL innodb_max_dirty_pages_pct = 0'
    for _ in $(seq 600); do
        [ "$(sql -e "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'" | cut -f 2)" -lt 500 ] && break
        sleep 0.1
    done
    sql -e 'SET GLOBAL innodb_max_dirty_pages_pct = 90; SET GLOBAL innodb_io_capacity = 200'
}
add() { taken[$1]+=" $2"; }

load 2
sql -e "SELECT * FROM $database.customer_behavior ORDER BY Month, Contract" >"$rows"
partition=$(sql -e "SELECT PARTITION_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = '$database'
    AND TABLE_NAME = 'customer_behavior' AND PARTITION_NAME <> 'p_none' LIMIT 1")
echo "$(wc -l <"$rows") rows, $(stat -c %s "$rows") bytes"
sql -e "SET GLOBAL log_output = 'TABLE'; SET GLOBAL long_query_time = 0.05; SET GLOBAL slow_query_log = 1"
declare -A taken
for _ in $(seq "$runs"); do
    for who in load publish; do
        sql "$database" -e "DROP TABLE IF EXISTS by_client, by_client_published;
            CREATE TABLE by_client_published LIKE customer_behavior;
            CREATE TABLE by_client LIKE customer_behavior; ALTER TABLE by_client REMOVE PARTITIONING"
        settle
        add "client $who" "$(seconds "client_$who")"
    done
    for n in 1 2; do
        load_seconds >/dev/null
        settle
        add "viewmart $n" "$(seconds load "$n")"
        add "rows $n" "$(load_seconds)"
    done
done
sql -e "SET GLOBAL slow_query_log = 0"
for who in 'client load' 'client publish' 'viewmart 1' 'viewmart 2' 'rows 1' 'rows 2'; do
    printf '%-16s' "$who"
    tr ' ' '\n' <<<"${taken[$who]}" | sed '/^$/d' | sort -n | paste -sd ' '
done
sql "$database" -e 'DROP TABLE by_client, by_client_published'
