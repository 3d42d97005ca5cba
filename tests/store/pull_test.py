#!/usr/bin/env python3
"""kedge pull, list, show, rm against a hub of our own on this machine, with ranges, redirects and faults:
pull_test.py KEDGE MODEL.gguf. The last line is "N passed, N failed"."""
import hashlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

KEDGE, MODEL = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
CONTENT = open(MODEL, "rb").read()
DIGEST = hashlib.sha256(CONTENT).hexdigest()
REPO = "someone/Tiny-GGUF"
tests = []


def test(f):
    tests.append(f)
    return f


class Hub:
    """`files` by path below the repository; `fault(path, number of the request)` says what goes wrong."""

    def __init__(self):
        self.files = {"Tiny-Q4_K_M.gguf": CONTENT, "Tiny-Q8_0.gguf": CONTENT[: 1 << 16], "mmproj-Tiny-F16.gguf": b"eyes", "README.md": b"#"}
        self.etag, self.requests, self.headers = '"one"', [], []
        self.fault = lambda path, number: None
        self.digests, self.cdn = True, True
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, body, **headers):
                self.send_response(status)
                for k, v in headers.items():
                    self.send_header(k.replace("_", "-"), v)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                path = urllib.parse.unquote(urllib.parse.urlparse(self.path).path)
                hub.requests.append(path)
                hub.headers.append(dict(self.headers))
                if path == f"/api/models/{REPO}/tree/main":
                    tree = [{"type": "directory", "path": "sub"}]
                    for name, content in hub.files.items():
                        entry = {"type": "file", "path": name, "size": len(content)}
                        if hub.digests:
                            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
                        tree.append(entry)
                    return self.reply(200, json.dumps(tree).encode(), Content_Type="application/json")
                if path == f"/api/models/{REPO}":
                    return self.reply(200, json.dumps({"cardData": {"license": "apache-2.0"}}).encode())
                front = f"/{REPO}/resolve/main/"
                if path.startswith(front) and hub.cdn:
                    return self.reply(302, b"", Location=f"http://localhost:{hub.port}/cdn/" + path[len(front):], ETag='"of the redirect"')
                name = path.removeprefix("/cdn/").removeprefix(front)
                if name not in hub.files:
                    return self.reply(404, b"nothing here")
                number = sum(p == path for p in hub.requests)
                fault = hub.fault(name, number)
                if isinstance(fault, int):
                    return self.reply(fault, b"an error page that must not get into the file", Retry_After="0")
                self.send_file(hub.files[name], fault)

            def send_file(self, content, fault):
                begin = 0
                wanted = self.headers.get("Range")
                if wanted and fault != "no ranges" and self.headers.get("If-Range") in (None, hub.etag):
                    begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if begin and begin >= len(content):
                    return self.reply(416, b"", Content_Range=f"bytes */{len(content)}")
                self.send_response(206 if begin else 200)
                if begin:
                    self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
                self.send_header("Content-Length", str(len(content) - begin))
                self.send_header("ETag", hub.etag)
                self.end_headers()
                body = content[begin:]
                if fault == "half":
                    self.wfile.write(body[: len(body) // 2])
                    self.close_connection = True
                    self.connection.shutdown(2)
                elif fault == "slow":
                    for i in range(0, len(body), 1 << 16):
                        self.wfile.write(body[i : i + (1 << 16)])
                        time.sleep(0.05)
                elif fault == "flipped":
                    self.wfile.write(body[:1000] + bytes([body[1000] ^ 1]) + body[1001:])
                else:
                    self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def fetched(self, name):
        return [h for p, h in zip(self.requests, self.headers) if p == f"/cdn/{name}"]


class Place:
    """A hub, an empty home, and the command in it."""

    def __enter__(self):
        self.hub, self.home = Hub(), tempfile.mkdtemp(prefix="kedge-pull-")
        self.env = {"PATH": os.environ["PATH"], "HOME": self.home, "KEDGE_MIRROR": f"http://127.0.0.1:{self.hub.port}/"}
        self.models = f"{self.home}/.local/share/kedge/models"
        return self

    def __exit__(self, *_):
        self.hub.server.shutdown()
        shutil.rmtree(self.home)

    def kedge(self, *arguments, **env):
        done = subprocess.run([KEDGE, *arguments], env={**self.env, **env}, capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def good(self, *arguments, **env):
        code, out, err = self.kedge(*arguments, **env)
        assert code == 0, f"kedge {arguments}: {code}\n{out}{err}"
        return out + err

    def bad(self, *arguments, says, code=1, **env):
        got, out, err = self.kedge(*arguments, **env)
        assert got == code and says in err, f"kedge {arguments}: {got}, expected {code} and '{says}'\n{out}{err}"
        return err

    def file(self, name="Tiny-Q4_K_M.gguf"):
        return f"{self.models}/{REPO}/{name}"

    def left(self):
        return sorted(f for _, _, files in os.walk(self.models) for f in files)


@test
def pulled_listed_used_removed():
    with Place() as p:
        said = p.good("pull", REPO)
        assert open(p.file(), "rb").read() == CONTENT
        assert "apache-2.0" in said and "as the server says" in said and f"kedge chat -m {REPO}:Q4_K_M" in said, said
        assert p.left() == ["Tiny-Q4_K_M.gguf", "Tiny-Q4_K_M.gguf.json"], p.left()
        notes = json.load(open(p.file() + ".json"))
        assert notes["sha256"] == DIGEST and notes["license"] == "apache-2.0" and notes["checked"] is True
        models = json.loads(p.good("list", "--json"))
        assert [(m["name"], m["keeper"], m["bytes"]) for m in models] == [(f"{REPO}:Q4_K_M", "kedge", len(CONTENT))]
        assert f"{REPO}:Q4_K_M" in p.good("list")
        assert DIGEST in p.good("show", f"{REPO}:q4_k_m")
        ids = p.good("tokenize", "-m", REPO, "-p", "a harbour")
        assert ids == p.good("tokenize", "-m", MODEL, "-p", "a harbour")
        assert "is there already" in p.good("pull", REPO) and len(p.hub.fetched("Tiny-Q4_K_M.gguf")) == 1
        p.good("rm", f"{REPO}:Q4_K_M")
        assert p.left() == [] and os.listdir(p.models) == [], "empty folders are left"
        p.bad("rm", f"{REPO}:Q4_K_M", says="no model is called")
        p.bad("tokenize", "-m", f"{REPO}:Q4_K_M", "-p", "a", says=REPO)


@test
def other_names_of_the_same():
    with Place() as p:
        for name in (f"{REPO}:q8_0", f"hf.co/{REPO}:Q8_0", f"http://127.0.0.1:{p.hub.port}/{REPO}:Q8_0", f"{REPO}/Tiny-Q8_0.gguf"):
            p.good("pull", name)
            assert os.path.getsize(p.file("Tiny-Q8_0.gguf")) == 1 << 16
        url = f"http://127.0.0.1:{p.hub.port}/cdn/Tiny-Q4_K_M.gguf?download=true"
        said = p.good("pull", url)
        assert f"of what came: {DIGEST}" in said
        models = json.loads(p.good("list", "--json"))
        assert [m["name"] for m in models] == [f"{REPO}:Q8_0", "url/127.0.0.1:Q4_K_M"], models


@test
def parts_of_a_split_model_are_one():
    with Place() as p:
        third = len(CONTENT) // 3
        for i in range(3):
            p.hub.files[f"big/Tiny-Q6_K-0000{i + 1}-of-00003.gguf"] = CONTENT[i * third : (i + 1) * third]
        p.good("pull", f"{REPO}:Q6_K")
        model = json.loads(p.good("list", "--json"))[0]
        assert (model["name"], model["files"], model["bytes"]) == (f"{REPO}:Q6_K", 3, third * 3), model
        assert model["path"].endswith("00001-of-00003.gguf")
        del p.hub.files["big/Tiny-Q6_K-00002-of-00003.gguf"]
        p.good("rm", f"{REPO}:Q6_K")
        assert p.left() == []
        p.bad("pull", f"{REPO}:Q6_K", says="2 of the 3 parts")


@test
def broken_connections_are_gone_on_with():
    with Place() as p:
        p.hub.fault = lambda name, number: "half" if number <= 3 else None
        p.good("pull", REPO)
        ranges = [h.get("Range") for h in p.hub.fetched("Tiny-Q4_K_M.gguf")]
        begins = [0 if r is None else int(r[6:-1]) for r in ranges]
        assert len(begins) == 4 and begins == sorted(set(begins)), begins
        assert open(p.file(), "rb").read() == CONTENT


@test
def the_next_call_goes_on():
    with Place() as p:
        p.hub.fault = lambda name, number: "slow"
        running = subprocess.Popen([KEDGE, "pull", REPO], env=p.env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        part = p.file() + ".part"
        until = time.monotonic() + 60
        while not (os.path.exists(part) and os.path.getsize(part) > 1 << 17):
            assert time.monotonic() < until
            time.sleep(0.01)
        p.bad("pull", REPO, says="another process is fetching")
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130 and "goes on from here" in running.stderr.read()
        had = os.path.getsize(part)
        p.hub.fault = lambda name, number: None
        assert "gone on with" in p.good("pull", REPO)
        assert p.hub.fetched("Tiny-Q4_K_M.gguf")[-1]["Range"] == f"bytes={had}-"
        assert open(p.file(), "rb").read() == CONTENT and p.left() == ["Tiny-Q4_K_M.gguf", "Tiny-Q4_K_M.gguf.json"]


@test
def another_file_is_not_put_behind():
    with Place() as p:
        p.hub.fault = lambda name, number: "half" if number == 1 else 404
        p.bad("pull", REPO, says="404")
        assert 0 < os.path.getsize(p.file() + ".part") < len(CONTENT)
        p.hub.etag, p.hub.fault = '"two"', lambda name, number: None
        p.hub.files["Tiny-Q4_K_M.gguf"] = CONTENT[::-1]
        p.good("pull", REPO)
        assert open(p.file(), "rb").read() == CONTENT[::-1]


@test
def servers_without_ranges():
    with Place() as p:
        p.hub.fault = lambda name, number: "half" if number == 1 else "no ranges"
        p.good("pull", REPO)
        assert open(p.file(), "rb").read() == CONTENT


@test
def errors_that_pass():
    with Place() as p:
        p.hub.fault = lambda name, number: 503 if number == 1 else 429 if number == 2 else None
        p.good("pull", REPO)
        assert open(p.file(), "rb").read() == CONTENT


@test
def errors_that_stay():
    with Place() as p:
        p.hub.fault = lambda name, number: 403
        p.bad("pull", REPO, says="HF_TOKEN")
        assert p.left() in ([], ["Tiny-Q4_K_M.gguf.part"]), p.left()
        p.hub.fault = lambda name, number: None
        p.bad("pull", "someone/Nothing", says="has no repository 'someone/Nothing'")
        assert "Tiny-Q8_0.gguf" in p.bad("pull", f"{REPO}:Q2_K", says="no Q2_K; there are:")
        p.bad("pull", f"{REPO}/Other.gguf", says="has no model 'Other.gguf'")
        p.bad("pull", "nonsense", says="is not a repository")
        p.bad("pull", "../../etc:Q8_0", says="is not a repository")
        p.bad("pull", "file:///etc/passwd.gguf", says="http")
        p.bad("pull", f"http://localhost:{p.hub.port}/cdn/README.md", says=".gguf file")
        p.hub.files = {"README.md": b"#"}
        p.bad("pull", REPO, says="no GGUF file")


@test
def damage_is_seen():
    with Place() as p:
        p.hub.fault = lambda name, number: "flipped"
        p.bad("pull", REPO, says="SHA-256")
        assert p.left() == [], p.left()
        p.hub.digests = False  # then only the user can know
        url = f"http://127.0.0.1:{p.hub.port}/cdn/Tiny-Q4_K_M.gguf"
        p.bad("pull", url, "--sha256", DIGEST, says="SHA-256")
        p.hub.fault = lambda name, number: None
        p.good("pull", url, "--sha256", DIGEST)


@test
def a_full_disk():
    with Place() as p:
        p.hub.files["Tiny-Q4_K_M.gguf"] = CONTENT
        real, Fake = p.hub.files, type("Huge", (bytes,), {"__len__": lambda self: 1 << 60})
        p.hub.files = {"Tiny-Q4_K_M.gguf": Fake(b"x" * 10)}
        p.bad("pull", REPO, says="the disk has")
        p.hub.files = real


@test
def the_token_is_the_hubs():
    with Place() as p:
        p.good("pull", REPO, HF_TOKEN="secret")
        for path, headers in zip(p.hub.requests, p.hub.headers):
            sent = headers.get("Authorization")
            assert sent == (None if path.startswith("/cdn/") else "Bearer secret"), (path, sent)
        n = len(p.hub.headers)
        p.good("pull", f"http://localhost:{p.hub.port}/cdn/Tiny-Q8_0.gguf", HF_TOKEN="secret")
        assert all("Authorization" not in h for h in p.hub.headers[n:])


@test
def models_of_other_programs():
    with Place() as p:
        def put(path, content=CONTENT):
            os.makedirs(os.path.dirname(f"{p.home}/{path}"), exist_ok=True)
            with open(f"{p.home}/{path}", "wb") as f:
                f.write(content)

        put(".ollama/models/blobs/sha256-abc")
        manifest = {"layers": [{"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:def"},
                               {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:abc"}]}
        put(".ollama/models/manifests/registry.ollama.ai/library/tiny/1b", json.dumps(manifest).encode())
        put(".ollama/models/manifests/registry.ollama.ai/library/broken/1b", b"{")
        put(".lmstudio/models/owner/Repo-GGUF/Repo-Q8_0.gguf")
        put(".lmstudio/models/owner/Repo-GGUF/mmproj-Repo-F16.gguf", b"eyes")
        put(".cache/llama.cpp/owner_Other-GGUF_Other-Q4_0.gguf")
        put(".cache/huggingface/hub/models--org--Third-GGUF/blobs/xyz")
        os.makedirs(f"{p.home}/.cache/huggingface/hub/models--org--Third-GGUF/snapshots/c0ffee")
        os.symlink("../../blobs/xyz", f"{p.home}/.cache/huggingface/hub/models--org--Third-GGUF/snapshots/c0ffee/Third-F16.gguf")
        names = [(m["name"], m["keeper"]) for m in json.loads(p.good("list", "--json"))]
        assert names == [("tiny:1b", "ollama"), ("owner/Repo-GGUF:Q8_0", "lm-studio"), ("owner/Other-GGUF:Q4_0", "llama.cpp"),
                         ("org/Third-GGUF:F16", "huggingface")], names
        for name, _ in names:
            assert p.good("tokenize", "-m", name, "-p", "a harbour").startswith("[")
        p.bad("rm", "tiny:1b", says="belongs to ollama")
        assert "architecture" in p.good("show", "tiny")


failed = 0
for f in tests:
    begin = time.monotonic()
    try:
        f()
        print(f"ok     {f.__name__} ({time.monotonic() - begin:.1f} s)")
    except Exception:  # noqa: BLE001
        failed += 1
        print(f"FAILED {f.__name__}")
        traceback.print_exc(file=sys.stdout)
print(f"{len(tests) - failed} passed, {failed} failed")
sys.exit(bool(failed))
