#!/usr/bin/env bash
# The proxy without a toxic, on loopback: bytes a second through it, and what it adds to a question
# and its answer; and what a declared fault that is off costs the engine's own connections.
#
#   BEFORE=FILE  another build of loadrun, to compare a run without faults with
source "$(dirname "$0")/stage.sh"
needs "nginx-light python3 util-linux" nginx python3 taskset

cat >"$folder/peer.py" <<'PY'
"""The two ends of a connection: a sink or an echo that serves, a source or a caller that measures."""
import socket, sys, time

def serve(port, answer):
    listener = socket.create_server(("127.0.0.1", port))
    buffer = bytearray(1 << 20)
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        total = 0
        while count := peer.recv_into(buffer):
            total += count
            if answer:
                peer.sendall(buffer[:count])
        if not answer:
            peer.sendall(total.to_bytes(8, "big"))
        peer.close()

def connect(port):
    peer = socket.create_connection(("127.0.0.1", port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer

def source(port, total):
    peer, block, left = connect(port), bytes(1 << 20), total
    begun = time.perf_counter()
    while left > 0:
        peer.sendall(block[:left])
        left -= len(block)
    peer.shutdown(socket.SHUT_WR)
    landed = int.from_bytes(peer.recv(8, socket.MSG_WAITALL), "big")
    assert landed == total, (landed, total)
    return total / (time.perf_counter() - begun) / 1e9

def caller(port, calls):
    peer, times = connect(port), []
    for _ in range(calls):
        begun = time.perf_counter()
        peer.sendall(b"x" * 100)
        left = 100
        while left:
            left -= len(peer.recv(left))
        times.append(time.perf_counter() - begun)
    times.sort()
    return times[calls // 2] * 1e6, times[calls * 99 // 100] * 1e6

what, port = sys.argv[1], int(sys.argv[2])
if what in ("sink", "echo"):
    serve(port, what == "echo")
elif what == "source":
    print(f"{source(port, int(sys.argv[3])):.2f}")
else:
    print("{:.1f} {:.1f}".format(*caller(port, int(sys.argv[3]))))
PY

# through UPSTREAM: opens a proxy on core 0, leaves its port in $port and its process in $proxy
through() {
  taskset -c 0 "$loadrun" proxy --listen 127.0.0.1:0 --upstream "127.0.0.1:$1" >"$folder/proxy.out" &
  proxy=$!
  servers+=("$proxy")
  until grep -q '^listening on' "$folder/proxy.out"; do sleep 0.05; done
  port=$(sed -n 's/^listening on 127.0.0.1:\([0-9]*\) .*/\1/p' "$folder/proxy.out")
}

# ticks PID: CPU of a process so far, in hundredths of a second
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

bytes=8000000000
sink=$(free_port)
server "$sink" python3 "$folder/peer.py" sink "$sink"
through "$sink"
echo "throughput, GB/s (direct | through the proxy | the proxy's CPU a GB, s)"
for _ in 1 2 3 4 5; do
  direct=$(taskset -c 1 python3 "$folder/peer.py" source "$sink" "$bytes")
  before=$(ticks "$proxy")
  proxied=$(taskset -c 1 python3 "$folder/peer.py" source "$port" "$bytes")
  after=$(ticks "$proxy")
  python3 -c "print(f'  {$direct:5.2f} | {$proxied:5.2f} | {($after - $before) / 100 / ($bytes / 1e9):.3f}')"
done

echo=$(free_port)
server "$echo" python3 "$folder/peer.py" echo "$echo"
through "$echo"
echo "a question and its answer of 100 B, us (direct p50 p99 | through p50 p99 | added p50 p99)"
for _ in 1 2 3 4 5; do
  read -r direct50 direct99 <<<"$(taskset -c 1 python3 "$folder/peer.py" caller "$echo" 20000)"
  read -r through50 through99 <<<"$(taskset -c 1 python3 "$folder/peer.py" caller "$port" 20000)"
  python3 -c "print('  $direct50 $direct99 | $through50 $through99 |',
    f'{$through50 - $direct50:.1f} {$through99 - $direct99:.1f}')"
done

web=$(free_port)
sed "s|FOLDER|$folder|g; s|PORT|$web|g" "$here/nginx.conf" >"$folder/nginx.conf"
server "$web" nginx -c "$folder/nginx.conf"
own=$loadrun
echo "CPU a request of the engine's own, us (no fault | declared and off${BEFORE:+ | $BEFORE} | ratios)"
cost='d["generator"]["cpu"] / d["operations"][0]["count"] * 1e6'
for _ in 1 2 3 4 5 6 7; do
  run "$folder/none" http_get.lua -p "url=http://127.0.0.1:$web" -p duration=5s
  run "$folder/off" http_get.lua -p "url=http://127.0.0.1:$web" -p duration=5s -p fault=true
  figures="$(figure "$cost" "$folder/none") $(figure "$cost" "$folder/off")"
  if [ -n "${BEFORE:-}" ]; then
    loadrun=$BEFORE run "$folder/before" http_get.lua -p "url=http://127.0.0.1:$web" -p duration=5s
    loadrun=$own
    figures="$figures $(figure "$cost" "$folder/before")"
  fi
  python3 - $figures <<'PY'
import sys
none, *others = map(float, sys.argv[1:])
figures = " | ".join(f"{value:6.2f}" for value in (none, *others))
print(f"  {figures} |", " ".join(f"{value / none:.3f}" for value in others))
PY
done
