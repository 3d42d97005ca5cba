#!/usr/bin/env python3
"""What one running server does: sessions to files and back, models loaded before it is ready, steps that take too long named,
whole answers kept alive, the router's policy changed over HTTP, metrics as Prometheus takes them.

    tests/serve/server_test.py KEDGE MODEL
"""
import concurrent.futures
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from served import Server, expect, wait_for

KEDGE, MODEL = sys.argv[1:3]
LONG = "The river Thorow runs from the hills to the sea. " * 40


def completion(more=None):
    return {"model": "fast", "prompt": LONG, "max_tokens": 8, "temperature": 0, "ignore_eos": True, **(more or {})}


def cached(answer):
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def sessions(work):
    """POST /slots/{id}?action=..., as llama-server has it."""
    keys = "".join(f'[[keys]]\nname = "{name}"\nsha256 = "{hashlib.sha256(name.encode()).hexdigest()}"\n' for name in "ab")
    with open(work + "/keys.toml", "w") as f:
        f.write(keys)
    a, b = ({"x-api-key": name} for name in "ab")
    args = ["--no-audit", "--config", work + "/keys.toml"]
    server = Server(KEDGE, work, args)
    first = server.post("/v1/completions", completion({"id_slot": 3}), a)[1]
    n = first["usage"]["prompt_tokens"] + 7  # the last token of an answer is not in its session
    status, saved = server.post("/slots/3?action=save", {"filename": "river"}, a)
    expect("a session is saved", status == 200 and saved["id_slot"] == 3 and saved["n_saved"] == n and saved["n_written"] > 0, saved)
    slots = json.loads(server.get("/slots", a)[1])
    expect("its slot is listed", [(s["id"], s["is_processing"]) for s in slots] == [(3, False)], slots)
    expect("to nobody else", json.loads(server.get("/slots", b)[1]) == [] and server.post("/slots/3?action=save", {"filename": "x"}, b)[0] == 404)
    for name, status in (("../river", 400), ("", 400), ("a/b", 400), (".river", 400), ("no-such", 404), ("x" * 200, 400)):
        got = server.post("/slots/0?action=restore", {"filename": name, "model": "fast"}, a)
        expect(f"{name[:10]!r} is {status}", got[0] == status and work not in json.dumps(got[1]), got)
    for path, body in (("/slots/x?action=save", {"filename": "r"}), ("/slots/-1?action=save", {"filename": "r"}),
                       ("/slots/99999?action=save", {"filename": "r"}), ("/slots/3?action=keep", {"filename": "r"}),
                       ("/slots/3?action=save", {}), ("/slots/3?action=save", {"filename": "r", "other": 1})):
        expect(f"{path} {body} is 400", server.post(path, body, a)[0] == 400)
    expect("SIGTERM ends it", server.end(signal.SIGTERM) == 0)

    server = Server(KEDGE, work, args)
    expect("another key has no such file", server.post("/slots/0?action=restore", {"filename": "river", "model": "fast"}, b)[0] == 404)
    expect("nor is it another model's", server.post("/slots/0?action=restore", {"filename": "river", "model": "deep"}, a)[0] == 400)
    expect("a model has to be named where there are several",
           server.post("/slots/0?action=restore", {"filename": "river"}, a)[1]["error"]["param"] == "model")
    status, restored = server.post("/slots/5?action=restore", {"filename": "river", "model": "fast"}, a)
    expect("it is restored after a restart", status == 200 and restored["n_restored"] == n and restored["n_read"] == saved["n_written"], restored)
    again = server.post("/v1/completions", completion(), a)[1]
    expect("the next request begins with it", cached(again) >= first["usage"]["prompt_tokens"] - 1, again["usage"])
    expect("and answers the same", again["choices"][0]["text"] == first["choices"][0]["text"])
    other = server.post("/v1/completions", completion(), b)[1]
    expect("a request of another key does not", cached(other) == 0)
    # What is in the file is the state itself: it can be saved again, byte for byte the same.
    again = server.post("/slots/5?action=save", {"filename": "again"}, a)[1]
    folder = next(f for f, _, names in os.walk(work) if "river.session" in names)
    read = [open(f"{folder}/{name}.session", "rb").read() for name in ("river", "again")]
    expect("a restored session is saved as it was", again["n_saved"] == n and read[0] == read[1])
    listed = json.loads(server.get("/v1/kedge/sessions", a)[1])["sessions"]
    expect("files are listed", [s["name"] for s in listed] == ["again", "river"], listed)
    expect("and deleted", server.send("DELETE", "/v1/kedge/sessions/again", None, a)[0] == 200 and
           server.send("DELETE", "/v1/kedge/sessions/again", None, a)[0] == 404)
    status, erased = server.post("/slots/5?action=erase", {}, a)
    expect("a slot is erased", status == 200 and erased["n_erased"] == n and
           server.post("/slots/5?action=save", {"filename": "x"}, a)[0] == 404, erased)
    with open(folder + "/river.session", "r+b") as f:
        f.seek(2000)
        f.write(b"\0\1\2\3")
    broken = server.post("/slots/0?action=restore", {"filename": "river", "model": "fast"}, a)
    expect("a changed file is refused", broken[0] >= 400 and "river" in broken[1]["error"]["message"], broken)
    expect("and the server goes on", server.post("/v1/completions", completion(), a)[0] == 200)
    server.end(signal.SIGKILL)


