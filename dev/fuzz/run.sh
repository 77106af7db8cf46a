#!/bin/sh
# Runs every fuzz target, or those given, for SECONDS each, from the committed corpus and from what earlier runs
# found. Prints one line for each, and fails when an input broke one; that input then belongs into the corpus.
set -eu
cd "$(dirname "$0")/../.."

seconds=${SECONDS_EACH:-60}
target=${CARGO_TARGET_DIR:-target}
RUSTC_WORKSPACE_WRAPPER="$PWD/dev/fuzz/instrument.sh" \
    cargo build --quiet --package fuzz --features libfuzzer --bin fuzz

[ $# -gt 0 ] || set -- dev/fuzz/corpus/*
failed=0
for name in "$@"; do
    name=$(basename "$name")
    work=$target/fuzz/$name
    mkdir -p "$work/found" "$work/crashes"
    crashes_before=$(find "$work/crashes" -type f | wc -l)
    status=0
    FUZZ_TARGET=$name "$target/debug/fuzz" -max_total_time="$seconds" -max_len=16384 -timeout=20 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$work/crashes/" \
        "$work/found" "dev/fuzz/corpus/$name" >"$work/log" 2>&1 || status=$?
    figure() { sed -n "s/^stat::$1: *//p" "$work/log" | tail -n 1; }
    crashes=$(($(find "$work/crashes" -type f | wc -l) - crashes_before))
    echo "fuzz: $name: $(figure number_of_executed_units) runs, $(figure new_units_added) new paths, $crashes crashes"
    if [ "$status" -ne 0 ]; then
        failed=1
        grep -m 3 -A 2 'panicked at\|ERROR: libFuzzer' "$work/log" || tail -n 5 "$work/log"
        echo "fuzz: $name: see $work/log; the input is in $work/crashes"
    fi
done
exit "$failed"
