#!/usr/bin/env bash
# loadrun beside wrk: client on core 0, nginx on core 1, turns taken in one run, figures as
# user+system CPU. Needs Linux, nginx and wrk. Prints; judges nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
for tool in wrk nginx python3 taskset; do
  command -v "$tool" >/dev/null || [ -x "/usr/sbin/$tool" ] || {
    echo "side by side: $tool is missing (Debian: apt-get install wrk nginx-light python3 util-linux)"
    exit 1
  }
done
PATH=$PATH:/usr/sbin
cargo build --release --quiet
loadrun=$PWD/target/release/loadrun
folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed "s|FOLDER|$folder|g; s|PORT|$port|g" "$here/nginx.conf" >"$folder/nginx.conf"
ulimit -n "$(ulimit -Hn)"
taskset -c 1 nginx -c "$folder/nginx.conf" &
nginx=$!
trap 'kill $nginx; wait $nginx 2>/dev/null || true; rm -rf "$folder"' EXIT
url=http://127.0.0.1:$port
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done

# figure NAME FILE: one number of a summary
figure() { python3 -c "import json,sys; d=json.load(open(sys.argv[2])); print(eval(sys.argv[1]))" "$1" "$2"; }
run() { # run OUT ARGS...: one worker on core 0, machine summary to OUT
  local out=$1
  shift
  taskset -c 0 "$loadrun" "$@" -p "url=$url" --workers 1 --quiet --summary json \
    --out "$folder/results" >"$out" || [ $? -eq 3 ]
}

echo "CPU per request, us (wrk with Lua | loadrun | ratio)"
for round in 1 2 3 4 5; do
  TIMEFORMAT='%U %S'
  { time taskset -c 0 wrk -t1 -c64 -d5s -s "$here/wrk.lua" "$url/" >"$folder/wrk"; } 2>"$folder/time"
  run "$folder/get" "$here/get.lua" -p duration=5s
  python3 - "$folder" <<'PY'
import json, re, sys
folder = sys.argv[1]
cpu = sum(map(float, open(folder + "/time").read().split()))
wrk = cpu / int(re.search(r"(\d+) requests in", open(folder + "/wrk").read())[1]) * 1e6
get = json.load(open(folder + "/get"))
own = get["generator"]["cpu"] / get["operations"][0]["count"] * 1e6
print(f"  {wrk:6.2f} | {own:6.2f} | {own / wrk:.2f}")
PY
done

echo "memory"
base() { figure 'd["generator"]["memory"]' "$1"; }
taskset -c 0 "$loadrun" "$here/sleepers.lua" -p users=1 --workers 1 -q --summary json --out "$folder/results" >"$folder/none"
taskset -c 0 "$loadrun" "$here/sleepers.lua" -p users=100000 --workers 1 -q --summary json --out "$folder/results" >"$folder/many" || [ $? -eq 3 ]
run "$folder/connected" "$here/connected.lua" -p users=10000
run "$folder/small" "$here/get.lua" -p requests=100000
run "$folder/large" "$here/get.lua" -p requests=1000000
none=$(base "$folder/none")
python3 - "$none" "$(base "$folder/many")" "$(base "$folder/connected")" "$(base "$folder/small")" "$(base "$folder/large")" <<'PY'
import sys
none, many, connected, small, large = map(int, sys.argv[1:])
print(f"  one user                         {none / 2**20:8.1f} MiB")
print(f"  a user that sleeps               {(many - none) / 100_000 / 1024:8.2f} KiB (100,000 users)")
print(f"  a connected user, 1 request/s    {(connected - none) / 10_000 / 1024:8.2f} KiB (10,000 users)")
print(f"  100,000 requests                 {small / 2**20:8.1f} MiB")
print(f"  1,000,000 requests               {large / 2**20:8.1f} MiB ({(large / small - 1) * 100:+.1f} %)")
PY

echo "lag of 5,000 arrivals/s"
run "$folder/arrivals" "$here/arrivals.lua" -p rate=5000
outcome=$(ls -d "$folder"/results/arrivals/*/outcome.json)
python3 - "$outcome" <<'PY'
import json, sys
outcome = json.load(open(sys.argv[1]))
lag = next(s for s in outcome["series"] if s["metric"] == "iteration.lag")
print("  ", {k: v for k, v in lag["total"]["trend"].items() if k != "histogram"}, outcome["verdict"])
PY
