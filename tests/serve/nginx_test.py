#!/usr/bin/env python3
"""Three servers behind nginx with docs/examples/serve/nginx.conf as it is but for the ports: a conversation stays where it
is, and when a server is killed under load no accepted request is lost silently: every one has a whole answer, or an error,
or a stream whose client can see that it is not whole.

    tests/serve/nginx_test.py KEDGE MODEL [NGINX]
"""
import concurrent.futures
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REQUESTS = 60
AT_ONCE = 12


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(what, is_so):
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.1)
    raise SystemExit(f"never: {what}")


def status(port, path):
    try:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        c.request("GET", path)
        return c.getresponse().status
    except OSError:
        return 0


def ask(port, conversation, tokens):
    """What became of a streamed request: 'whole', 'error STATUS' or 'cut'; never a partial answer taken for a whole one."""
    body = json.dumps({"prompt": "Once upon a time " + conversation, "max_tokens": tokens, "ignore_eos": True,
                       "stream": True, "temperature": 0})
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        c.request("POST", "/v1/completions", body,
                  {"content-type": "application/json", "x-kedge-conversation": conversation})
        r = c.getresponse()
        text = r.read().decode()
    except (OSError, http.client.HTTPException):
        return "cut"
    if r.status != 200:
        return f"error {r.status}"
    return "whole" if text.endswith("data: [DONE]\n\n") else "silent"


def conversation_port(logs, conversation):
    """The server whose log has a request of that id."""
    return [port for port, log in logs.items() if f'"id":"{conversation}"' in open(log).read()]


def main():
    kedge, model = sys.argv[1:3]
    nginx = sys.argv[3] if len(sys.argv) > 3 else "nginx"
    folder = tempfile.mkdtemp(prefix="kedge-nginx-")
    ports = free_ports(4)
    front, backs = ports[0], ports[1:]
    servers, logs = {}, {}
    failures = []

    def start(port):
        logs[port] = f"{folder}/{port}.log"
        servers[port] = subprocess.Popen(
            [kedge, "serve", "-m", model, "--port", str(port), "--threads", "1", "--no-audit", "--state",
             f"{folder}/state-{port}", "--log-file", logs[port]])
        wait_for(f"server {port} ready", lambda: status(port, "/readyz") == 200)

    for port in backs:
        start(port)
    text = open(f"{ROOT}/docs/examples/serve/nginx.conf").read()
    for example, port in zip(("8081", "8082", "8083"), backs):
        assert f"127.0.0.1:{example}" in text
        text = text.replace(f"127.0.0.1:{example}", f"127.0.0.1:{port}")
    text = re.sub(r"listen 8080;", f"listen 127.0.0.1:{front};", text)
    conf = f"{folder}/nginx.conf"
    with open(conf, "w") as f:
        f.write(f"daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n" +
                text.replace("http {", "http {\n  access_log off;\n  client_body_temp_path " + f"{folder}/body;\n"
                             f"  proxy_temp_path {folder}/proxy;\n  fastcgi_temp_path {folder}/f;\n"
                             f"  uwsgi_temp_path {folder}/u;\n  scgi_temp_path {folder}/s;"))
    proxy = subprocess.Popen([nginx, "-c", conf, "-p", folder, "-e", f"{folder}/error.log"])
    try:
        wait_for("nginx", lambda: status(front, "/livez") == 200)

        # A conversation stays where it is.
        homes = {}
        for i in range(12):
            seen = set()
            for turn in range(3):
                c = http.client.HTTPConnection("127.0.0.1", front, timeout=60)
                name = f"stay-{i}-{turn}"
                c.request("GET", "/v1/models", headers={"x-kedge-conversation": f"c{i}", "x-request-id": name})
                assert c.getresponse().status == 200
                wait_for("its line in a log", lambda: conversation_port(logs, name))
                seen.update(conversation_port(logs, name))
            homes[i] = seen
        if any(len(s) != 1 for s in homes.values()):
            failures.append(f"a conversation moved: {homes}")
        if len(set().union(*homes.values())) < 2:
            failures.append(f"all conversations went to one server: {homes}")

        # One is killed under load.
        victim = next(iter(homes[0]))
        outcomes = []
        lock = threading.Lock()
        killed = threading.Event()

        def one(i):
            outcome = ask(front, f"c{i % 12}", 24)
            with lock:
                outcomes.append(outcome)
                if len(outcomes) == REQUESTS // 4 and not killed.is_set():
                    killed.set()
                    servers[victim].send_signal(signal.SIGKILL)
            return outcome

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, range(REQUESTS)))
        counts = {o: outcomes.count(o) for o in sorted(set(outcomes))}
        print(f"killed one of three under load: {counts}")
        if "silent" in counts:
            failures.append("an answer that was not whole looked whole")
        if counts.get("whole", 0) < REQUESTS - AT_ONCE - 2:
            failures.append(f"more than what the dead server was at was lost: {counts}")
        after = [ask(front, f"c{i}", 4) for i in range(12)]
        if after != ["whole"] * 12:
            failures.append(f"afterwards: {after}")

        # One that drains finishes what it has; nothing is lost at all.
        rest = [p for p in backs if p != victim]
        drained = []

        def two(i):
            outcome = ask(front, f"c{i % 12}", 24)
            with lock:
                drained.append(outcome)
                if len(drained) == 8:
                    servers[rest[0]].send_signal(signal.SIGTERM)

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(two, range(36)))
        print(f"drained one of two under load: {drained.count('whole')} of {len(drained)} whole")
        if drained != ["whole"] * len(drained):
            failures.append(f"draining lost something: {drained}")
        if servers[rest[0]].wait(60) != 0:
            failures.append("the drained server did not end well")
    finally:
        proxy.terminate()
        proxy.wait()
        for server in servers.values():
            if server.poll() is None:
                server.kill()
                server.wait()
    for failure in failures:
        print("FAILED:", failure)
    print(f"{3 - min(3, len(failures))} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
