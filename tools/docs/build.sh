#!/usr/bin/env bash
# The documentation as a site that needs no network and no server, into build/site: tools/docs/build.sh [KEDGE]
# KEDGE is the command whose help becomes the reference; default: that of build/release, else of build/ci.
# Packages (Debian): mkdocs, python3-lunr, libjs-lunr. tools/docs/record.py makes the recordings, tools/docs/shots.sh screenshots.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

kedge=${1:-}
for place in build/release build/ci; do
  [[ -n $kedge || ! -x $place/kedge ]] || kedge=$place/kedge
done
[[ -n $kedge ]] || { echo "build.sh: no kedge is built: name one" >&2; exit 1; }
for needed in mkdocs /usr/share/javascript/lunr/lunr.min.js; do
  [[ -e $needed ]] || command -v "$needed" >/dev/null || { echo "build.sh: $needed is missing: apt-get install mkdocs python3-lunr" >&2; exit 1; }
done

/usr/bin/python3 tools/docs/stage.py "$kedge" build/site-src
(cd build/site-src && PYTHONDONTWRITEBYTECODE=1 /usr/bin/mkdocs build --quiet --clean)
cp /usr/share/javascript/lunr/lunr.min.js build/site/lunr.js
rm -f build/site/sitemap.xml build/site/sitemap.xml.gz
# Nothing of a page may come from elsewhere.
if grep -rlE '(src|href)="(https?:)?//[^"]*\.(js|css|woff2?|png|svg)"' build/site --include='*.html'; then
  echo "build.sh: these pages load something from a network" >&2
  exit 1
fi
echo "build/site/index.html"
