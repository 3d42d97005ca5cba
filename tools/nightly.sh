#!/usr/bin/env bash
# What is too slow for every change: the sanitisers over all rooms, an unoptimised build, clang-tidy over every file, and
# 64-bit Arm under qemu. Hours on two cores. The last line is "N passed, N failed"; above it a line for each part.
#   tools/nightly.sh [--test-filter REGEX] [PART...]   parts: tsan asan-ubsan dev form aarch64 [all of them]
#     --test-filter   only tests whose name matches, to try the script itself
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/parts.sh
source tools/parts.sh

filter=""
parts=()
while (($# > 0)); do
  case "$1" in
    --test-filter) filter=$2; shift ;;
    tsan | asan-ubsan | dev | form | aarch64) parts+=("$1") ;;
    *) echo "nightly.sh: unknown argument '$1'" >&2; exit 2 ;;
  esac
  shift
done
((${#parts[@]} > 0)) || parts=(tsan asan-ubsan dev form aarch64)
export KEDGE_TEST_FILTER=$filter

tools/setup.sh --dev
for name in "${parts[@]}"; do
  case "$name" in
    # The rooms that have threads. libgomp's own synchronisation is invisible to the sanitiser; ours is not.
    tsan) part tsan tools/test_preset.sh tsan base memory engine router ;;
    asan-ubsan) part asan-ubsan tools/test_preset.sh asan-ubsan ;;
    dev) part dev tools/test_preset.sh dev ;;
    form) cmake --preset ci >/dev/null && part form tools/check.sh --all ;;
    aarch64) part aarch64 tools/test_aarch64.sh ;;
  esac
done
total