def loading(work):
    server = Server(KEDGE, work, ["--no-audit", "--load", "eager"])
    expect("all models are loaded before it is ready", sorted(e["model"] for e in server.events("loaded")) == ["sage", "scout"] and
           server.text().index('"loaded"') < server.text().index('"event":"ready"'))
    expect("and /readyz says so", server.get("/readyz") == (200, "ok\n"))
    server.end(signal.SIGKILL)
    broken = work + "/broken.gguf"
    shutil.copy(MODEL, broken)
    os.truncate(broken, 5000)
    for load, code in (("eager", 1), ("often", 2)):
        ended = subprocess.run([KEDGE, "serve", "--port", "0", "-m", broken, "--no-audit", "--load", load], capture_output=True, text=True)
        expect(f"load = {load}: the start fails and says why", ended.returncode == code and
               ("broken.gguf" if load == "eager" else "lazy or eager") in ended.stderr, ended.stderr)


def overdue(work):
    server = Server(KEDGE, work, ["--no-audit", "-m", MODEL, "--watchdog-step-ms", "1", "--engine-step-ms", "-1"])
    name = os.path.basename(MODEL).removesuffix(".gguf")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(server.post, "/v1/completions", completion({"prompt": f"{i} {LONG}", "cache_salt": str(i), "model": name}))
                for i in range(40)]
        seen = []

        def not_ready():
            status, why = server.get("/readyz")
            if status == 503:
                seen.append(why)
            return any(" at step " in why for why in seen) or all(b.done() for b in busy)

        wait_for("a step that takes too long", not_ready)
        expect("every request is answered all the same", all(b.result()[0] == 200 for b in busy))
    # Work on memories between steps is overdue too, and a sequence may end while it is looked for.
    named = [e for e in server.events("step_overdue") if e["step"] is not None and e["sequences"]]
    wait_for("the log", lambda: server.events("step_ended"))
    event = named[0] if named else {}
    expect("the log names the step, whose it is and which sequences are at work",
           event and event["model"] == name and event["step"] >= 1 and event["keys"] == ["local"] and event["sequences"][0].startswith("seq-") and
           event["decoding"] + event["reading"] >= 1, event)
    expect("/readyz names the step and nobody", any(f"the engine of {name} has been at step " in why for why in seen) and
           "local" not in "".join(seen), seen)
    wait_for("the end", lambda: server.get("/readyz")[0] == 200)
    counted = [l for l in server.get("/metrics")[1].splitlines() if l.startswith("kedge_steps_overdue_total{")]
    expect("a metric counts them", len(counted) == 1 and float(counted[0].split()[-1]) >= 1, counted)
    server.end(signal.SIGKILL)


def whole_answers(work):
    server = Server(KEDGE, work, ["--no-audit", "--requests-whole-ping-ms", "1", "--requests-ping-ms", "10", "--engine-step-ms", "5"])
    def chat(word):
        """Each begins otherwise: a prompt that is in the cache is soon answered."""
        return {"messages": [{"role": "user", "content": f"{word}. {LONG}"}], "max_tokens": 200, "temperature": 0, "ignore_eos": True, "model": "fast"}

    for path, body in (("/v1/chat/completions", chat("One")), ("/v1/completions", completion({"max_tokens": 200})), ("/v1/messages", chat("Two")),
                       ("/v1/responses", {"model": "fast", "input": f"Three. {LONG}", "max_output_tokens": 200}),
                       ("/api/chat", {**chat("Four"), "stream": False, "options": {"num_predict": 200}})):
        status, text, reply = server.send("POST", path, body)
        expect(f"{path}: white space goes before an answer that takes long",
               status == 200 and text.startswith("\n") and reply.headers["content-type"] == "application/json" and
               reply.headers["transfer-encoding"] == "chunked" and isinstance(json.loads(text), dict), text[:80])
    status, text, _ = server.send("POST", "/v1/chat/completions", {**chat("Five"), "max_tokens": -5})
    expect("what is wrong with a request keeps its status", status == 400 and not text.startswith("\n"))
    server.end(signal.SIGKILL)
    server = Server(KEDGE, work, ["--no-audit"])
    status, text, reply = server.send("POST", "/v1/chat/completions", chat("Six"))
    expect("by default nothing does for minutes", not text.startswith("\n") and reply.headers["x-kedge-model"] == "scout")
    server.end(signal.SIGKILL)


