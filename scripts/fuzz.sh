#!/bin/sh
# Runs every fuzzer in build/fuzz: scripts/fuzz.sh SECONDS
# What a fuzzer finds interesting stays in build/fuzz/corpus/NAME; an input that fails is kept in
# build/fuzz/ and repeats the failure when given to the program as its argument.
set -eu
cd "$(dirname "$0")/.."
seconds=$1
count=0
failed=
for program in build/fuzz/*_fuzzer; do
  [ -x "$program" ] || continue
  name=$(basename "$program")
  mkdir -p "build/fuzz/corpus/$name"
  seeds=
  [ ! -d "fuzz/corpus/$name" ] || seeds=fuzz/corpus/$name
  "$program" -max_total_time="$seconds" -print_final_stats=1 -timeout=10 \
    -artifact_prefix="build/fuzz/$name-" "build/fuzz/corpus/$name" $seeds || failed="$failed $name"
  count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "fuzz: no fuzzer was built" >&2; exit 1; }
[ -z "$failed" ] || { echo "fuzz: failed:$failed" >&2; exit 1; }
