#!/usr/bin/env bash
# From a bare Debian 12 to generated text: installs what is missing, builds the release, and runs both embedded models.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release
kedge=build/release/kedge

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[[ -t 1 ]] || say() { printf '\n== %s\n' "$*"; }

say "kedge run: scout continues a text"
"$kedge" run -m scout -p "The history of the city begins with" -n 48 --temp 0 --stats </dev/null
say "kedge chat: one turn with sage"
printf 'What is 417 + 268?\n/stats\n/quit\n' | "$kedge" chat -m sage --temp 0
say "kedge eval recall: what a quarter of the memory still answers, by policy"
"$kedge" eval recall -m scout --data tests/data/eval/recall.jsonl --limit 8 --kv-budget 25 \
  --kv-policy full,sinks,anchor --marks spans </dev/null
say "kedge ask: worked out where that is possible; else the small model first, checked, the large one where that is better"
log=$(mktemp -d)/audit.db
"$kedge" ask "What is 417 + 268?" --audit "$log" </dev/null
"$kedge" ask "Which product is Birkenchester famous for?" --explain --audit "$log" </dev/null
"$kedge" index build -o "${log%.db}.kidx" tests/data/eval/route/test/facts_corpus.jsonl </dev/null
"$kedge" ask "Who was the employer of Judith Nymnor?" --ground "${log%.db}.kidx" --audit "$log" </dev/null
"$kedge" replay last --audit "$log" </dev/null
"$kedge" audit verify --db "$log" </dev/null
say "kedge bench: how fast is that here"
"$kedge" bench -m scout -p 256 -n 64 -r 2 </dev/null