def policy(work):
    """PATCH /v1/kedge/router."""
    with open(work + "/roles.toml", "w") as f:
        for name, role in (("boss", "admin"), ("user", "use")):
            f.write(f'[[keys]]\nname = "{name}"\nsha256 = "{hashlib.sha256(name.encode()).hexdigest()}"\nroles = ["{role}"]\n')
    boss, user = ({"x-api-key": name} for name in ("boss", "user"))
    server = Server(KEDGE, work, ["--config", work + "/roles.toml", "--audit", work + "/policy.db"])

    def patch(body, headers=boss):
        status, text, _ = server.send("PATCH", "/v1/kedge/router", body, headers)
        return status, json.loads(text)

    def state():
        return json.loads(server.get("/v1/kedge/router", boss)[1])

    before = state()
    expect("only an admin changes it", patch({"policy": {"alpha": 0.2}}, user)[0] == 403 and state() == before)
    for wrong, words in (({"policy": {"alpha": 7}}, "alpha"), ({"policy": {"alfa": 0.1}}, "alfa"), ({"breakers": {"nobody": "open"}}, "nobody"),
                         ({"breakers": {"fast": "ajar"}}, "ajar"), ({"by": "me", "policy": {}}, "by"), ([], "object")):
        status, answer = patch(wrong)
        expect(f"{wrong} is refused and changes nothing", status in (400, 404) and words in answer["error"]["message"] and state() == before, answer)
    status, answer = patch({"policy": {"min_confidence": 0.999999, "escalate": False}})
    expect("it is changed", status == 200 and state()["settings"]["min_confidence"] == 0.999999 and answer["before"] == before["policy"], answer)
    record = json.loads(server.get("/v1/kedge/records/" + answer["record"]["id"], boss)[1])
    expect("a record says by whom", record["record"]["outcome"] == "configured" and "boss" in json.dumps(record["record"]), record)
    question = {"model": "auto", "messages": [{"role": "user", "content": "Which product is Birkenchester famous for?"}]}
    kept = server.post("/v1/chat/completions", question, user)[1]["kedge"]
    expect("the next answer keeps to it", kept["outcome"] == "low_confidence", kept)
    expect("null is the default again", patch({"policy": {"min_confidence": None, "escalate": None}})[0] == 200 and
           state()["settings"] == before["settings"])
    expect("then it is answered", server.post("/v1/chat/completions", question, user)[1]["kedge"]["outcome"] == "answered")
    expect("a breaker is held open", patch({"breakers": {"fast": "open"}})[0] == 200 and
           [m["breaker"]["state"] for m in state()["models"] if "fast" in m["aliases"]] != ["closed"])
    way = server.post("/v1/chat/completions", question, user)[1]["kedge"]
    expect("and the other model asked", {a["model"] for a in way["attempts"]} == {"sage"}, way)
    expect("and closed", patch({"breakers": {"fast": "closed"}})[0] == 200 and
           [m["breaker"]["state"] for m in state()["models"] if "fast" in m["aliases"]] == ["closed"])
    expect("the log of answers is whole", server.post("/v1/kedge/records/verify", {}, boss)[1]["ok"])
    server.end(signal.SIGKILL)


def metrics(work):
    env = {"KEDGE_SERVE_KEY": "secret"}
    server = Server(KEDGE, work, ["--no-audit", "--open-metrics"], env)
    key = {"x-api-key": "secret"}
    for body in (completion(), completion({"stream": True}), completion({"model": "nobody"})):
        server.send("POST", "/v1/completions", body, key)
    server.send("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "What is 1 + 1?"}]}, key)
    status, text = server.get("/metrics")
    expect("open_metrics: no key is needed for them, and for nothing else", status == 200 and server.get("/v1/models")[0] == 401)
    values = {l.split()[0]: float(l.split()[1]) for l in text.splitlines() if not l.startswith("#")}
    for name in ("kedge_requests_running", "kedge_requests_waiting", "kedge_kv_cache_usage_ratio"):
        expect(f"{name} is one number, for balancers", 0 <= values.get(name, -1) <= 1, values.get(name))
    promtool = shutil.which("promtool")
    if not promtool:
        print("skipped: promtool is not here (apt-get install prometheus; tools/setup.sh --dev)")
    else:
        checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
        expect("promtool has nothing to say", checked.returncode == 0 and not checked.stdout + checked.stderr, checked.stdout + checked.stderr)
    server.end(signal.SIGKILL)
    server = Server(KEDGE, work, ["--no-audit"], env)
    expect("without the setting they need a key", server.get("/metrics")[0] == 401 and server.get("/metrics", key)[0] == 200)
    server.end(signal.SIGKILL)


def main():
    for part in (sessions, loading, overdue, whole_answers, policy, metrics):
        work = tempfile.mkdtemp(prefix="kedge-server-")
        part(work)
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
