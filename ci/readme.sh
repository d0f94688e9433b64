#!/usr/bin/env bash
# Runs a command of README.md to the letter: `bash ci/readme.sh tests` or `bash ci/readme.sh example`.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
    tests) pattern='^python -m venv .* -m pytest$' ;;
    example) pattern='^python -m venv .* examples/[a-z_]+\.py$' ;;
    *) echo "usage: bash ci/readme.sh tests|example" >&2; exit 2 ;;
esac

command=$(grep -E "$pattern" README.md) || { echo "README.md has no line like $pattern" >&2; exit 1; }
[ "$(wc -l <<<"$command")" = 1 ] || { echo "README.md has several lines like $pattern" >&2; exit 1; }
echo "\$ $command"
exec bash -euo pipefail -c "$command"
