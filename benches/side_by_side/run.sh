#!/usr/bin/env bash
# loadrun beside the tools that do the same work: client on core 0, server on core 1, turns taken in
# one run, figures as user+system CPU. Needs Linux. Prints; judges nothing.
#
#   run.sh [http] [redis] [sql] [proxy]     all when none is named
#
# It measures the release build of what is here, or the program that LOADRUN names: `make bench` gives it
# the trained one (.ci/trained).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- http redis sql proxy
for part in "$@"; do
  bash "$here/$part.sh"
done
