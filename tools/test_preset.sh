#!/usr/bin/env bash
# Builds a preset and runs its tests, all of them or those of some rooms; tools/test.sh, .ci/run and tools/nightly.sh are
# made of it. The last line is "N passed, N failed".
#   [KEDGE_TEST_FILTER=REGEX] tools/test_preset.sh PRESET [ROOM...]   REGEX: of the names within a room
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=$1
shift
rooms=("$@")
targets=()
only=()
if ((${#rooms[@]} > 0)); then
  targets=(--target "${rooms[@]/#/kedge_tests_}")
fi
if ((${#rooms[@]} > 0)) || [[ -n ${KEDGE_TEST_FILTER:-} ]]; then
  only=(-R "^($(IFS='|'; echo "${rooms[*]:-[a-z]+}"))\\.(${KEDGE_TEST_FILTER:-.*})")
fi
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" "${targets[@]}"

report=build/$preset/tests.xml
rm -f "$report"
status=0
ctest --preset "$preset" -j2 "${only[@]}" --output-junit "$PWD/$report" </dev/null || status=$?
[[ -s $report ]] || { echo "test_preset.sh: ctest left no report" >&2; exit 1; }
python3 - "$report" "$status" <<'PY'
import sys
import xml.etree.ElementTree as ET

cases = list(ET.parse(sys.argv[1]).getroot().iter("testcase"))
failed = [c for c in cases if c.get("status") == "fail"]
passed = [c for c in cases if c.get("status") == "run"]
other = [c for c in cases if c not in failed and c not in passed]
for c in other:
    print("not run: %s" % c.get("name"))
# A test that could not be started counts as failed; one that says it does not apply here (skipped) does not.
def is_skipped(case):
    mark = case.find("skipped")
    return case.get("status") == "disabled" or (mark is not None and "SKIP" in (mark.get("message") or ""))
skipped = [c for c in other if is_skipped(c)]
n_failed = len(failed) + len(other) - len(skipped)
if skipped:
    print("%d skipped" % len(skipped))
if sys.argv[2] != "0" and n_failed == 0:
    n_failed = 1
print("%d passed, %d failed" % (len(passed), n_failed))
sys.exit(1 if n_failed or not passed else 0)
PY
