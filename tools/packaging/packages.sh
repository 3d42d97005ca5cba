#!/usr/bin/env bash
# The Debian packages libkedge1, libkedge-dev, kedge and kedge-models, into build/packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tools/setup.sh
if ! command -v dpkg-shlibdeps >/dev/null; then
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends dpkg-dev </dev/null
fi
cmake --preset release >/dev/null
cmake --build --preset release
rm -rf build/packages
(cd build/release && cpack -G DEB -B "$PWD/../packages" >/dev/null)
rm -rf build/packages/_CPack_Packages
ls -l build/packages
