#!/usr/bin/env python3
"""What breaks servers, done to `kedge serve`: faults.py KEDGE [NAME...]. Each fault has to get the right status, and leave
the server alive, its KV pages free and its memory as it was. The last line is "N passed, N failed"."""
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from served import Server, post, read_all, reset, status_of, until

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models")
KEDGE = os.path.abspath(sys.argv[1])
MIB = 1 << 20
faults = []


def fault(f):
    faults.append(f)
    return f


@contextlib.contextmanager
def serving(*flags, **more):
    server = Server(KEDGE, flags, **more)
    try:
        yield server
        server.alive()
    finally:
        server.stop()


def raw(server, data, half_close=False):
    """The answer to these bytes, when the server closes after it."""
    s = server.connect()
    try:
        s.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has answered before it had read everything
    if half_close:
        s.shutdown(socket.SHUT_WR)
    answer = read_all(s)
    s.close()
    return answer


def expect(wanted, got, what):
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    assert got in wanted, f"{what}: status {got}, expected {wanted}"


def flat(server, lap, laps=5, most=MIB):
    """What leaks grows with every lap of the same work; what caches and the allocator keep comes and goes. So it is the
    slope through the laps that counts, as the median over all pairs of them (Theil and Sen)."""
    lap()
    sizes = [server.rss()]
    for _ in range(laps):
        lap()
        sizes.append(server.rss())
    slopes = sorted((sizes[j] - sizes[i]) / (j - i) for i in range(laps + 1) for j in range(i + 1, laps + 1))
    slope = slopes[len(slopes) // 2]
    print(f"    MiB after each lap: {' '.join(f'{s / MIB:.2f}' for s in sizes)}; {slope / MIB:+.2f} a lap")
    assert slope < most, f"memory grows by {slope / MIB:.2f} MiB with every lap"


def error_of(answer):
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]


@fault
def slow_heads_and_bodies():
    with serving("--limits-header-ms", "500", "--limits-body-ms", "500", "--limits-idle-ms", "1500",
                 "--limits-body-rate", "1000000") as server:
        s = server.connect()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for byte in b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 40:
                s.sendall(bytes([byte]))
                time.sleep(0.05)
        answer = read_all(s)
        expect(408, status_of(answer), "a head a byte at a time")
        assert error_of(answer)["code"], answer
        s = server.connect()
        s.sendall(post("/v1/chat/completions", b"x" * 100)[:-60])
        expect(408, status_of(read_all(s)), "a body that stops")
        s = server.connect()  # says nothing at all
        assert status_of(read_all(s)) in (0, 408)
        many = [server.connect() for _ in range(200)]
        for s in many:
            s.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        server.alive()
        for s in many:
            expect(408, status_of(read_all(s)), "one of 200 heads that stop")


