#!/usr/bin/env python3
"""Recall of `kedge index search` on the sets of docs/retrieval.md.

    tools/eval/retrieval.py KEDGE MODEL SHARED      # e.g. build/ci/kedge models/scout-q8_0.gguf ../shared

SHARED holds eval/facts.jsonl, eval/facts_corpus.jsonl and cases/grounding. The prose set is made of documents that Debian 12
installs with bc, bzip2, ccache, dpkg, git, valgrind, zlib1g-dev, base-passwd and base-files; its questions are in
tests/data/eval/retrieval-prose.jsonl: a passage is right when the pattern stands in it.
"""
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

DOC = "/usr/share/doc"
PROSE = {
    "gpl-3.txt": "/usr/share/common-licenses/GPL-3",
    "mpl-2.txt": "/usr/share/common-licenses/MPL-2.0",
    "users-and-groups.html": f"{DOC}/base-passwd/users-and-groups.html",
    "triggers.txt": f"{DOC}/dpkg/spec/triggers.txt",
    "bzip2.html": f"{DOC}/bzip2/manual.html",
    "ccache.html": f"{DOC}/ccache/manual.html",
    "zlib-faq.txt": f"{DOC}/zlib1g-dev/FAQ.gz",
    "zlib-algorithm.txt": f"{DOC}/zlib1g-dev/algorithm.txt.gz",
    "bc.html": f"{DOC}/bc/bc.html",
    "diff-highlight.txt": f"{DOC}/git/contrib/diff-highlight/README",
    "valgrind-faq.txt": f"{DOC}/valgrind/FAQ.txt.gz",
}


def rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def misspelt(question, entity):
    """A letter missing in the middle of each word of the name longer than four letters."""
    words = []
    for word in question.split(" "):
        core = re.sub(r"\W", "", word)
        if len(core) > 4 and any(core.startswith(part) for part in entity.split()):
            at = word.index(core[0]) + len(core) // 2
            word = word[:at] + word[at + 1 :]
        words.append(word)
    return " ".join(words)


def main():
    kedge, model, shared = sys.argv[1:4]
    here = os.path.dirname(os.path.abspath(__file__))
    work = tempfile.mkdtemp()

    def index(name, *paths):
        out = os.path.join(work, name + ".kidx")
        subprocess.run([kedge, "index", "build", "-m", model, "-o", out, *paths], check=True, stdout=subprocess.DEVNULL)
        return out

    os.mkdir(f"{work}/prose")
    for name, source in PROSE.items():
        opener = gzip.open if source.endswith(".gz") else open
        with opener(source, "rb") as file, open(f"{work}/prose/{name}", "wb") as copy:
            copy.write(file.read())
    facts = rows(f"{shared}/eval/facts.jsonl")
    facts_index = index("facts", f"{shared}/eval/facts_corpus.jsonl")

    def asked(row):
        return row["messages"][-1]["content"]

    grounding = [r for r in rows(f"{shared}/cases/grounding/questions.jsonl") if r["document"]]
    sets = {
        "facts": (facts_index, [(asked(r), lambda h, r=r: h["id"] == r["doc"]) for r in facts]),
        "misspelt": (facts_index, [(misspelt(asked(r), r["entity"]), lambda h, r=r: h["id"] == r["doc"]) for r in facts]),
        "grounding": (
            index("grounding", f"{shared}/cases/grounding/docs"),
            [(r["question"], lambda h, r=r: h["source"].endswith(f"/{r['document']}.md")) for r in grounding],
        ),
        "prose": (
            index("prose", f"{work}/prose"),
            [
                (r["question"], lambda h, r=r: re.search(r["passage"], h["text"], re.I | re.S))
                for r in rows(f"{here}/../tests/data/eval/retrieval-prose.jsonl")
            ],
        ),
    }
    print("recall @1 / @3 / @8")
    for name, (path, questions) in sets.items():
        for by in ("bm25", "vectors", "both"):
            ranks = []
            for question, is_right in questions:
                command = [kedge, "index", "search", path, question, "-m", model, "--by", by, "-k", "8", "--json"]
                hits = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["hits"]
                ranks.append(next((i + 1 for i, hit in enumerate(hits) if is_right(hit)), 9))
            recall = " / ".join(f"{sum(r <= k for r in ranks) / len(ranks):.3f}" for k in (1, 3, 8))
            print(f"{name:10} {len(ranks):4} {by:8} {recall}", flush=True)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
