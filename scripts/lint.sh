#!/bin/sh
# Checks formatting and runs clang-tidy; with --fix only formats.
# clang-tidy reads core/, fleet/, guard/ and queue/, and whatever differs from $LINT_BASE (default
# origin/main); LINT_ALL=1 reads everything, which takes long where Beast is included.
set -eu
cd "$(dirname "$0")/.."
files=$(find src include tests fuzz bench -name '*.h' -o -name '*.cc' | sort)
if [ "${1:-}" = --fix ]; then
  printf '%s\n' "$files" | xargs clang-format-19 -i
  exit 0
fi

status=0
printf '%s\n' "$files" | xargs clang-format-19 --dry-run -Werror || status=1

cmake --preset dev >/dev/null
# A file that is part of several programs is read once.
mkdir -p build/lint
python3 - build/dev/compile_commands.json build/lint/compile_commands.json <<'END'
import json, sys
with open(sys.argv[1]) as source, open(sys.argv[2], "w") as target:
    json.dump(list({command["file"]: command for command in reversed(json.load(source))}.values()), target)
END
if [ -n "${LINT_ALL:-}" ]; then
  chosen=$(printf '%s\n' "$files" | grep '\.cc$' | grep '^src/')
else
  changed=$(git diff --name-only "${LINT_BASE:-origin/main}" -- 'src/*.cc' 2>/dev/null || true)
  chosen=$({ find src/core src/fleet src/guard src/queue -name '*.cc'; printf '%s\n' "$changed"; } |
           grep . | sort -u)
fi
printf '%s\n' "$chosen" | xargs -P "${JOBS:-$(nproc)}" -n 4 clang-tidy-19 -p build/lint --quiet \
  || status=1
[ "$status" = 0 ] || echo "lint: see above; make format mends the formatting" >&2
exit "$status"
