#!/usr/bin/env bash
# The page: whether what is committed is what its sources build, and what it does in a browser on the server just built:
# run.sh BUILD_DIR [FOLDER for screenshots]. Installs Debian's chromium when there is none. The last line is
# "N passed, N failed".
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$1" && pwd)
packages=$(dirname "$build")/page

fail() { echo "page: $*" >&2; echo "0 passed, 1 failed"; exit 1; }
[[ -x $build/kedge ]] || fail "there is no $build/kedge"
"$here/../../tools/serve/page/check.sh" "$packages" || { echo "0 passed, 1 failed"; exit 1; }
if ! command -v chromium >/dev/null; then
  echo "page: installing chromium"
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get update -q </dev/null >/dev/null || fail "apt-get update failed"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium </dev/null \
    >/dev/null || fail "there is no chromium, and apt-get cannot install it"
fi
KEDGE_PAGE_PACKAGES=$packages exec "$packages/node" "$here/page_test.mjs" "$build/kedge" "$(command -v chromium)" "${2:-}"
