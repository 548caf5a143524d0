#!/usr/bin/env bash
# simulate.sh FIRST SEEDS [SEED]: runs SEEDS seeds of the simulation from FIRST
# on, one process a processor, or prints what happens in the run of SEED.
#
# A process has one thread of Go's: a simulation has many goroutines and little
# to do at once, and more threads would only wake one another.
set -euo pipefail
cd "$(dirname "$0")/.."
first=$1 seeds=$2 one=${3:-}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
${GO:-go} test -c -o "$out/simulation.test" ./simulation
export GOMAXPROCS=1 GOGC=400
cd simulation
if [ -n "$one" ]; then
  exec "$out/simulation.test" -test.run '^TestSeeds$' -seed="$one"
fi
processors=$(nproc)
echo "== $seeds simulated runs from seed $first on, in $processors processes"
pids=()
for ((i = 0; i < processors; i++)); do
  "$out/simulation.test" -test.run '^TestSeeds$' -test.v -test.timeout 0 -seeds=$(((seeds + processors - 1 - i) / processors)) -first=$((first + i)) -step="$processors" 2>&1 |
    grep --line-buffered -v '^=== RUN\|^PASS$' &
  pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do
  wait "$pid" || failed=1
done
exit "$failed"
