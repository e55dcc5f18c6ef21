#!/bin/sh
# Runs every benchmark in build/bench and keeps its figures as JSON beside it.
# BENCH_ARGS reach each program, e.g. BENCH_ARGS=--benchmark_filter=closed
set -eu
cd "$(dirname "$0")/.."
count=0
for program in build/bench/*_bench; do
  [ -x "$program" ] || continue
  "$program" --benchmark_out="$program.json" --benchmark_out_format=json ${BENCH_ARGS:-}
  if grep -q '"error_occurred": true' "$program.json"; then
    echo "bench: $program could not measure something; see ERROR OCCURRED above" >&2
    exit 1
  fi
  count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "bench: no benchmark was built" >&2; exit 1; }
