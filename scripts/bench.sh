#!/usr/bin/env bash
# Runs every benchmark and prints what docs/performance.md records. Figures of
# one run are comparable with one another, not with those of another machine.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "# $(go version), $(nproc) cores, $(date -u +%F)"
run() { go test -run '^$' -benchmem "$@"; }
run -bench . ./resources ./ingest ./policies ./stream/local ./sqlite ./sim
run -bench 'Consume|Publish' -benchtime 10x ./stream/kinesis
scripts/emulators.sh run kinesis,dynamodb go test -run '^$' -bench Server -benchtime 60x ./stream/kinesis
go test -count=1 -v -run TestStalledHandlerBoundsMemory ./stream/kinesis | grep -v ^=
run -bench 'Apply|Signer' ./store/...
QRIE_BENCH_LARGE=1 run -bench Page -benchtime 500x -timeout 60m ./store/local
dynamo() { scripts/emulators.sh run dynamodb go test -run '^$' -benchmem "$@" ./store/dynamo; }
dynamo -bench Units -benchtime 20x
dynamo -bench MillionEvents -benchtime 1x -timeout 30m
# A million findings need some gigabytes of the server's heap and half an hour.
QRIE_BENCH_LARGE=1 QRIE_DYNAMODB_HEAP=6g dynamo -bench Page -benchtime 200x -timeout 90m
# As make build compiles it.
pipeline() { run -tags noaws -pgo cmd/qrie/pipeline.pgo "$@" ./cmd/qrie; }
pipeline -bench Pipeline -benchtime 600000x -timeout 30m
pipeline -bench Latency -benchtime 15000x -timeout 30m
QRIE_BENCH_LARGE=1 pipeline -bench Scale -benchtime 30000x -timeout 90m
