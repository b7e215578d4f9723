#!/usr/bin/env bash
# The proxy without a toxic, on loopback: bytes a second through it, and what it adds to a question
# and its answer, beside socat; and what a declared fault that is off costs the engine's own
# connections.
#
#   BEFORE=FILE  another build of loadrun, to compare a run without faults with
source "$(dirname "$0")/stage.sh"
needs "nginx-light socat python3 util-linux" nginx socat python3 taskset

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

# through UPSTREAM CORE: opens a proxy on that core, leaves its port in $port, its process in $proxy
through() {
  local to=127.0.0.1:$1
  rm -f "$folder/proxy.out"
  taskset -c "$2" "$loadrun" proxy --listen 127.0.0.1:0 --upstream "$to" >"$folder/proxy.out" &
  proxy=$!
  servers+=("$proxy")
  until grep -qs '^listening on' "$folder/proxy.out"; do sleep 0.05; done
  port=$(sed -n 's/^listening on 127.0.0.1:\([0-9]*\) .*/\1/p' "$folder/proxy.out")
}

# ticks PID: CPU of a process so far, in hundredths of a second
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

bytes=8000000000
sink=$(free_port)
server "$sink" python3 "$folder/peer.py" sink "$sink"
through "$sink" 0
echo "throughput, GB/s (direct | through the proxy | the proxy's CPU a GB, s)"
for _ in 1 2 3 4 5; do
  direct=$(taskset -c 1 python3 "$folder/peer.py" source "$sink" "$bytes")
  before=$(ticks "$proxy")
  proxied=$(taskset -c 1 python3 "$folder/peer.py" source "$port" "$bytes")
  after=$(ticks "$proxy")
  python3 -c "print(f'  {$direct:5.2f} | {$proxied:5.2f} | {($after - $before) / 100 / ($bytes / 1e9):.3f}')"
done

# called PORT: p50 and p99 of questions asked there, us
called() { taskset -c 1 python3 "$folder/peer.py" caller "$1" 20000; }

echo=$(free_port)
server "$echo" python3 "$folder/peer.py" echo "$echo"
# With everything on one core a hop costs what is done for it. Across cores it costs above all the
# waking of one that idles, whatever the proxy does: socat says how long that takes here.
for core in 1 0; do
  through "$echo" "$core"
  other=$(free_port)
  taskset -c "$core" socat "TCP-LISTEN:$other,bind=127.0.0.1,nodelay,fork" \
    "TCP:127.0.0.1:$echo,nodelay" &
  servers+=($!)
  until (exec 3<>"/dev/tcp/127.0.0.1/$other") 2>/dev/null; do sleep 0.05; done
  [ "$core" -eq 1 ] && where="the core of both ends" || where="a core of its own"
  echo "a question and its answer of 100 B, p50 and p99, us; the proxy on $where"
  echo "  direct | through socat | through loadrun | added by socat | by loadrun"
  for _ in 1 2 3 4 5; do
    python3 - $(called "$echo") $(called "$other") $(called "$port") <<'PY'
import sys
direct, socat, own = (list(map(float, sys.argv[at:at + 2])) for at in (1, 3, 5))
added = [[through - alone for through, alone in zip(way, direct)] for way in (socat, own)]
print("  " + " | ".join("{:.1f} {:.1f}".format(*pair) for pair in (direct, socat, own, *added)))
PY
  done
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
