#!/usr/bin/env bash
# Times the pull of a folder from HDFS: `viewmart extract` against Hadoop's own `fs -get -t 4`, each in turn into an empty
# folder of the same disk, RUNS times; then `viewmart run`, which pulls and does all the rest. Prints seconds.
#
#   benches/pull.sh FOLDER [RUNS]
#
# The cluster is one of scripts/hdfs, with three DataNodes on this machine, and gets a copy of FOLDER; needs twice the size
# of FOLDER on the disk of target/. Hadoop's time includes the start of its JVM, that of viewmart the checksums and fsync
# of the files. VIEWMART names another binary than target/release/viewmart, WORK another folder for what is pulled than
# target/: one in memory shows what is left without the disk, which only viewmart waits for.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

folder=$1 runs=${2:-3}
viewmart=${VIEWMART:-$PWD/target/release/viewmart}
export HDFS_CLUSTER=bench HDFS_PORT=${HDFS_PORT:-19900}
lake=hdfs://127.0.0.1:$HDFS_PORT/bench
work=$(mktemp -d "${WORK:-$PWD/target}/pull.XXXXXX")
trap 'rm -rf "$work"; scripts/hdfs down' EXIT

by_hadoop() {
    mkdir "$work/hadoop"
    scripts/hdfs fs -get -t 4 "/bench/*" "$work/hadoop"
}
by_viewmart() {
    "$viewmart" extract "$lake" --cache "$work/cache" --quiet >/dev/null
}
whole_run() {
    "$viewmart" run "$lake" --cache "$work/cache" --out "$work/out" --quiet >/dev/null
}
# Sets `taken` to the seconds that a command takes. What was there before is gone, and on the disk.
seconds() {
    rm -rf "$work"/*
    sync
    local started=$EPOCHREALTIME
    "$@"
    taken=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
}
median() { tr ' ' '\n' <<<"$1" | sed '/^$/d' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

scripts/hdfs up --replication 1 --block-size 134217728 >/dev/null
mapfile -t files < <(find -L "$folder" -type f | sort)
scripts/hdfs put "${files[@]}" /bench
bytes=$(du -bcL "${files[@]}" | tail -1 | cut -f1)
echo "${#files[@]} files, $bytes bytes; $(nproc) processors; $("$viewmart" --version); $(stat -fc %T "$work")"

# What arrives is what was put there; all caches are warm from here on.
seconds by_viewmart
for file in "${files[@]}"; do
    cmp "$file" "$work/cache/hdfs/127.0.0.1:$HDFS_PORT/bench/$(basename "$file")"
done
seconds by_hadoop

hadoop='' extract='' run='' of_run=''
for _ in $(seq "$runs"); do
    seconds by_hadoop
    hadoop+=" $taken"
    seconds by_viewmart
    extract+=" $taken"
    seconds whole_run
    run+=" $taken"
    of_run+=" $(python3 -c '
import json, sys
print(*("%.2f" % s["wall_s"] for s in json.load(open(sys.argv[1]))["stages"] if s["name"] == "pull"))' "$work/out/report.json")"
done
echo "hadoop fs -get -t 4 :$hadoop"
echo "viewmart extract    :$extract"
echo "viewmart run        :$run"
echo "  of which the pull :$of_run"
awk -v h="$(median "$hadoop")" -v e="$(median "$extract")" -v r="$(median "$run")" -v p="$(median "$of_run")" -v n="$bytes" 'BEGIN {
    printf "medians: hadoop %.2f s (%.0f MB/s), extract %.2f s (%.0f MB/s), %.2f times as fast\n", h, n / h / 1e6, e, n / e / 1e6, h / e
    printf "run %.2f s: its pull %.2f s and %.2f s more\n", r, p, r - p
}'
