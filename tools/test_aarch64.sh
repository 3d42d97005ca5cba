#!/usr/bin/env bash
# Cross-builds for 64-bit Arm and runs the tests under qemu-user, on a CPU with every extension qemu knows and on ones
# without: there the kernels must choose among fewer tables. The last line is "N passed, N failed".
#   tools/test_aarch64.sh             all of the rooms below; of the engine the golden tests
#   tools/test_aarch64.sh --kernels   the kernels only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What depends on the machine. The other rooms' tests take very long under qemu.
rooms=(kernels base memory engine house)
declare -A filter=([engine]='*Golden*' [house]='Symbols.*')
cpus=(max neoverse-n1 cortex-a53)  # all; dot products, no matrix products; neither
case "${1:-}" in
  "") ;;
  --kernels) rooms=(kernels) ;;
  *) echo "test_aarch64.sh: unknown option '$1' (known: --kernels)" >&2; exit 2 ;;
esac

tools/setup.sh --aarch64
cmake --preset aarch64 -DKEDGE_WERROR=ON >/dev/null
cmake --build --preset aarch64 --target "${rooms[@]/#/kedge_tests_}"

# Debian's cross libraries, then those setup.sh has unpacked.
emulator=(qemu-aarch64 -L /usr/aarch64-linux-gnu -E "LD_LIBRARY_PATH=$PWD/build/aarch64-root/usr/lib/aarch64-linux-gnu")
results=build/aarch64/results
rm -rf "$results"
mkdir -p "$results"

# run_room room cpu: a program that ends without a report (a crash) counts as one failure.
run_room() {
  local name=$1-$2 start=$SECONDS
  QEMU_CPU=$2 "${emulator[@]}" "build/aarch64/tests/kedge_tests_$1" --gtest_brief=1 \
    "--gtest_filter=${filter[$1]:-*}" "--gtest_output=json:$results/$name.json" </dev/null >"$results/$name.log" 2>&1 || true
  [[ -s $results/$name.json ]] || echo '{"tests": 1, "failures": 1, "died": true}' >"$results/$name.json"
  sed -n "s/^\[ ISAs .*machine:/instruction sets covered on $2:/p" "$results/$name.log"
  grep -E '^\[  FAILED  \]|Failure$' "$results/$name.log" || true
  echo "$1 on $2: $((SECONDS - start)) s"
}

for room in "${rooms[@]}"; do run_room "$room" "${cpus[0]}"; done
for cpu in "${cpus[@]:1}"; do run_room kernels "$cpu"; done

python3 - "$results" <<'PY'
import json
import pathlib
import sys

reports = {p.stem: json.loads(p.read_text()) for p in sorted(pathlib.Path(sys.argv[1]).glob("*.json"))}
for name, r in reports.items():
    if r.get("died"):
        print("%s: ended without a report, see %s/%s.log" % (name, sys.argv[1], name))
failed = sum(r["failures"] + r.get("errors", 0) for r in reports.values())
skipped = sum(
    t.get("result") in ("SKIPPED", "SUPPRESSED") for r in reports.values() for s in r.get("testsuites", []) for t in s["testsuite"]
)
if skipped:
    print("%d skipped" % skipped)
passed = sum(r["tests"] for r in reports.values()) - failed - skipped
print("%d passed, %d failed" % (passed, failed))
sys.exit(1 if failed or not passed else 0)
PY
