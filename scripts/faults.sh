#!/usr/bin/env bash
# Runs every test that docs/faults.tsv names, on real servers, and writes the
# results into docs/reliability.md.
set -euo pipefail
cd "$(dirname "$0")/.."
rooms=$(cut -f4 docs/faults.tsv | tr ' ' '\n' | cut -d: -f1 | sort -u)
for room in $rooms; do
  tests=$(cut -f4 docs/faults.tsv | tr ' ' '\n' | sed -n "s|^$room:||p" | sort -u | paste -sd'|')
  echo "== $room $tests" >&2
  go test -json -count=1 -timeout 30m -run "^($tests)\$" "./$room" || true # the table tells
done | node scripts/faults.mjs
