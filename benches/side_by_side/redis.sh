#!/usr/bin/env bash
# Redis: loadrun beside redis-benchmark, the same number of connections, against one redis-server.
source "$(dirname "$0")/stage.sh"
needs "redis-server redis-tools python3 util-linux" redis-server redis-benchmark python3 taskset
port=$(free_port)
server "$port" redis-server --port "$port" --save '' --dir "$folder" --logfile "$folder/log"
url=redis://127.0.0.1:$port

echo "Redis: CPU a GET, us (redis-benchmark | loadrun | ratio | loadrun in pipelines of 16 | times cheaper)"
for _ in 1 2 3 4 5; do
  cpu_of "$folder/peer" redis-benchmark -p "$port" -c 50 -n 400000 -t get -q
  run "$folder/own" redis_get.lua -p "url=$url" -p duration=5s
  run "$folder/piped" redis_get.lua -p "url=$url" -p duration=5s -p pipeline=16
  python3 - "$folder" <<'PY'
import json, sys
folder = sys.argv[1]
peer = sum(map(float, open(folder + "/peer.cpu").read().split())) / 400_000 * 1e6
def cost(name, commands):
    run = json.load(open(f"{folder}/{name}"))
    return run["generator"]["cpu"] / run["operations"][0]["count"] / commands * 1e6
own, piped = cost("own", 1), cost("piped", 16)
print(f"  {peer:6.2f} | {own:6.2f} | {own / peer:.2f} | {piped:6.2f} | {own / piped:.1f}")
PY
done
