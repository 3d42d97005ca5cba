#!/usr/bin/env bash
# Cross-builds for 64-bit Arm and runs tests under qemu-user: what depends on the machine, on a CPU with every extension
# qemu knows, and the kernels also on ones without, where they must choose among fewer tables. Every test has the time
# limit of tests/CMakeLists.txt. The last line is "N passed, N failed".
#   tools/test_aarch64.sh [--kernels]   --kernels: those only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/parts.sh
source tools/parts.sh

cpus=(neoverse-n1 cortex-a53)  # dot products but no matrix products; neither
only_kernels=0
case "${1:-}" in
  "") ;;
  --kernels) only_kernels=1 ;;
  *) echo "test_aarch64.sh: unknown option '$1' (known: --kernels)" >&2; exit 2 ;;
esac

tools/setup.sh --aarch64
# on CPU FILTER ROOM...: tests of the rooms whose name matches, on this CPU.
on() {
  local cpu=$1 filter=$2
  shift 2
  QEMU_CPU=$cpu KEDGE_TEST_FILTER=$filter part "$* on $cpu" tools/test_preset.sh aarch64 "$@"
}

filter=${KEDGE_TEST_FILTER:-}
on max "${filter:-.*}" kernels
for cpu in "${cpus[@]}"; do on "$cpu" "${filter:-.*Equality.*}" kernels; done
if ((only_kernels == 0)); then
  # Text is the same everywhere; threads, pages and their bytes are not. Of the engine what models say, bit for bit.
  on max "${filter:-.*}" base
  on max "${filter:-(Kv|Policies|Snapshot|ColdStore|Schedules).*}" memory
  on max "${filter:-.*Golden.*}" engine
  on max "${filter:-Symbols.*}" house
fi
total
