#!/usr/bin/env bash
# SQL: loadrun beside pgbench and sysbench, one prepared SELECT by primary key on PostgreSQL; and how
# fairly a pool of 20 connections serves 1,000 users.
#
# All three ask for the same row by the same prepared statement on as many connections, and each has a
# core for itself, the server the other one: pgbench with one thread, sysbench with one a connection,
# which is its way, loadrun with one worker and a user a connection. sysbench's script reads the value
# into Lua as ours does. What counts is the CPU of the client's process, user and system, from its start
# to its end, by the SELECTs it made.
#
# Last measured (Intel Xeon, two cores, a virtual machine), the trained build, with what is written in C
# trained too: 0.89 to 0.99 times sysbench with 16 connections (mean of 15 rounds 0.92), 0.87 to 1.07 with
# 64 (mean of 37 rounds 0.98), 0.78 to 0.90 with 128; and 0.93 to 1.01, 0.8 and 0.6 times pgbench. Without
# a clang of the compiler's LLVM it is 4 % more. On an AMD EPYC, where a first cache of code has 32 KB and
# not 64, such a one was at 1.0 to 1.1, 0.9 to 1.0 and 0.7 to 0.8 (the release build at 1.1 to 1.2, 1.1 to
# 1.2, 0.6 to 0.7), and 1.0, 0.8 and 0.5 to 0.7 times pgbench. A bare loop around the driver (sqlx, one
# thread, no Lua, nothing measured) was at 0.93 with 16.
#
# The idler the client, the fewer answers it finds at a time: there is about one a wake-up up to 64
# connections, while sysbench's threads get in each other's way as there are more. A SELECT runs 22,500
# instructions of which few run twice, 1,590 lines of code (100 KB) from 303 pages, which is why a trained
# build gains, and one for size (-Os), or trained with fat LTO, loses; an order of functions and blocks found
# after linking (BOLT) gained 1 to 2 % more, and is not worth a tool of its own. Of the program's own CPU
# a fifth is loadrun's, a sixth Lua's, an eighth the driver's, a ninth tokio's and as much libc's. The
# kernel's part is the larger one for all: here one send, one receive, one receive in vain (0.33 us), which
# the driver tries before the answer can be there, and an epoll_wait; sysbench has a poll and a switch of
# threads for each.
source "$(dirname "$0")/stage.sh"
needs "postgresql sysbench python3 util-linux" initdb postgres pgbench sysbench python3 taskset
port=$(free_port)
data=$folder/postgres
mkdir "$data"
as=()
if [ "$(id -u)" -eq 0 ]; then
  # The server refuses to be root.
  chown nobody "$data"
  as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
"${as[@]}" initdb -D "$data" -U postgres -A trust --no-sync >"$folder/initdb"
server "$port" "${as[@]}" postgres -D "$data" -p "$port" -c listen_addresses=127.0.0.1 \
  -c "unix_socket_directories=$data" -c fsync=off -c logging_collector=off -c max_connections=200 2>"$folder/log"
until pgbench -h 127.0.0.1 -p "$port" -U postgres -i -s 1 -q postgres >"$folder/init" 2>&1; do sleep 0.1; done
at=(-h 127.0.0.1 -p "$port" -U postgres)
sysbench_args=("$here/sql_select_sysbench.lua" --db-driver=pgsql --pgsql-host=127.0.0.1
  --pgsql-port="$port" --pgsql-user=postgres --pgsql-db=postgres --time=5)
url=postgres://postgres@127.0.0.1:$port/postgres

echo "SQL: CPU a SELECT, us (connections | pgbench | sysbench | loadrun | to pgbench | to sysbench)"
for connections in 16 16 16 64 64 64 128 128 128; do
  cpu_of "$folder/pgbench" pgbench "${at[@]}" -S -M prepared -n -c "$connections" -j 1 -T 5 postgres
  cpu_of "$folder/sysbench" sysbench "${sysbench_args[@]}" --threads="$connections" run
  run "$folder/own" sql_select.lua -p "url=$url" -p "users=$connections" -p "size=$connections" \
    -p duration=5s
  python3 - "$folder" "$connections" <<'PY'
import json, re, sys
folder, connections = sys.argv[1:]
def text(name):
    return open(f"{folder}/{name}").read()
def cost(name, selects):
    return sum(map(float, text(name + ".cpu").split())) / selects * 1e6
pgbench = cost("pgbench", int(re.search(r"actually processed: (\d+)", text("pgbench"))[1]))
sysbench = cost("sysbench", int(re.search(r"total:\s+(\d+)", text("sysbench"))[1]))
own = cost("own", json.loads(text("own"))["operations"][0]["count"])
print(
    f"  {connections} | {pgbench:6.2f} | {sysbench:6.2f} | {own:6.2f} | {own / pgbench:.2f}"
    f" | {own / sysbench:.2f}"
)
PY
done

echo "1,000 users sharing a pool of 20: waits for a connection"
run "$folder/pool" sql_select.lua -p "url=$url" -p users=1000 -p size=20 -p duration=5s
python3 - "$folder" <<'PY'
import glob, json, sys
outcomes = sorted(glob.glob(sys.argv[1] + "/results/sql_select/*/outcome.json"))
outcome = json.load(open(outcomes[-1]))
points = next(s for s in outcome["series"] if s["metric"] == "sql.wait")["points"]
# Connections are opened in the first second; the last is not a whole one.
for trend in [point["trend"] for point in points[1:-1]]:
    median, longest = trend["p50"] / 1e6, trend["max"] / 1e6
    print(f"  median {median:6.1f} ms | longest {longest:6.1f} ms | {longest / median:.1f} times")
print(" ", outcome["verdict"])
PY
