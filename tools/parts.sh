# shellcheck shell=bash
# For scripts that run several parts, each with a last line "N passed, N failed": `part NAME COMMAND...` runs one and goes
# on when it fails, `total` prints what each gave and their sum. A part that dies without such a line is one failure;
# `part_within SECONDS NAME COMMAND...` is left out, and said to be, when the time runs out.
part_passed=0
part_failed=0
part_table=""

part() { part_within 0 "$@"; }

part_within() {
  local seconds=$1 name=$2 start=$SECONDS log line failed status=0
  shift 2
  echo "--- $name: $*"
  log=$(mktemp)
  timeout "$seconds" "$@" 2>&1 | tee "$log" || status=${PIPESTATUS[0]}
  if ((status == 124)); then
    rm -f "$log"
    part_table+=$(printf '%-20s %6d s   out of time, not counted' "$name" $((SECONDS - start)))$'\n'
    return
  fi
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
