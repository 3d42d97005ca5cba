#!/usr/bin/env python3
"""The Python package with a real model: KEDGE_COMMAND is the command, KEDGE_LIBRARY names the library."""
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import weakref
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import files  # noqa: E402
import kedge  # noqa: E402

KEDGE = os.environ["KEDGE_COMMAND"]
SCOUT = ROOT / "models" / "scout-q8_0.gguf"
PROMPT = "The capital of"
ASK = [{"role": "user", "content": "What is 17 + 25?"}]
WEATHER = [{"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"enum": ["Dovumchester", "Rome"]}}, "required": ["city"],
    "additionalProperties": False}}}]
model = kedge.Model(SCOUT)


def resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * (os.sysconf("SC_PAGE_SIZE") // 1024)


class Models(unittest.TestCase):
    def test_names(self) -> None:
        self.assertEqual(kedge.Model("scout", vocab_only=True).path, str(SCOUT))
        with self.assertRaisesRegex(kedge.NotFound, "'nobody': no such file, and no model of that name .*scout"):
            kedge.Model("nobody")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "own" / "Some-GGUF" / "Some-Q4_K_M.gguf"
            file.parent.mkdir(parents=True)
            file.symlink_to(SCOUT)
            os.environ["KEDGE_MODELS"] = folder
            try:
                self.assertEqual(kedge.models()["own/Some-GGUF:Q4_K_M"], str(file))
                self.assertEqual(kedge.Model("own/some-gguf", vocab_only=True).path, str(file))
            finally:
                del os.environ["KEDGE_MODELS"]

    def test_text_and_tokens(self) -> None:
        ids = model.tokenize("Hällo 🙂")
        self.assertEqual(ids[0], model.info.bos_token)
        self.assertEqual(model.detokenize(ids), "Hällo 🙂")
        self.assertEqual(model.tokenize(""), [model.info.bos_token])
        self.assertEqual(model.tokenize("", add_bos=False), [])
        self.assertIn("eog", model.token(model.info.eos_token)[1])
        self.assertEqual(model.describe()["architecture"], "llama")
        self.assertIn("17 + 25", model.chat_text(ASK))
        self.assertEqual(model.detokenize(model.chat_tokens(ASK), special=True), "<s>" + model.chat_text(ASK))

    def test_progress_cancels(self) -> None:
        with self.assertRaises(kedge.Cancelled):
            kedge.Model(SCOUT, on_progress=lambda done, total: False)

        def broken(done: int, total: int) -> bool:
            raise KeyError("mine")

        with self.assertRaisesRegex(KeyError, "mine"):
            kedge.Model(SCOUT, on_progress=broken)


class Generating(unittest.TestCase):
    def setUp(self) -> None:
        self.session = kedge.Session(model, n_ctx=512)
        self.addCleanup(self.session.close)

    def test_as_the_command(self) -> None:
        said = subprocess.run([KEDGE, "run", "-m", str(SCOUT), "-p", PROMPT, "-n", "24", "--temperature", "0",
                               "--logprobs", "2", "--json"], check=True, capture_output=True, text=True)
        command = json.loads(said.stdout)
        with self.session.generate(PROMPT, max_tokens=24, temperature=0, logprobs=2) as generation:
            pieces = list(generation)
            result = generation.result()
        self.assertEqual(result.text, command["text"])
        self.assertEqual("".join(pieces), result.text)
        self.assertGreater(len(pieces), 3)
        self.assertEqual(len(result.tokens), 24)
        self.assertEqual((result.finish_reason, result.settings["settings"]["temperature"]), ("length", 0))
        assert result.logprobs is not None
        self.assertEqual([row[0].token for row in result.logprobs], result.tokens)
        self.assertTrue(all(len(row) == 3 and row[0] == row[1] for row in result.logprobs))  # greedy: the likeliest
        again = kedge.Session(model, n_ctx=512).generate(PROMPT, max_tokens=24, temperature=0, logprobs=2).result()
        self.assertEqual((again.tokens, again.logprobs), (result.tokens, result.logprobs))

    def test_sampling_repeats_by_seed(self) -> None:
        def drawn(seed: int) -> str:
            with kedge.Session(model, n_ctx=256) as session:
                return session.generate(PROMPT, max_tokens=16, temperature=1.5, top_p=1, top_k=0, seed=seed).text

        self.assertEqual(drawn(7), drawn(7))
        self.assertNotEqual(drawn(7), drawn(8))

    def test_stop_and_bias(self) -> None:
        result = self.session.generate(PROMPT, max_tokens=24, temperature=0, stop=["§", " town"]).result()
        self.assertEqual((result.text, result.finish_reason, result.stop_index), (" the", "stop_string", 1))
        the = model.tokenize(" the", add_bos=False)[-1]
        self.session.truncate(0)
        biased = self.session.generate(PROMPT, max_tokens=1, temperature=0, logit_bias={the: float("-inf")}).result()
        self.assertNotEqual(biased.tokens, [the])

    def test_constraints(self) -> None:
        schema = {"type": "object", "properties": {"town": {"type": "string", "maxLength": 12}, "year": {
            "type": "integer", "minimum": 1000, "maximum": 1999}}, "required": ["town", "year"],
            "additionalProperties": False}
        result = self.session.generate(PROMPT, max_tokens=64, temperature=0, json_schema=schema).result()
        self.assertTrue(1000 <= json.loads(result.text)["year"] <= 1999)
        self.assertFalse(result.unfinished)
        for options, wanted in (({"regex": "[0-9]{4}"}, r"^[0-9]{4}$"), ({"choice": ["yes", "no"]}, "^(yes|no)$"),
                                ({"grammar": 'root ::= "a" "b"'}, "^ab$")):
            self.session.truncate(0)
            self.assertRegex(self.session.generate(PROMPT, temperature=0, **options).text, wanted)
        with self.assertRaisesRegex(kedge.InvalidArgument, "one constraint: regex and choice"):
            self.session.generate("x", regex="a", choice=["a"])
        with self.assertRaises(kedge.KedgeError):
            model.check_constraint({"regex": "("})

    def test_speculation_changes_nothing(self) -> None:
        plain = self.session.generate(PROMPT, max_tokens=40, temperature=0).result()
        self.session.truncate(0)
        guessed = self.session.generate(PROMPT, max_tokens=40, temperature=0, speculation="ngram").result()
        self.assertEqual(plain.tokens, guessed.tokens)
        self.assertEqual((guessed.speculation or {})["kind"], "ngram")
        self.session.truncate(0)
        with kedge.Session(model, n_ctx=512) as draft:
            drafted = self.session.generate(PROMPT, max_tokens=40, temperature=0, draft=draft,
                                            speculation={"kind": "draft", "max": 4, "adaptive": False}).result()
        self.assertEqual(plain.tokens, drafted.tokens)
        self.assertGreater((drafted.speculation or {})["accepted"], 0)

    def test_callbacks(self) -> None:
        seen, texts, reads = [], [], []

        def on_token(token: int, top: list) -> bool:
            seen.append(token)
            return len(seen) < 5

        result = self.session.generate(PROMPT, temperature=0, on_token=on_token, on_text=texts.append,
                                       on_prefill=lambda done, total: reads.append((done, total))).result()
        self.assertEqual((result.finish_reason, len(seen)), ("cancelled", 5))
        self.assertTrue("".join(texts).startswith(" the town"))
        self.assertEqual(reads[-1][0], reads[-1][1])
        for iterated in (False, True):
            self.session.truncate(0)

            def broken(token: int, top: list) -> bool:
                raise RuntimeError("mine")

            generation = self.session.generate(PROMPT, on_token=broken)
            with self.assertRaisesRegex(RuntimeError, "mine"):
                list(generation) if iterated else generation.result()

    def test_reading_no_further(self) -> None:
        for way in ("close", "drop", "session"):
            self.session.truncate(0)
            generation = self.session.generate(PROMPT, max_tokens=400, temperature=0, ignore_eos=True)
            self.assertEqual(next(generation), " the")
            thread = generation._run.thread
            assert thread is not None and thread.is_alive()
            if way == "close":
                generation.close()
                self.assertEqual(generation.result().finish_reason, "cancelled")
            elif way == "drop":
                del generation
                gc.collect()
            else:
                self.session.close()
            self.assertFalse(thread.is_alive(), way)
            if way != "session":
                self.assertLess(self.session.info.n_past, 20)
        with self.assertRaisesRegex(kedge.InvalidArgument, "the session is closed"):
            self.session.eval("more")

    def test_cancel_from_another_thread(self) -> None:
        began = threading.Event()
        other = threading.Thread(target=lambda: (began.wait(), self.session.cancel()))
        other.start()
        result = self.session.generate(PROMPT, temperature=0, ignore_eos=True, on_token=lambda *_: began.set()).result()
        other.join()
        self.assertEqual(result.finish_reason, "cancelled")
        with self.assertRaises(kedge.Cancelled):
            self.session.eval("more")
        self.session.cancel(False)
        self.session.eval("more")

    def test_ctrl_c(self) -> None:
        with self.assertRaises(KeyboardInterrupt):
            self.session.generate(PROMPT, ignore_eos=True,
                                  on_token=lambda *_: signal.raise_signal(signal.SIGINT)).result()
        self.assertLess(self.session.info.n_past, 20)

    def test_sessions_go_without_the_collector(self) -> None:
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for use in (lambda s: s.generate(PROMPT, max_tokens=2).text, lambda s: list(s.generate(PROMPT, max_tokens=2)),
                    lambda s: next(s.generate(PROMPT, ignore_eos=True)), lambda s: s.chat(ASK).reply(),
                    lambda s: next(iter(s.chat(ASK))), lambda s: s.eval(PROMPT, on_row=lambda *_: None)):
            session = kedge.Session(model, n_ctx=64)
            use(session)
            gone = weakref.ref(session)
            del session
            self.assertIsNone(gone())

    def test_errors(self) -> None:
        for kind, call in ((kedge.Capacity, lambda: self.session.eval([5] * 513)),
                           (kedge.InvalidArgument, lambda: self.session.eval([1 << 20])),
                           (kedge.InvalidArgument, lambda: self.session.eval([1 << 40])),
                           (kedge.InvalidArgument, lambda: self.session.truncate(1 << 32)),
                           (kedge.InvalidArgument, lambda: self.session.generate("x", max_tokens=1 << 32)),
                           (kedge.InvalidArgument, lambda: self.session.generate("x", warmth=3).result()),
                           (kedge.InvalidArgument, lambda: self.session.generate("x", top="p")),
                           (kedge.InvalidArgument, lambda: kedge.Session(model, kv_type="q3")),
                           (kedge.InvalidArgument, lambda: kedge.Session(model, kv={"budge": 5}))):
            with self.assertRaises(kind) as raised:
                call()
            self.assertGreater(len(str(raised.exception)), 10)
        with self.assertRaisesRegex(kedge.KedgeError, "warmth"):
            self.session.generate("x", warmth=3).result()


class Chatting(unittest.TestCase):
    def test_turns(self) -> None:
        with kedge.Session(model, n_ctx=512) as session:
            messages = list(ASK)
            chat = session.chat(messages, temperature=0)
            content = "".join(event["content"] for event in chat)
            reply = chat.reply()
            self.assertEqual((content, reply.content), ("42", "42"))
            held = session.info.n_past
            messages += [reply.message(), {"role": "user", "content": "What is 6 * 7?"}]
            second = session.chat(messages, temperature=0).reply()
            self.assertLess(second.result.n_prompt, len(model.chat_tokens(messages)) - held + 3)  # the rest was there
            with self.assertRaisesRegex(kedge.Unsupported, "no known form"):
                session.chat(ASK, tools=WEATHER)

    def test_tools_and_reasoning(self) -> None:
        template = (ROOT / "tests" / "data" / "templates" / "families" / "hermes.jinja").read_text("utf-8")
        with tempfile.TemporaryDirectory() as folder:
            files.with_template(SCOUT, Path(folder) / "caller.gguf", template)
            caller = kedge.Model(Path(folder) / "caller.gguf")
            with kedge.Session(caller, n_ctx=2048) as session:
                chat = session.chat([{"role": "user", "content": "Weather in Rome?"}], tools=WEATHER,
                                    tool_choice="required", max_tokens=200, temperature=0, parallel_tool_calls=False)
                reply = chat.reply()
            (call,) = reply.tool_calls
            self.assertEqual((call.name, call.complete), ("weather", True))
            self.assertIn(json.loads(call.arguments)["city"], ["Dovumchester", "Rome"])
            self.assertEqual(reply.message()["tool_calls"][0]["function"]["name"], "weather")
            with kedge.ChatReader(caller, tools=WEATHER) as reader:
                events = reader.push('Well.<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n')
                events += reader.push("</tool_call>", end=True)
            self.assertEqual(events[0], {"content": "Well."})
            self.assertEqual([e["name"] for e in events if "name" in e], ["weather"])


class Memory(unittest.TestCase):
    def test_checkpoints_forks_files(self) -> None:
        with kedge.Session(model, n_ctx=256, kv={"forks": 2}) as session, tempfile.TemporaryDirectory() as folder:
            session.eval("The capital of the town")
            point, file = session.checkpoint(), Path(folder) / "a.session"
            first = session.generate(max_tokens=8, temperature=0).text
            session.rollback(point)
            session.save(file)
            with session.fork() as fork, kedge.Session.load(model, file) as loaded:
                self.assertEqual([s.generate(max_tokens=8, temperature=0).text for s in (session, fork, loaded)],
                                 [first] * 3)
                self.assertEqual(loaded.tokens[:3], model.tokenize("The capital of")[:3])
            file.write_bytes(file.read_bytes()[:-1])
            with self.assertRaises(kedge.Corrupt):
                kedge.Session.load(model, file)

    def test_budget(self) -> None:
        with kedge.Session(model, n_ctx=512, kv={"budget": 64, "policy": "sinks"}) as session:
            self.assertEqual(session.add_segments([{"range": [0, 2], "kind": "system"}])["accepted"], 1)
            session.eval([1] + [100 + i for i in range(199)])
            self.assertEqual((session.kv()["n_past"], session.kv()["hot"] <= 64), (200, True))
            self.assertTrue(any(entry["why"] == "evict" for entry in session.kv_log()))

    def test_views(self) -> None:
        session, rows = kedge.Session(model, n_ctx=64), []
        self.assertEqual(len(session.logits()), 0)
        session.eval(PROMPT, on_row=lambda position, row: rows.append((position, max(row))))
        view = session.logits()
        self.assertEqual((len(view), max(view)), (model.info.n_vocab, rows[-1][1]))
        self.assertEqual([position for position, _ in rows], list(range(len(session.tokens))))
        with self.assertRaises((TypeError, ValueError)):
            view[0] = 1.0
        before = view[0]
        session.close()  # the view still has its memory
        del session
        gc.collect()
        self.assertEqual(view[0], before)

    def test_nothing_is_kept(self) -> None:
        engine = kedge.Engine(model, sequences=2, memory=64 << 20)

        def one() -> None:
            with kedge.Session(model, n_ctx=128) as session:
                session.generate(PROMPT, max_tokens=2, temperature=0, logprobs=50).result()
                list(session.generate(" a", max_tokens=2, stop=["x" * 1000]))
                session.checkpoint(), session.logits(), session.kv()
            model.describe(), model.tokenize("word " * 2000), engine.embed("a text"), model.chat_text(ASK)

        for _ in range(10):
            one()
        before = resident_kb()
        for _ in range(60):
            one()
        gc.collect()
        self.assertLess(resident_kb() - before, 6000)


class Together(unittest.TestCase):
    def test_engine_of_several_threads(self) -> None:
        prompts = [PROMPT, "The founding year of", "In the town of"]
        alone = [kedge.Session(model, n_ctx=128).generate(p, max_tokens=12, temperature=0).text for p in prompts]
        with kedge.Engine(model, sequences=4, memory=64 << 20) as engine:
            together = [""] * 3

            def work(i: int) -> None:
                with engine.session(n_ctx=128) as session:
                    together[i] = "".join(session.generate(prompts[i], max_tokens=12, temperature=0))

            threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(together, alone)
            self.assertGreater(engine.stats()["steps"], 0)
            found = engine.session(n_ctx=128).beam_search(PROMPT, beams=2, max_tokens=4)
            self.assertGreaterEqual(len(found["answers"]), 1)
            vectors = kedge.embed_all(engine, ["a town", "a number"])
            self.assertEqual([len(v) for v in vectors], [model.info.d_model] * 2)
            self.assertAlmostEqual(float(sum(x * x for x in vectors[0])), 1, places=4)
            each = engine.embed("a town", pooling="none")
            self.assertEqual(each.shape, (len(model.tokenize("a town")), model.info.d_model))

    def test_prefix_cache(self) -> None:
        tokens = model.tokenize("The capital of the town of Dovumchester is known for its river.")
        with kedge.PrefixCache(model, n_ctx=128) as cache:
            session, reused = cache.acquire(tokens)
            self.assertEqual(reused, 0)
            session.eval(tokens)
            cache.store(session)
            again, reused = cache.acquire(tokens + [7])
            self.assertEqual((reused, again.tokens), (len(tokens), tokens))
            self.assertEqual(cache.stats()["hits"], 1)

    def test_adapter(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "v.gguf"
            files.control_vector(file, [0.5 * (-1) ** i for i in range(model.info.d_model)], 2)
            adapter = kedge.Adapter(model, file)
        self.assertEqual(adapter.describe()["kind"], "control_vector")
        logits = []
        for adapters in ((), [(adapter, 0.0)], [adapter]):
            session = kedge.Session(model, n_ctx=64, adapters=adapters)
            session.eval(PROMPT)
            logits.append(list(session.logits()))
        self.assertEqual(logits[0], logits[1])
        self.assertNotEqual(logits[0], logits[2])
        adapter.close()
        with self.assertRaisesRegex(kedge.InvalidArgument, "the adapter is closed"):
            kedge.Session(model, adapters=[adapter])

    def test_any_order_of_ends(self) -> None:
        own = kedge.Model(SCOUT)
        engine = kedge.Engine(own, sequences=2, memory=32 << 20)
        session = engine.session(n_ctx=64)
        point = session.checkpoint()
        own.close(), engine.close()
        # A text needs the model, which is closed; what the session has goes on.
        self.assertEqual(len(session.generate([1, 5, 6], max_tokens=2).result().tokens), 2)
        session.close(), session.close(), point.close()
        with self.assertRaisesRegex(kedge.InvalidArgument, "the model is closed"):
            own.tokenize("x")
        code = ("import kedge; m = kedge.Model('scout'); s = kedge.Session(m, n_ctx=256)\n"
                "g = s.generate('The', ignore_eos=True); next(g); v = s.kv()")
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60,  # the end of a program amid an answer
                       env={**os.environ, "PYTHONPATH": str(ROOT / "tools" / "python")})


class Routing(unittest.TestCase):
    def test_ask(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            db = str(Path(folder) / "audit.db")
            pool = {"aliases": {"fast": "scout"}, "models": {"scout": {"path": str(SCOUT)}}, "audit": db}
            with kedge.Router(overrides=pool) as router:
                events = []
                answer = router.ask("What is 12 * 7?", on_event=events.append)
                self.assertEqual((answer["outcome"], answer["answer"]), ("answered", "84"))
                self.assertEqual(kedge.audit_show(db)["id"], answer["record"]["id"])
                self.assertTrue(kedge.audit_verify(db)["ok"])
                self.assertTrue(events)
                self.assertEqual(router.models()[0]["name"], "scout")
                with self.assertRaisesRegex(kedge.InvalidArgument, "warmth"):
                    router.ask("What?", warmth=3)
                with self.assertRaises(kedge.Cancelled):
                    flag = kedge.Cancel()
                    flag.set()
                    router.ask("Which product is Birkenchester famous for?", cancel=flag, abstain=False)
                with self.assertRaisesRegex(KeyError, "mine"):
                    router.ask("What is 3 * 7?", on_event=lambda event: {}["mine"])
                shared, engine = router.engine("fast")
            with engine.session(n_ctx=64) as session:  # outlives the router
                self.assertEqual(len(session.generate(PROMPT, max_tokens=3).result().tokens), 3)
            self.assertEqual(shared.info.n_vocab, model.info.n_vocab)

    def test_checks(self) -> None:
        self.assertEqual(kedge.check_answer("12", pattern="[0-9]+")["verdict"], "pass")
        self.assertEqual(kedge.detect_references("see section 4.2")[0]["kind"], "section")
        self.assertIn("temperature", [s["name"] for s in kedge.settings_schema()["settings"]])


if __name__ == "__main__":
    unittest.main()
