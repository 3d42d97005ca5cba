#!/usr/bin/env python3
"""bench/peer: what is read from other programs, what is kept, what is made of it. The programs are stand-ins that print what
the real ones print; the committed results must give README's and docs/performance.md's sections exactly."""
import contextlib
import io
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEER = ROOT / "bench" / "peer"
sys.path.insert(0, str(PEER))

import measure  # noqa: E402
import programs  # noqa: E402
import readme  # noqa: E402
import results  # noqa: E402
import tables  # noqa: E402

# Speeds are so that Kedge reads twice as fast as the best peer and generates half as fast.
STAND_IN = '''#!%(python)s
import json, os, sys
w = sys.argv[1:]
def value(flag, other):
    return w[w.index(flag) + 1] if flag in w else other
if "run" in w:
    sys.exit(0 if value("-n", "") == "1" else 1)
p, n, r = int(value("-p", "0")), int(value("-n", "0")), int(value("-r", "1"))
speed = float(os.path.basename(sys.argv[0]).split("-")[-1]) if "peer" in sys.argv[0] else 0
if "--help" in w:
    print("usage: %(help)s")
elif "--version" in w:
    print("kedge 9.9.9\\ncommit    0123abcd\\ncompiler  X")
elif "doctor" in w:
    print(json.dumps({"cpu": {"model": "Stand-in"}, "isa": {"active": os.environ.get("KEDGE_ISA", "avx512")}}))
elif "--sequences" in w:
    print(json.dumps({"runs": [{"tg_tps": [10.0 * int(value("--sequences", "1"))] * r, "pp_tps": [7.0] * r}]}))
elif "bench" in w:
    fast = 300.0 if value("--numerics", "") == "fast" else 200.0
    for i in range(int(3e4) * r * (p or n)):
        pass
    print(json.dumps({"pp_tps": [fast] * r if p else [], "tg_tps": [20.0] * r if n else [], "bytes_per_token": 1000,
                      "kv_bytes_per_token": 2, "read_percent": 75.0, "isa": "avx512"}))
elif "-npl" in w:
    print("some line")
    for count in value("-npl", "").split(","):
        print(json.dumps({"pl": int(count), "pp": int(value("-npp", "")), "tg": int(value("-ntg", "")), "speed_tg": speed,
                          "speed_pp": 3.0}))
else:
    tests = []
    if "-gp" in w:
        d, n = map(int, value("-gp", "").split(","))
        tests.append({"n_prompt": d, "n_gen": n, "samples_ts": [speed / 2] * r})
    else:
        d = int(value("-d", "0"))
        tests += [{"n_prompt": p, "n_gen": 0, "n_depth": d, "samples_ts": [speed] * r}] if p else []
        tests += [{"n_prompt": 0, "n_gen": n, "n_depth": d, "samples_ts": [speed / 2.5] * r}] if n else []
    for i in range(int(6e4) * r * (p or n)):
        pass
    print("a line around it\\n" + json.dumps([dict(t, build_commit="abc123") for t in tests]))
'''


def row(test="pp", samples=(2.0,), peers=None, **more):
    return {"model": "qwen3-0.6b-Q4_0.gguf", "test": test, "n": 8, "depth": 0, "sequences": 1, "loads": [0.5],
            "kedge": {"exact": {"samples": list(samples)}}, "peers": peers or {"a": {"samples": [1.0]}}, **more}


def report(*rows, **more):
    return {"format": 1, "name": "x", "date": "2026-01-02T03:04Z", "machine": {"cpu": "C", "cores": 2},
            "kedge": {"version": "v", "commit": "c", "isa": "i", "flags": {"exact": []}},
            "peers": [{"name": "a", "program": "llama-bench", "flags": ["-fa", "1"], "commit": "d", "isa": ["avx2"]}],
            "settings": {"n_threads": 2, "kv_type": "f16", "measure": "wall"}, "rows": list(rows), **more}


class Failing(unittest.TestCase):
    @contextlib.contextmanager
    def fails(self, words):
        with self.assertRaises(SystemExit) as raised:
            yield
        self.assertIn(words, str(raised.exception))


