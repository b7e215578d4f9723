# What every side-by-side run needs; sourced by them. Sets `here`, `loadrun`, `folder` (a temporary
# one, gone at the end) and gives `needs`, `free_port`, `cpu_of`, `run`, `figure` and `server`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
# Debian keeps servers out of an ordinary user's PATH, PostgreSQL's even farther.
PATH=$PATH:/usr/sbin:$(printf '%s:' /usr/lib/postgresql/*/bin)
[ -n "${LOADRUN:-}" ] || cargo build --release --quiet
loadrun=$(realpath "${LOADRUN:-target/release/loadrun}")
folder=$(mktemp -d)
chmod 711 "$folder"
servers=()
cleanup() {
  for server in "${servers[@]}"; do kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; done
  rm -rf "$folder"
}
trap cleanup EXIT
ulimit -n "$(ulimit -Hn)"

# needs PACKAGES TOOL...: ends with what to install where a tool is missing
needs() {
  local packages=$1 tool
  shift
  for tool in "$@"; do
    command -v "$tool" >/dev/null || {
      echo "side by side: $tool is missing (Debian: apt-get install $packages)"
      exit 1
    }
  done
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# server PORT COMMAND...: starts it on core 1 and waits until it takes connections
server() {
  local port=$1
  shift
  taskset -c 1 "$@" &
  servers+=($!)
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
}

# cpu_of OUT COMMAND...: the command on core 0, its output to OUT, its CPU seconds to OUT.cpu
cpu_of() {
  local out=$1 TIMEFORMAT='%U %S'
  shift
  { time taskset -c 0 "$@" >"$out" 2>/dev/null; } 2>"$out.cpu"
}

# run OUT SCRIPT ARGS...: loadrun with one worker on core 0, its summary for machines to OUT, its CPU
# seconds to OUT.cpu
run() {
  local out=$1 script=$2 TIMEFORMAT='%U %S'
  shift 2
  { time taskset -c 0 "$loadrun" "$here/$script" "$@" --workers 1 --quiet --summary json \
    --out "$folder/results" >"$out" 2>&3; } 3>&2 2>"$out.cpu" || [ $? -eq 3 ]
}

# figure EXPRESSION OUT: one number of a summary, `d`
figure() { python3 -c "import json,sys; d=json.load(open(sys.argv[2])); print(eval(sys.argv[1]))" "$1" "$2"; }
