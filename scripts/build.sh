#!/bin/sh
# Configures and builds a preset: scripts/build.sh PRESET [TARGET...]
# Targets that the preset does not have are left out, so that a missing one is the tests' finding.
set -eu
cd "$(dirname "$0")/.."
preset=$1
shift

# A clone in another folder finds what this one has compiled.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1

echo "build: $preset" >&2
log=build/$preset-configure.log
mkdir -p build
if ! cmake --preset "$preset" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
if [ $# -gt 0 ]; then
  wanted=$*
  set --
  known=$(ninja -C "build/$preset" -t targets all | sed -n 's/^\([a-z0-9_]*\): .*/\1/p')
  for target in $wanted; do
    if printf '%s\n' "$known" | grep -qxF "$target"; then set -- "$@" "$target"; fi
  done
  [ $# -gt 0 ] || exit 0
  set -- --target "$@"
fi
exec cmake --build "build/$preset" --parallel "${JOBS:-$(nproc)}" "$@"
