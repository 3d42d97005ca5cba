#!/usr/bin/env bash
# What others get from `cmake --install`, step by step (tests/CMakeLists.txt has a test for each):
#   install BUILD        into BUILD/package-test/prefix
#   symbols BUILD        libkedge.so shows the functions of include/kedge, and nothing else
#   cmake BUILD KIND     the examples, built by find_package, run; KIND is shared or static
#   pkg-config BUILD KIND
#   command BUILD        the installed `kedge`
set -euo pipefail
step=$1 build=$2 kind=${3:-}
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$build/package-test
prefix=$scratch/prefix
model=$source/models/scout-q8_0.gguf
: "${CC:=cc}" "${CXX:=c++}"

fail() { echo "package.sh: $*" >&2; exit 1; }
libdir() { dirname "$(find "$prefix" -name libkedge.so)"; }

# The examples' output is the model's at temperature 0, so that of the command.
run_examples() {
  local text question wanted given
  text="The capital of France is" question="What is 17 + 25?"
  wanted=$("$build/kedge" run -m "$model" -p "$text" -n 16 --temp 0 -c 64 </dev/null)
  given=$("$1/complete_c" "$model" "$text")
  [[ $text$given == "$wanted" || $given == "$wanted" ]] || fail "complete says '$given', kedge run '$wanted'"
  given=$("$1/chat_cc" "$model" "$question")
  [[ $given == *42* && $given == *'"verdict":"pass"'* ]] || fail "chat says '$given'"
  for ask in ask_c ask_cc; do
    given=$("$1/$ask" "$source/models/pool.toml" "Which product is Birkenchester famous for?" 2>"$scratch/events")
    [[ $given == *'"answer":"flax"'* ]] || fail "$ask says '$given'"
    grep -q '"state":"text"' "$scratch/events" || fail "$ask did not stream"
  done
  if "$1/ask_cc" "$source/models/pool.toml" "Which product is Birkenchester famous for?" 0.0001 >"$scratch/late" 2>&1; then
    fail "ask_cc was not ended by its watchdog: $(cat "$scratch/late")"
  fi
  grep -q 'ask: cancelled' "$scratch/late" || fail "ask_cc says '$(cat "$scratch/late")'"
  if "$1/complete_c" /nonexistent.gguf x 2>"$scratch/error"; then fail "complete opened a file that is not there"; fi
  grep -q nonexistent "$scratch/error" || fail "complete does not say which file is missing"
}

# Which libkedge the program loads: the installed one, or none at all.
check_linkage() {
  local loads
  loads=$(ldd "$1" | grep libkedge || true)
  case $kind in
    shared) [[ $loads == *"$prefix"* ]] || fail "$1 loads '$loads', not the library of $prefix" ;;
    static) [[ -z $loads ]] || fail "$1 is linked with the archive and loads $loads" ;;
  esac
}

case $step in
  install)
    rm -rf "$scratch"
    for component in library development command; do
      cmake --install "$build" --prefix "$prefix" --component "$component" >/dev/null
    done
    ;;
  symbols)
    so=$(libdir)/libkedge.so
    grep -hoE 'KEDGE_API [^(]*\bkedge_[a-z0-9_]+\(' "$source"/include/kedge/*.h | grep -oE 'kedge_[a-z0-9_]+\($' | tr -d '(' |
      LC_ALL=C sort -u >"$scratch/declared"
    nm -D --defined-only "$so" | awk '$2 != "A" { print $3 }' | LC_ALL=C sort >"$scratch/exported"
    (($(wc -l <"$scratch/declared") > 50)) || fail "the functions of include/kedge were not found"
    sed -E 's/@@KEDGE_0\.[0-9]+$//' "$scratch/exported" | diff "$scratch/declared" - ||
      fail "< is declared only, > is exported only (or has no version KEDGE_0.x)"
    # In an archive everything shows: there all is kedge::'s or begins with kedge_, but for copies of templates (weak).
    others=$(nm --defined-only "$(libdir)/libkedge.a" 2>/dev/null | awk '$2 ~ /^[TDRB]$/ { print $3 }' |
      grep -vE '^(kedge_|_Z.*5kedge)' || true)
    [[ -z $others ]] || fail "libkedge.a has names that are not its own: $others"
    ;;
  cmake)
    cmake -S "$source/docs/examples" -B "$scratch/cmake-$kind" -DCMAKE_PREFIX_PATH="$prefix" -DKEDGE_LIBRARY="$kind" \
      -DCMAKE_BUILD_TYPE=Debug >/dev/null
    cmake --build "$scratch/cmake-$kind"
    for program in complete_c chat_cc ask_c ask_cc; do check_linkage "$scratch/cmake-$kind/$program"; done
    run_examples "$scratch/cmake-$kind"
    ;;
  pkg-config)
    out=$scratch/pkg-config-$kind
    mkdir -p "$out"
    PKG_CONFIG_PATH=$(libdir)/pkgconfig
    export PKG_CONFIG_PATH
    # The compiler takes libkedge.so where both are there, unless the archive is named.
    if [[ $kind == static ]]; then
      libs=$(pkg-config --static --libs kedge | sed 's/-lkedge/-l:libkedge.a/')
    else
      libs="$(pkg-config --libs kedge) -Wl,-rpath,$(libdir)"
    fi
    # The headers are C99 to the letter.
    for name in complete ask; do
      # shellcheck disable=SC2046,SC2086  # lists of flags
      "$CC" -std=c99 -pedantic-errors -Wall -Wextra -Werror "$source/docs/examples/$name.c" $(pkg-config --cflags kedge) $libs -o "$out/${name}_c"
    done
    for name in chat ask; do
      # shellcheck disable=SC2046,SC2086
      "$CXX" -std=c++20 "$source/docs/examples/$name.cc" $(pkg-config --cflags kedge) $libs -o "$out/${name}_cc"
    done
    for program in complete_c chat_cc ask_c ask_cc; do check_linkage "$out/$program"; done
    run_examples "$out"
    ;;
  command)
    "$prefix/bin/kedge" --version
    [[ -x $prefix/libexec/kedge/kedge-reader ]] || fail "kedge-reader is not in libexec/kedge"
    mkdir -p "$scratch/pages"
    echo '<html><body><p>The pump of Birkenchester is maintained by Mira Holt.</p></body></html>' >"$scratch/pages/a.html"
    "$prefix/bin/kedge" index build -m "$model" -o "$scratch/pages.kidx" "$scratch/pages" </dev/null >/dev/null
    "$prefix/bin/kedge" index search "$scratch/pages.kidx" 'Who maintains the pump?' -k 1 --by bm25 </dev/null | grep -q 'Mira Holt' ||
      fail "the installed command did not read a page"
    ;;
  *) fail "unknown step '$step'" ;;
esac
