#!/usr/bin/env bash
# Installs the Debian 12 packages Kedge is built from. Does nothing when all are there. Needs root or sudo otherwise.
#   tools/setup.sh             what a native build and the tests need
#   tools/setup.sh --dev       also clang-format and clang-tidy, for tests of the server PostgreSQL and promtool, and matplotlib
#                              for charts of results (bench/peer/charts.py)
#   tools/setup.sh --docs      what the documentation's site is made with, and Node's header for tools/node
#   tools/setup.sh --aarch64   also the cross compiler and qemu-user, and the arm64 libraries of the preset aarch64
#                              unpacked into build/aarch64-root; no package of another architecture is installed
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(
  g++ binutils cmake ninja-build pkg-config
  libxsimd-dev libxxhash-dev libsentencepiece-dev libpcre2-dev libutf8proc-dev libcli11-dev nlohmann-json3-dev
  libgtest-dev libbenchmark-dev libeigen3-dev
  libsqlite3-dev libsodium-dev libtomlplusplus-dev libgumbo-dev libstemmer-dev poppler-utils
  libboost1.81-dev libssl-dev openssl libpq-dev libcurl4-openssl-dev
  python3
)
arm64=()
for option in "$@"; do
  case "$option" in
    --dev) packages+=(clang-format clang-tidy postgresql prometheus python3-matplotlib) ;;
    --docs)
      packages+=(mkdocs python3-lunr libjs-lunr python3-pyte chromium)
      command -v node >/dev/null || packages+=(nodejs npm)
      [[ -e /usr/include/node/node_api.h ]] || packages+=(libnode-dev)
      ;;
    --aarch64)
      packages+=(g++-aarch64-linux-gnu qemu-user)
      arm64+=(libsentencepiece-dev libsentencepiece0 libprotobuf-lite32 libpcre2-dev libpcre2-8-0
              libutf8proc-dev libutf8proc2 libgtest-dev
              libsqlite3-dev libsqlite3-0 libsodium-dev libsodium23 libgumbo-dev libgumbo1
              libstemmer-dev libstemmer0d libssl-dev libssl3)
      ;;
    *) echo "setup.sh: unknown option '$option' (known: --dev, --docs, --aarch64)" >&2; exit 2 ;;
  esac
done

# The arm64 packages as files of their own, through a copy of apt's lists: nothing of the system changes. Their -dev
# packages cannot be installed beside the native ones.
unpack_arm64() {
  local root=build/aarch64-root work options native
  if [[ "$(cat "$root/packages" 2>/dev/null)" == "${arm64[*]}" ]]; then
    return
  fi
  echo "setup: unpacking arm64 packages into $root: ${arm64[*]}"
  native=$(dpkg --print-architecture)
  mkdir -p build
  work=$(mktemp -d "$PWD/build/apt-XXXXXX")
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs" "$root"
  options=(-q -o "APT::Architectures::=$native" -o APT::Architectures::=arm64 -o "Dir::State::lists=$work/lists"
           -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=)
  apt-get "${options[@]}" update </dev/null
  (cd "$work/debs" && apt-get "${options[@]}" download "${arm64[@]/%/:arm64}" </dev/null)
  for package in "$work"/debs/*.deb; do
    dpkg -x "$package" "$root"
  done
  rm -r "$work"
  echo "${arm64[*]}" >"$root/packages"
}

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Abbrev} ${Architecture}\n' "$package" 2>/dev/null || true)
  grep -qE "^ii +($(dpkg --print-architecture)|all)$" <<<"$state" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  ((${#arm64[@]} == 0)) || unpack_arm64
  echo "setup: all packages are installed"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "setup.sh: these packages are missing and neither root nor sudo is available: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -q </dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null
((${#arm64[@]} == 0)) || unpack_arm64
