#!/usr/bin/env bash
# Screenshots of the built site, to be looked at: tools/docs/shots.sh OUT [PAGE...], at desktop and phone width, light and dark.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:?usage: shots.sh OUT [PAGE...]}
shift
(($# > 0)) || set -- index start cookbook numbers first-ten-minutes reference/kedge-h reference/kedge-run
mkdir -p "$out"

shot() { # name, width, height, dark or light, page
  local options=(--headless --no-sandbox --disable-gpu --hide-scrollbars --window-size="$2,$3" --user-data-dir="$out/.profile")
  [[ $4 == light ]] || options+=(--blink-settings=preferredColorScheme=0)
  chromium "${options[@]}" --screenshot="$out/$1.png" "file://$PWD/build/site/$5.html" 2>/dev/null
}

for page in "$@"; do
  name=${page//\//-}
  shot "$name-desktop-light" 1400 1000 light "$page"
  shot "$name-desktop-dark" 1400 1000 dark "$page"
  shot "$name-phone-light" 500 900 light "$page" # the narrowest window chromium has
done
rm -rf "$out/.profile"
ls "$out"
