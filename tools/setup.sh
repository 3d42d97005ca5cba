#!/usr/bin/env bash
# Installs the Debian 12 packages Kedge is built from. Does nothing when all are there. Needs root or sudo otherwise.
#   tools/setup.sh             what a native build and the tests need
#   tools/setup.sh --dev       also clang-format and clang-tidy
#   tools/setup.sh --aarch64   also the cross compiler, qemu-user and the arm64 libraries of the preset aarch64; those take
#                              the place of some native ones: run tools/setup.sh again before the next native build
set -euo pipefail

packages=(
  g++ binutils cmake ninja-build pkg-config
  libxsimd-dev libsentencepiece-dev libpcre2-dev libutf8proc-dev libcli11-dev nlohmann-json3-dev
  libgtest-dev libbenchmark-dev libeigen3-dev
  python3
)
foreign=()
for option in "$@"; do
  case "$option" in
    --dev) packages+=(clang-format clang-tidy) ;;
    --aarch64)
      packages+=(g++-aarch64-linux-gnu qemu-user)
      foreign+=(libsentencepiece-dev:arm64 libpcre2-dev:arm64 libutf8proc-dev:arm64 libgtest-dev:arm64)
      ;;
    *) echo "setup.sh: unknown option '$option' (known: --dev, --aarch64)" >&2; exit 2 ;;
  esac
done

# An arm64 -dev package takes the place of the native one: for a native build only the native one counts.
wanted="^ii +($(dpkg --print-architecture)|all)$"
((${#foreign[@]} == 0)) || wanted="^ii "
missing=()
for package in "${packages[@]}" "${foreign[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Abbrev} ${Architecture}\n' "$package" 2>/dev/null || true)
  grep -qE "$wanted" <<<"$state" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
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
if ((${#foreign[@]} > 0)) && ! dpkg --print-foreign-architectures | grep -qx arm64; then
  "${as_root[@]}" dpkg --add-architecture arm64
fi
echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -q </dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null