class Reading(Failing):
    def test_peer_is_a_name_a_path_and_flags(self):
        peer = programs.Peer("ik-rtr=/a/b,-rtr,1")
        self.assertEqual((peer.name, peer.path, peer.flags), ("ik-rtr", "/a/b", ["-rtr", "1"]))
        for bad in ("name", "=path", "name="):
            with self.assertRaises(Exception):
                programs.Peer(bad)

    def test_json_among_other_lines(self):
        self.assertEqual(programs.read_array("warning: x\n[{\"a\": 1}]\nbye", ["p"]), [{"a": 1}])
        with self.fails("printed no JSON"):
            programs.read_array("nothing", ["p"])

    def test_a_build_folder_says_its_instruction_sets(self):
        text = "GGML_AVX2:BOOL=ON\nGGML_AVX512:BOOL=OFF\nGGML_AVX512_VNNI:BOOL=ON\nCMAKE_BUILD_TYPE:STRING=Release\nGGML_CUDA:BOOL=ON\n"
        self.assertEqual(programs.build_in_cache(text), {"isa": ["avx2", "avx512_vnni"], "build_type": "Release"})

    def test_tests_are_told_apart_and_strangers_refused(self):
        tests = [{"n_prompt": 8, "n_gen": 0, "samples_ts": [1.0, 2.0]}, {"n_prompt": 0, "n_gen": 4, "n_depth": 0, "samples_ts": [3.0]}]
        self.assertEqual(measure.sort_tests(tests, "p", 8, 4, 0, False), {"pp": [1.0, 2.0], "tg": [3.0]})
        deep = [{"n_prompt": 64, "n_gen": 4, "samples_ts": [5.0]}]
        self.assertEqual(measure.sort_tests(deep, "p", 8, 4, 64, True), {"pp": [], "tg": [5.0]})
        with self.fails("nobody asked for"):
            measure.sort_tests(tests, "p", 9, 4, 0, False)

    def test_batches_as_lines_and_as_a_table(self):
        line = json.dumps({"pl": 2, "pp": 8, "tg": 4, "speed_tg": 6.5, "speed_pp": 20.0})
        table = ("|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |\n"
                 "|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|\n"
                 "|     8 |      4 |    2 |     24 |    1.000 |    20.00 |    1.000 |     6.50 |    2.000 |    13.00 |\n")
        for text in (line, table):
            self.assertEqual(measure.sort_batches(text, "p", 8, 4, 2, 1), {"batch": [6.5], "batch_pp": [20.0]})
        with self.fails("instead of 2"):
            measure.sort_batches(line, "p", 8, 4, 2, 2)
        with self.fails("nobody asked for"):
            measure.sort_batches(line, "p", 8, 4, 3, 1)

    def test_processor_time_is_of_the_repetitions_alone(self):
        self.assertEqual(measure.difference(lambda r: 10.0 + 2.0 * r, 3, 8), 4.0)  # load and warm-up cost 10
        with self.fails("cost no processor time"):
            measure.difference(lambda r: 1.0, 3, 8)


class Keeping(Failing):
    def test_medians_ratios_and_which_peer(self):
        r = row(samples=[6.0, 1.0, 5.0], peers={"a": {"samples": [2.0]}, "b": {"samples": [4.0]}})
        self.assertEqual(results.best_peer(r), ("b", 4.0))
        self.assertEqual(results.ratio(r), 1.25)
        self.assertIsNone(results.ratio(r, "fast"))
        slow = row("load", [2.0], {"a": {"samples": [1.0]}, "b": {"samples": [3.0]}})
        self.assertEqual(results.best_peer(slow), ("a", 1.0))
        self.assertEqual(results.ratio(slow), 0.5)

    def test_medians_without_samples_and_ratios_alone(self):
        copied = row(samples=[], peers={"best": {"median": 4.0}})
        copied["kedge"]["exact"] = {"median": 6.0}
        self.assertEqual(results.ratio(copied), 1.5)
        self.assertEqual(results.ratio(row(ratio={"exact": 1.53})), 1.53)

    def test_rounds_add_up(self):
        both = results.merge(report(row()), report(row(samples=[4.0]), row("tg")))
        self.assertEqual(both["rows"][0]["kedge"]["exact"]["samples"], [2.0, 4.0])
        self.assertEqual(both["rows"][0]["loads"], [0.5, 0.5])
        self.assertEqual([r["test"] for r in both["rows"]], ["pp", "tg"])

    def test_another_machine_or_version_needs_another_file(self):
        with self.fails("another machine"):
            results.merge(report(row()), report(row(), machine={"cpu": "D", "cores": 2}))
        with self.fails("another kedge"):
            results.merge(report(row()), report(row(), kedge={"version": "w", "commit": "c", "isa": "i", "flags": {}}))
        other = report(row())
        other["peers"][0]["commit"] = "e"
        with self.fails("peer a had commit d, now e"):
            results.merge(report(row()), other)

    def test_files_are_read_as_they_were_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.json")
            results.save(path, report(row(), row("tg")))
            self.assertEqual(results.load(path), report(row(), row("tg")))
            for bad, words in (({"format": 2}, "format 2"), ({"rows": [row(), row()]}, "two rows")):
                results.save(path, {**report(), **bad})
                with self.fails(words):
                    results.load(path)


