#!/usr/bin/env bash
# The form of what changed: clang-format over every C++ file that differs from the branch's beginning (the C headers are
# laid out by hand), clang-tidy over its .cc files. Needs the compile commands of the preset ci (cmake --preset ci). The last line is "N passed, N failed":
# two checks, or one file each that does not pass.
#   tools/check.sh [--all] [--base COMMIT] [--most N]
#     --all    every file of the tree instead
#     --base   what to compare with [the merge base with origin/main; on it, the commit before]
#     --most   most files given to clang-tidy, spread over those that changed; the rest is said to be left out [40]; 0: none
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

all=0 base="" most=40
while (($# > 0)); do
  case "$1" in
    --all) all=1 most=100000 ;;
    --base) base=$2; shift ;;
    --most) most=$2; shift ;;
    *) echo "check.sh: unknown option '$1' (known: --all, --base, --most)" >&2; exit 2 ;;
  esac
  shift
done

if ((all == 0)) && [[ -z $base ]]; then
  for main in origin/main main; do
    base=$(git merge-base HEAD "$main" 2>/dev/null) && break
  done
  if [[ -z $base || $base == "$(git rev-parse HEAD)" ]]; then base=$(git rev-parse -q --verify 'HEAD~1' || true); fi
  [[ -n $base ]] || all=1
fi

sources() {
  if ((all)); then git ls-files -- "$@"; else git diff --name-only --diff-filter=d "$base" -- "$@"; fi
}
mapfile -t formatted < <(sources '*.cc' '*.h' '*.hpp' | grep -v '^include/kedge/.*\.h$' || true)
mapfile -t tidied < <(sources 'kernels/*.cc' 'weights/*.cc' 'tokenizer/*.cc' 'memory/*.cc' 'engine/*.cc' 'router/*.cc' \
  'tools/*.cc' | grep -v '^kernels/simd/' || true)  # those are compiled by instruction set, clang's headers differ
echo "check: ${#formatted[@]} files to format, ${#tidied[@]} for clang-tidy${base:+, since ${base:0:10}}"

failed=0
unformatted=()
if ((${#formatted[@]} > 0)); then
  mapfile -t unformatted < <(clang-format --dry-run "${formatted[@]}" 2>&1 | sed -n 's/^\([^:]*\):[0-9].*warning.*/\1/p' | sort -u)
fi
for file in "${unformatted[@]}"; do echo "not formatted: $file"; done
((failed += ${#unformatted[@]})) || true

if ((${#tidied[@]} > most)); then
  echo "check: clang-tidy sees $most of them, tools/nightly.sh all"
  mapfile -t tidied < <(printf '%s\n' "${tidied[@]}" | awk -v n="${#tidied[@]}" -v most="$most" 'int(NR * most / n) > int((NR - 1) * most / n)')
fi
untidy=()
if ((${#tidied[@]} > 0)); then
  # GCC's precompiled headers mean nothing to clang.
  work=build/ci/tidy
  mkdir -p "$work"
  sed -E 's/ -Winvalid-pch -include [^ ]*cmake_pch\.hxx//; s/ -Wno-restrict//; s/"command": "ccache /"command": "/' \
    build/ci/compile_commands.json >"$work/compile_commands.json"
  rm -f "$work"/*.log
  printf '%s\0' "${tidied[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c '
    log='"$work"'/$(tr / _ <<<"$0").log
    clang-tidy --quiet -p '"$work"' --warnings-as-errors="*" "$0" >"$log" 2>"$log.err" || cat "$log" "$log.err" >"$log.failed"
  '
  for log in "$work"/*.failed; do
    [[ -e $log ]] || continue
    grep -E '(warning|error):' "$log" || cat "$log"
    untidy+=("$log")
  done
fi
((failed += ${#untidy[@]})) || true
echo "$(((${#unformatted[@]} == 0) + (most > 0 && ${#untidy[@]} == 0))) passed, $failed failed"
exit $((failed > 0))
