#!/usr/bin/env bash
# loadrun beside the tools that do the same work: client on core 0, server on core 1, turns taken in
# one run, figures as user+system CPU. Needs Linux. Prints; judges nothing.
#
#   run.sh [http] [redis] [sql] [proxy]     all when none is named
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- http redis sql proxy
for part in "$@"; do
  bash "$here/$part.sh"
done
