#!/usr/bin/env bash
# Runs the dashboard's browser tests twice: against fixed data, which covers
# every state of every page, and against the real program with a simulated
# organisation.
#
#   scripts/e2e.sh bin/qrie-demo data/screens
set -euo pipefail
binary=$(realpath "$1")
screens=$(realpath -m "$2")
cd "$(dirname "$0")/.."

echo "== dashboard against fixed data"
QRIE_SHOTS="$screens" node web/e2e/run.mjs

echo "== dashboard against qrie up --demo"
data=$(mktemp -d)
out=$data/out
"$binary" up --demo --data "$data" --listen 127.0.0.1:0 --demo-rate 60 >"$out" 2>"$data/err" &
qrie=$!
trap 'kill $qrie 2>/dev/null || true; wait $qrie 2>/dev/null || true; rm -rf "$data"' EXIT
url=
for _ in $(seq 100); do
  url=$(sed -n 's/^ *dashboard *\(http[^ ]*[0-9]\).*/\1/p' "$out")
  [ -n "$url" ] && break
  sleep 0.1
done
[ -n "$url" ] || { echo "qrie did not start:" >&2; cat "$out" "$data/err" >&2; exit 1; }
QRIE_URL=$url QRIE_SHOTS="$screens/demo" node web/e2e/run.mjs || { cat "$data/err" >&2; exit 1; }
