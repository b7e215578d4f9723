#!/usr/bin/env bash
# HTTP: loadrun beside wrk, both with Lua, against nginx.
source "$(dirname "$0")/stage.sh"
needs "wrk nginx-light python3 util-linux" wrk nginx python3 taskset
port=$(free_port)
sed "s|FOLDER|$folder|g; s|PORT|$port|g" "$here/nginx.conf" >"$folder/nginx.conf"
server "$port" nginx -c "$folder/nginx.conf"
url=http://127.0.0.1:$port

echo "HTTP: CPU a request, us (wrk with Lua | loadrun | ratio)"
for _ in 1 2 3 4 5; do
  cpu_of "$folder/wrk" wrk -t1 -c64 -d5s -s "$here/wrk.lua" "$url/"
  run "$folder/get" http_get.lua -p "url=$url" -p duration=5s
  python3 - "$folder" <<'PY'
import json, re, sys
folder = sys.argv[1]
cpu = sum(map(float, open(folder + "/wrk.cpu").read().split()))
wrk = cpu / int(re.search(r"(\d+) requests in", open(folder + "/wrk").read())[1]) * 1e6
get = json.load(open(folder + "/get"))
own = get["generator"]["cpu"] / get["operations"][0]["count"] * 1e6
print(f"  {wrk:6.2f} | {own:6.2f} | {own / wrk:.2f}")
PY
done

echo "memory"
memory='d["generator"]["memory"]'
run "$folder/none" sleepers.lua -p users=1
run "$folder/many" sleepers.lua -p users=100000
run "$folder/connected" http_connected.lua -p "url=$url" -p users=10000
# As long as each other, so that what differs is the number of requests and not that of seconds.
run "$folder/small" http_get.lua -p "url=$url" -p duration=15s -p pause=10ms
run "$folder/large" http_get.lua -p "url=$url" -p duration=15s
count='d["operations"][0]["count"]'
python3 - $(for of in none many connected small large; do figure "$memory" "$folder/$of"; done) \
  $(for of in small large; do figure "$count" "$folder/$of"; done) <<'PY'
import sys
none, many, connected, small, large, few, all = map(int, sys.argv[1:])
print(f"  one user                         {none / 2**20:8.1f} MiB")
print(f"  a user that sleeps               {(many - none) / 100_000 / 1024:8.2f} KiB (100,000 users)")
print(f"  a connected user, 1 request/s    {(connected - none) / 10_000 / 1024:8.2f} KiB (10,000 users)")
print(f"  {few:9,} requests in 15 s     {small / 2**20:8.1f} MiB")
print(f"  {all:9,} requests in 15 s     {large / 2**20:8.1f} MiB ({(large / small - 1) * 100:+.1f} %)")
PY

echo "lag of 5,000 arrivals/s"
run "$folder/arrivals" http_arrivals.lua -p "url=$url" -p rate=5000
python3 - "$folder"/results/http_arrivals/*/outcome.json <<'PY'
import json, sys
outcome = json.load(open(sys.argv[1]))
lag = next(s for s in outcome["series"] if s["metric"] == "iteration.lag")
print("  ", {k: v for k, v in lag["total"]["trend"].items() if k != "histogram"}, outcome["verdict"])
PY
