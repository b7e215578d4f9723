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

echo "memory, the most a run held (of the last two the median of three runs)"
memory='d["generator"]["memory"]'
run "$folder/none" sleepers.lua -p users=1
run "$folder/many" sleepers.lua -p users=100000
run "$folder/connected" http_connected.lua -p "url=$url" -p users=10000
# As long as each other, so that what differs is the number of requests and not that of seconds; three
# times, because when Lua last collected before the end is a matter of chance.
for n in 1 2 3; do
  run "$folder/small$n" http_get.lua -p "url=$url" -p duration=15s -p pause=10ms
  run "$folder/large$n" http_get.lua -p "url=$url" -p duration=15s
done
count='d["operations"][0]["count"]'
python3 - $(for of in none many connected small1 small2 small3 large1 large2 large3; do
  figure "$memory" "$folder/$of"
done) \
  $(for of in small2 large2; do figure "$count" "$folder/$of"; done) <<'PY'
import sys
none, many, connected, *rest, few, all = map(int, sys.argv[1:])
small, large = sorted(rest[:3])[1], sorted(rest[3:])[1]
print(f"  one user                         {none / 2**20:8.1f} MiB")
print(f"  a user that sleeps               {(many - none) / 100_000 / 1024:8.2f} KiB (100,000 users)")
print(f"  a connected user, 1 request/s    {(connected - none) / 10_000 / 1024:8.2f} KiB (10,000 users)")
print(f"  {few:9,} requests in 15 s     {small / 2**20:8.1f} MiB")
print(f"  {all:9,} requests in 15 s     {large / 2**20:8.1f} MiB ({(large / small - 1) * 100:+.1f} %)")
PY

echo "lag of 5,000 arrivals/s"
run "$folder/arrivals" http_arrivals.lua -p "url=$url" -p rate=5000
verdict='d["verdict"]' lag='d["scenarios"][0]["lag_p99_ms"]'
echo "  p99 $(figure "$lag" "$folder/arrivals") ms, $(figure "$verdict" "$folder/arrivals")"