@fault
def huge_heads():
    with serving() as server:
        head = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        expect(431, status_of(raw(server, head + b"X: " + b"a" * 20000 + b"\r\n\r\n")), "a field of 20 kB")
        expect(431, status_of(raw(server, head + b"X: " + b"a" * 5_000_000 + b"\r\n\r\n")), "a field of 5 MB")
        expect(431, status_of(raw(server, head + b"X: y\r\n" * 150 + b"\r\n")), "150 fields")
        expect(414, status_of(raw(server, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")), "a path of 9 kB")
        expect((414, 431), status_of(raw(server, b"GET /" + b"a" * 100_000)), "a path without an end")


@fault
def huge_bodies():
    with serving("--limits-body-bytes", str(MIB)) as server:
        server.chat(max_tokens=1)  # the model is there now
        before = server.rss()
        path = "/v1/chat/completions"
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()
        expect(413, status_of(raw(server, head + b"Content-Length: 99999999999\r\n\r\n")), "a length of 100 GB")
        expect(413, status_of(raw(server, post(path, b"x" * 3 * MIB))), "3 MiB")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        expect(413, status_of(raw(server, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 64)), "chunks without an end")
        expect((400, 413), status_of(raw(server, head + b"Content-Length: 99999999999999999999999\r\n\r\n")), "a length beyond 64 bits")
        expect(400, status_of(raw(server, head + b"Content-Length: -5\r\n\r\n")), "a negative length")
        answer = raw(server, head + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
        expect(413, status_of(answer), "a body too large that waits for leave")
        s = server.connect()
        body = json.dumps({"model": "fast", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}).encode()
        s.sendall(post(path, body, "Expect: 100-continue", "Connection: close")[:-len(body)])
        assert s.recv(4096).startswith(b"HTTP/1.1 100 "), "leave to send"
        s.sendall(body)
        expect(200, status_of(read_all(s)), "a body after leave")
        assert server.rss() - before < 48 * MIB, f"{(server.rss() - before) / MIB:.1f} MiB more"


@fault
def words_that_smuggle():
    with serving() as server:
        body = json.dumps({"model": "fast", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}).encode()
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        line = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        old = line.replace(b"HTTP/1.1", b"HTTP/1.0")
        cases = {
            "chunked HTTP/1.0": old + b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
            "two Hosts": line + b"Host: other\r\nContent-Length: 2\r\n\r\n{}",
            "no Host": line.replace(b"Host: 127.0.0.1\r\n", b"") + b"Content-Length: 2\r\n\r\n{}",
            "chunked with a length": line + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + chunked,
            "two lengths": line + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            "chunked twice": line + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
            "a folded field": line + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
            "a space before the colon": line + b"X : a\r\nContent-Length: 2\r\n\r\n{}",
            "a chunk of no number": line + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            "a zero byte in a field": line + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
            "no request": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            "nonsense": b"nonsense\r\n\r\n",
            "HTTP/2's beginning": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "HTTP/3.7": b"GET /livez HTTP/3.7\r\nHost: 127.0.0.1\r\n\r\n",
            "a path that is none": b"GET nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            "a path with half an escape": b"GET /%4 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        }
        for name, data in cases.items():
            expect((400, 505), status_of(raw(server, data)), name)
        expect(501, status_of(raw(server, line + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked)), "another coding")
        expect(403, server.request("GET", "/v1/models", headers={"host": "evil.example"})[0], "a Host of another site")
        expect(403, server.request("GET", "/v1/models", headers={"origin": "http://evil.example"})[0], "another site's page")
        form = {"content-type": "text/plain", "origin": "http://evil.example"}  # what a page may send without asking
        expect(403, server.request("POST", "/v1/chat/completions", body, form)[0], "another site's form")
        expect(415, server.request("POST", "/v1/chat/completions", body, {"content-encoding": "gzip"})[0], "a compressed body")
        both = raw(server, b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert both.count(b"HTTP/1.1 200") == 1 and both.count(b"HTTP/1.1 404") == 1, both


@fault
def ten_thousand_connections():
    with serving() as server:
        half = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le"
        whole = post("/v1/chat/completions", b'{"model": "fast", "mess')

        def batch(size):
            sockets = [server.connect() for _ in range(size)]
            for i, s in enumerate(sockets):
                if i % 4 == 1:
                    s.sendall(half)
                elif i % 4 == 2:
                    s.sendall(whole[:-4])
                elif i % 4 == 3:
                    s.sendall(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                reset(s) if i % 2 else s.close()

        for _ in range(5):
            batch(400)
        server.alive()
        until("the connections are gone", lambda: server.descriptors() < 60)
        descriptors = server.descriptors()

        def lap():
            for _ in range(4):
                batch(400)
            server.alive()
            until("the connections are gone", lambda: server.descriptors() <= descriptors + 8)

        flat(server, lap)
        many = []  # of one address at once
        for _ in range(600):
            many.append(server.connect())
        many[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        expect((429, 0), status_of(read_all(many[-1])), "the 600th connection of an address at once")
        for s in many:
            s.close()
        until("the connections are gone", lambda: server.descriptors() <= descriptors + 8)


@fault
def resets_in_mid_stream():
    with serving() as server:
        server.chat(max_tokens=4)

        def round_of(n):
            streams = [server.stream()[0] for _ in range(n)]
            for i, s in enumerate(streams):
                reset(s) if i % 2 else s.close()
            server.idle()

        round_of(12)
        pages = server.pages()
        flat(server, lambda: [round_of(12), round_of(12)])
        assert server.pages() == pages, f"{server.pages() - pages} pages leaked"
        # Those that have not got their first token yet: they wait, or their prompt is being read.
        for _ in range(4):
            sockets = []
            for i in range(16):
                s = server.connect()
                content = f"{i} " + "word " * 1500
                s.sendall(post("/v1/chat/completions", json.dumps({"model": "fast", "stream": i % 2 == 0, "messages": [
                    {"role": "user", "content": content}], "max_tokens": 500, "ignore_eos": True}).encode()))
                sockets.append(s)
            until("they are there", lambda: server.metric("kedge_requests_in_flight") > 0)
            for s in sockets:
                reset(s)
            server.idle()
        assert server.pages() == pages, f"{server.pages() - pages} pages leaked"


@fault
def readers_that_stop():
    with serving("--limits-stall-ms", "500", "--limits-unsent-bytes", "65536") as server:
        server.chat(max_tokens=2)
        pages = server.pages()
        # The system's buffers take some megabytes first: choices with all their alternatives fill them soon.
        stalled = server.stream(receive=4096, logprobs=True, top_logprobs=20, n=8)[0]
        server.alive()
        expect(200, server.chat(max_tokens=2)[0], "a request beside a stalled stream")
        server.idle()
        gone = [e for e in server.entries("request") if e["path"] == "/v1/chat/completions" and e.get("gone")]
        assert len(gone) == 1, server.entries("request")
        assert server.pages() == pages, f"{server.pages() - pages} pages leaked"
        stalled.close()


@fault
def malformed_json():
    # Some bodies lose their max_tokens: what is written then, at random, would decide how much memory is in use.
    with serving("--requests-max-tokens", "8") as server:
        request = {"model": "fast", "messages": [{"role": "user", "content": "h\u00e9 \"x\""}], "max_tokens": 1,
                   "temperature": 0.5, "stop": ["a", "b"], "logprobs": True, "top_logprobs": 2, "stream": False,
                   "kedge": {"strict": False}}
        body = json.dumps(request, ensure_ascii=False).encode()
        bodies = [body[:i] for i in range(len(body))]
        for i in range(len(body)):
            bodies += [body[:i] + bytes([c]) + body[i + 1:] for c in b'\0"}\xff']
            bodies.append(body[:i] + body[i + 1:])
        bodies += [b"[" * 100_000, b'{"a":' * 50_000, b"1e999999", b'{"messages": 1e400}', b'"\\ud800"', b"null", b"[]"]
        bodies.append(json.dumps({**request, "messages": [{"role": "user", "content": "\ud800"}]}).encode())
        bodies.append(body.replace(b'"max_tokens": 1', b'"max_tokens": 1, "max_tokens": 2'))
        import http.client
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        counts = {}

        def asked(mutated):
            for _ in range(2):  # the server closes a connection after so many requests
                try:
                    connection.request("POST", "/v1/chat/completions", mutated, {"content-type": "application/json"})
                    response = connection.getresponse()
                    return response.status, response.read()
                except (http.client.RemoteDisconnected, ConnectionError, http.client.CannotSendRequest):
                    connection.close()
            raise AssertionError(f"no answer to {mutated[:300]!r}")

        def lap():
            counts.clear()
            for mutated in bodies:
                status, answer = asked(mutated)
                expect((200, 400, 404), status, f"body {mutated[:300]!r}")
                counts[status] = counts.get(status, 0) + 1
                if status != 200:
                    assert json.loads(answer)["error"]["message"], answer

        flat(server, lap)
        connection.close()
        for i in range(0, len(body), 7):  # and bodies that end before their length, or go on after it
            s = server.connect()
            s.sendall(post("/v1/chat/completions", body)[:-(len(body) - i)])
            s.close()
        expect(400, status_of(raw(server, post("/v1/chat/completions", b"{}") + b"garbage\r\n\r\n")), "the empty object")
        print(f"    {len(bodies)} bodies: {counts}")


@fault
def requests_that_share_nothing():
    with serving("--engine-memory-bytes", str(48 * MIB)) as server:
        import itertools
        numbers = itertools.count()

        def lap():  # more scopes of caches than are kept
            for i in itertools.islice(numbers, 400):
                expect(200, server.chat(f"hi {i}", max_tokens=1, cache_salt=f"salt {i}")[0], "one of many")

        flat(server, lap, most=MIB // 8)


@fault
def sigterm_in_mid_stream():
    server = Server(KEDGE)
    s, read = server.stream(max_tokens=600)
    kept = server.connect()
    kept.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    expect(200, status_of(kept.recv(4096)), "before the end")
    server.process.send_signal(signal.SIGTERM)
    server.logged("draining")
    with contextlib.suppress(ConnectionError):  # a connection that was open may still ask, and hears that it is over
        kept.sendall(post("/v1/chat/completions", b'{"model": "fast", "messages": [{"role": "user", "content": "hi"}]}'))
        expect((503, 0), status_of(read_all(kept)), "a request after SIGTERM")
    read += read_all(s)
    assert read.rstrip().endswith(b"0") and b"data: [DONE]" in read, read[-300:]
    assert b'"finish_reason":"length"' in read, read[-800:]
    server.stop()
    again = Server(KEDGE, ["--drain-grace-ms", "100"])
    s, read = again.stream()
    again.process.send_signal(signal.SIGTERM)
    read += read_all(s)
    assert b'"code":"draining"' in read, read[-300:]
    again.stop()


@fault
def sigkill_in_mid_stream():
    server = Server(KEDGE)
    expect(200, server.request("PUT", "/v1/kedge/conversations/c1", {"title": "kept", "updated": 1})[0], "a conversation")
    auto = {"model": "auto", "messages": [{"role": "user", "content": "Which product is Birkenchester famous for?"}]}
    status, _, answer = server.request("POST", "/v1/chat/completions", auto)
    expect(200, status, "an answer")
    record = json.loads(answer)["kedge"]["record"]["id"]
    s, _ = server.stream()
    busy = server.connect()
    busy.sendall(post("/v1/chat/completions", json.dumps(auto).encode()))
    server.kill()
    assert b"[DONE]" not in read_all(s)
    again = Server(KEDGE, folder=server.folder)
    expect(200, again.request("GET", "/v1/kedge/conversations/c1")[0], "the conversation after a kill")
    expect(200, again.request("GET", f"/v1/kedge/records/{record}")[0], "the record after a kill")
    status, _, verified = again.request("POST", "/v1/kedge/records/verify", {})
    assert status == 200 and json.loads(verified)["problems"] == [], verified
    expect(200, again.request("POST", "/v1/chat/completions", auto)[0], "an answer after a kill")
    leftover = [name for _, _, names in os.walk(f"{server.folder}/state") for name in names if name != "c1.json"]
    assert not [name for name in leftover if "tmp" in name or name.startswith(".")], leftover
    again.stop()


@fault
def a_model_file_that_shrinks():
    folder = tempfile.mkdtemp(prefix="kedge-model-")
    try:
        model = f"{folder}/shrinking.gguf"
        shutil.copyfile(f"{MODELS}/scout-q8_0.gguf", model)
        with serving("-m", model) as server:
            chat = {"model": "fast", "messages": [{"role": "user", "content": "Tell me about a town."}], "max_tokens": 20,
                    "ignore_eos": True}
            expect(200, server.request("POST", "/v1/chat/completions", chat)[0], "while the file is whole")
            s, read = server.stream(max_tokens=1000)
            os.truncate(model, os.path.getsize(model) // 2)
            while b"data: [DONE]" not in read:
                piece = s.recv(65536)
                assert piece, read[-300:]
                read += piece
            assert b'"error"' not in read, read[-1000:]
            status, _, answer = server.request("POST", "/v1/chat/completions", chat)
            expect((200, 500, 503), status, "with half a file")
            os.truncate(model, 4096)
            status, _, answer = server.request("POST", "/v1/chat/completions", {**chat, "messages": [
                {"role": "user", "content": "Other words, which nothing remembers: " + "new " * 100}]})
            expect((200, 500, 503), status, "with a page of it")
            if status != 200:
                assert json.loads(answer)["error"]["message"], answer
            server.alive()
    finally:
        shutil.rmtree(folder)


def fills_the_disk(server, size):
    """Conversations until there is no room, and what is there afterwards."""
    stored = 0
    big = {"title": "big", "updated": 1, "text": "x" * size}
    for i in range(200):
        status, _, answer = server.request("PUT", f"/v1/kedge/conversations/c{i}", big)
        if status != 200:
            break
        stored += 1
    expect(507, status, f"a conversation when {stored} filled the disk")
    assert json.loads(answer)["error"]["code"], answer
    listed = json.loads(server.request("GET", "/v1/kedge/conversations")[2])["conversations"]
    assert len(listed) == stored, f"{len(listed)} of {stored}: the one that failed is not there in part"
    files = [name for _, _, names in os.walk(f"{server.folder}/state") for name in names]
    assert len(files) == stored, files
    return stored


@fault
def a_full_disk():
    if os.geteuid() != 0:
        print("    not root: no file system of its own to fill; a limit on file sizes stands for it")
        return
    folder = tempfile.mkdtemp(prefix="kedge-full-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", folder], check=True)
    try:
        with serving(folder=folder) as server:
            auto = {"model": "auto", "messages": [{"role": "user", "content": "Which product is Birkenchester famous for?"}]}
            expect(200, server.request("POST", "/v1/chat/completions", auto)[0], "an answer while there is room")
            stored = fills_the_disk(server, 500_000)
            with contextlib.suppress(OSError), open(f"{folder}/fill", "wb") as f:
                f.write(b"x" * 8 * MIB)
            expect(200, server.chat(max_tokens=4)[0], "a chat with a full disk")
            statuses = [server.request("POST", "/v1/chat/completions", auto)[0] for _ in range(30)]
            # An answer without its record would be no answer: it is 507 from the first that cannot be kept.
            assert all(status in (200, 507) for status in statuses), statuses
            os.remove(f"{folder}/fill")
            for i in range(stored):
                expect(200, server.request("DELETE", f"/v1/kedge/conversations/c{i}")[0], "a conversation deleted")
            expect(200, server.request("PUT", "/v1/kedge/conversations/again", {"title": "t", "updated": 1})[0], "room again")
            expect(200, server.request("POST", "/v1/chat/completions", auto)[0], "an answer when there is room again")
            status, _, verified = server.request("POST", "/v1/kedge/records/verify", {})
            assert status == 200 and json.loads(verified)["problems"] == [], verified
    finally:
        subprocess.run(["umount", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@fault
def files_over_a_limit():
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    with serving(preexec=limit) as server:
        big = {"title": "big", "updated": 1, "text": "x" * 500_000}
        expect(507, server.request("PUT", "/v1/kedge/conversations/big", big)[0], "a file over the limit")
        expect(404, server.request("GET", "/v1/kedge/conversations/big")[0], "the file that failed")
        small = {**big, "text": "x"}
        expect(200, server.request("PUT", "/v1/kedge/conversations/small", small)[0], "a small file")


def main():
    wanted = sys.argv[2:]
    passed = failed = 0
    for f in faults:
        if wanted and f.__name__ not in wanted:
            continue
        start = time.monotonic()
        try:
            f()
            passed += 1
            print(f"ok     {f.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED {f.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