class Showing(Failing):
    def test_titles(self):
        self.assertEqual(tables.title("qwen3-0.6b-Q4_K_M.gguf"), "Qwen3-0.6B shape, Q4_K_M")
        self.assertEqual(tables.title("qwen3-30b-a3b-slice-F16.gguf"), "Qwen3-30B-A3B slice (6 layers), F16")
        self.assertEqual(tables.title("mine.gguf"), "mine.gguf")

    def test_speed(self):
        r = report(row(samples=[698.0], peers={"a": {"samples": [512.0]}}), row("tg", [9.87], {"a": {"samples": [12.3]}}))
        r["rows"][0]["kedge"]["fast"] = {"samples": [1024.0]}
        self.assertEqual(tables.speed(r).splitlines()[2],
                         "| Qwen3-0.6B shape, Q4_0 | 698 | 512 (a) | **1.36** | 1024 | **2.00** | 9.87 | 12.3 (a) | **0.80** |")

    def test_depths_and_sequences_and_loads(self):
        deep = report(row("tg", [10.0], depth=4096), row("tg", [30.0]))
        self.assertEqual(tables.depths(deep).splitlines()[2:], ["| Qwen3-0.6B shape, Q4_0 | 0 | 30.0 | 1.00 (30.00) |",
                                                                "| Qwen3-0.6B shape, Q4_0 | 4096 | 10.0 | 1.00 (10.00) |"])
        many = report(row("batch", [10.0]), row("batch", [30.0], sequences=8))
        self.assertEqual(tables.sequences(many).splitlines()[::2],
                         ["| sequences | 1 | 8 |", "| Qwen3-0.6B shape, Q4_0 | 10.0 (10.00) | 30.0 (30.00) |"])
        cost = report(row("load", [2.0]), row("load_resident", [4e6], {"a": {"samples": [1e6]}}))
        self.assertEqual(tables.loads(cost).splitlines()[2:],
                         ["| Qwen3-0.6B shape, Q4_0 | seconds | 2.00 | 1.00 (a) | **0.50** |",
                          "| Qwen3-0.6B shape, Q4_0 | peak memory, MB | 4.00 | 1.00 (a) | **0.25** |"])

    def test_every_table_of_every_committed_file(self):
        reports = results.load_folder(ROOT / "bench" / "results")
        self.assertTrue(reports)
        for name, r in reports.items():
            self.assertEqual(r["name"], name)
            for table in tables.MARKDOWN.values():
                self.assertIsInstance(table(r), str)
            self.assertIn(r["machine"]["cpu"], tables.about(r))
            tables.plain(r)

    def test_sections(self):
        page = "a\n<!-- results: speed x -->\nold\n<!-- end of results -->\nb\n"
        new = readme.fill(page, {"x": report(row())}, "p")
        self.assertIn("| Qwen3-0.6B shape, Q4_0 | 2.00 |", new)
        self.assertEqual(new, readme.fill(new, {"x": report(row())}, "p"))
        for bad, words in (("<!-- results: speed y -->\n<!-- end of results -->", "no results 'y'"),
                           ("<!-- results: sped x -->\n<!-- end of results -->", "no table 'sped'"),
                           ("<!-- results: speed x -->\n", "has no end")):
            with self.fails(words):
                readme.fill(bad, {"x": report(row())}, "p")

    def test_charts_that_pages_show_are_there(self):
        shown = re.findall(r"\]\((performance/[^)]+)\)", (ROOT / "docs" / "performance.md").read_text("utf-8"))
        self.assertTrue(shown)
        for chart in shown:
            self.assertTrue((ROOT / "docs" / chart).is_file(), chart)

    def test_pages_are_what_the_committed_results_give(self):
        done = subprocess.run([sys.executable, str(PEER / "readme.py"), "--check"], stdout=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


class Drawing(unittest.TestCase):
    def test_the_same_results_give_the_same_chart(self):
        try:
            import charts
        except ImportError as error:
            self.skipTest(str(error))
        peers = {"a": {"samples": [1.0, 3.0]}}
        deep = [row("tg", [10.0 - d], peers, depth=1024 * d) for d in range(3)]
        many = [row("batch", [10.0 * n], peers, sequences=n) for n in (1, 2, 8)]
        r = report(row(), *deep, *many)
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            names = [[os.path.basename(path) for path in charts.draw(r, folder, "svg")] for folder in (one, two)]
            self.assertEqual(names, [["x-speed.svg", "x-depth.svg", "x-sequences.svg"]] * 2)
            for name in names[0]:
                text = Path(one, name).read_text("utf-8")
                self.assertEqual(text, Path(two, name).read_text("utf-8"))
                self.assertIn("Kedge", text)
                self.assertNotIn("dc:date", text)

    def test_a_chart_needs_somebody_beside_kedge(self):
        try:
            import charts
        except ImportError as error:
            self.skipTest(str(error))
        alone = row(ratio={"exact": 1.5})
        alone["peers"] = {}
        self.assertEqual(charts.kinds(report(alone)), [])


class Comparing(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.model = self.program("m.gguf", "")
        self.kedge = self.program("kedge", "")
        self.out = os.path.join(self.folder.name, "out.json")

    def program(self, name, usage):
        path = os.path.join(self.folder.name, name)
        Path(path).write_text(STAND_IN % {"python": sys.executable, "help": usage}, "utf-8")
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        return path

    def compare(self, *words, code=0):
        done = subprocess.run([sys.executable, str(PEER / "compare.py"), "--kedge", self.kedge, "--json", self.out, *words, self.model],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return (done.stdout, results.load(self.out)) if code == 0 else done.stderr

    def row(self, r, **wanted):
        found = results.find(r, **wanted)
        self.assertIsNotNone(found, wanted)
        return found

    def test_alone_deep_and_fast(self):
        llama, ik = self.program("peer-50", "-d, --n-depth"), self.program("peer-100", "x -gp x")
        words = ["--peer", "llama=%s,-fa,1" % llama, "--peer", "ik=%s" % ik, "-p", "8", "-n", "4", "-d", "0,64", "--rounds", "2", "--fast",
                 "--bandwidth"]
        text, r = self.compare(*words)
        self.assertIn("Stand-in", text)
        self.assertEqual(results.ratio(self.row(r, test="pp", depth=0)), 2.0)
        self.assertEqual(results.ratio(self.row(r, test="pp", depth=0), "fast"), 3.0)
        self.assertEqual(results.ratio(self.row(r, test="tg", depth=0)), 0.5)
        deep = self.row(r, test="tg", depth=64)
        self.assertEqual({name: entry["samples"] for name, entry in deep["peers"].items()}, {"llama": [20.0] * 4, "ik": [50.0] * 4})
        self.assertEqual((deep["bytes_per_token"], deep["read_percent"]), (1128, [75.0, 75.0]))
        self.assertEqual([p["commit"] for p in r["peers"]], ["abc123", "abc123"])
        self.assertEqual((r["kedge"]["version"], r["kedge"]["commit"]), ("kedge 9.9.9", "0123abcd"))
        _, again = self.compare(*words)
        self.assertEqual(len(self.row(again, test="pp", depth=0)["kedge"]["exact"]["samples"]), 8)
        self.assertIn("another kedge", self.compare(*words, "--kedge-env", "KEDGE_ISA=avx2", code=1))

    def test_sequences_load_and_processor_time(self):
        batched = self.program("peer-40", "--output-format")
        _, r = self.compare("--peer", "llama=%s" % batched, "--sequences", "1,8", "-p", "8", "-n", "4", "--rounds", "1")
        self.assertEqual(results.ratio(self.row(r, test="batch", sequences=8)), 2.0)
        os.remove(self.out)
        peer = "p=%s" % self.program("peer-50", "--no-warmup")
        _, r = self.compare("--peer", peer, "--load", "--rounds", "2")
        self.assertEqual(len(self.row(r, test="load")["kedge"]["exact"]["samples"]), 2)
        self.assertGreater(self.row(r, test="load_resident")["peers"]["p"]["samples"][0], 1e6)
        os.remove(self.out)
        _, r = self.compare("--peer", peer, "--cpu-time", "-t", "1", "-p", "64", "-n", "64", "-r", "1", "--rounds", "1")
        self.assertEqual(r["settings"]["measure"], "cpu")
        self.assertGreater(results.middle(self.row(r, test="pp")["kedge"]["exact"]), 0)

    def test_a_campaign_says_what_it_would_run(self):
        words = ["--name", "m", "--models", "/models", "--llama", "/l", "--avx2-llama", "/l2", "--under", "quiet -x", "--kedge", "/k",
                 "--rounds", "1", "--dry-run"]
        done = subprocess.run([sys.executable, str(PEER / "campaign.py"), *words], stdout=subprocess.PIPE, text=True)
        commands = done.stdout.splitlines()
        self.assertEqual(done.returncode, 0)
        for name in ("speed", "depth", "sequences", "loads", "avx2", "cpu-time"):
            self.assertTrue(any("/m-%s.json" % name in command for command in commands), name)
        for command in commands:
            self.assertIn("--launcher 'quiet -x'" if "depth" in command else "quiet -x ", command)

    def test_what_cannot_be_measured_is_said(self):
        plain = self.program("peer-50", "")
        self.assertIn("neither -d nor -gp", self.compare("--peer", "p=%s" % plain, "-d", "64", code=1))
        self.assertIn("from an empty context", self.compare("--peer", "p=%s" % plain, "-d", "64", "--cpu-time", code=1))
        self.assertIn("no such program", self.compare("--peer", "p=/nowhere/llama-bench", code=1))
        self.assertIn("same name", self.compare("--peer", "p=" + plain, "--peer", "p=" + plain, code=1))


if __name__ == "__main__":
    unittest.main()
