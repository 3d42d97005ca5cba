#!/usr/bin/env bash
# From a bare Debian 12 to a server of the embedded models with its page: installs what is missing, builds the release, and
# runs `kedge serve` with the given flags until Ctrl-C.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release
exec build/release/kedge serve "$@"
