# shellcheck shell=bash
# For scripts that run several parts, each with a last line "N passed, N failed": `part NAME COMMAND...` runs one and goes
# on when it fails, `total` prints what each gave and their sum. A part that dies without such a line is one failure.
part_passed=0
part_failed=0
part_table=""

part() {
  local name=$1 start=$SECONDS log line failed
  shift
  echo "--- $name: $*"
  log=$(mktemp)
  "$@" 2>&1 | tee "$log" || true
  line=$(tail -n 1 "$log" | grep -E '^[0-9]+ passed, [0-9]+ failed$' || echo "0 passed, 1 failed")
  rm -f "$log"
  failed=${line#* passed, }
  part_passed=$((part_passed + ${line%% passed*}))
  part_failed=$((part_failed + ${failed%% failed}))
  part_table+=$(printf '%-20s %6d s   %s' "$name" $((SECONDS - start)) "$line")$'\n'
}

total() {
  printf '%s' "$part_table"
  echo "$part_passed passed, $part_failed failed"
  ((part_failed == 0 && part_passed > 0))
}
