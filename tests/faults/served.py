"""A `kedge serve` under test, and raw connections to it. Python's standard library only."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

PATIENCE = 120  # seconds: of waits that should never be needed


def until(what, condition, patience=PATIENCE):
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.02)


class Server:
    """Started on a port that was free; `flags` are kedge serve's. Its folder outlives a kill, so that another can go on."""

    def __init__(self, kedge, flags=(), folder=None, preexec=None):
        self.folder = folder or tempfile.mkdtemp(prefix="kedge-faults-")
        self.log, self.lock = [], threading.Lock()
        env = {k: v for k, v in os.environ.items() if not k.startswith("KEDGE_")}
        command = [kedge, "serve", "--port", "0", "--state", f"{self.folder}/state", "--audit",
                   f"{self.folder}/audit.db", *flags]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env,
                                        preexec_fn=preexec)
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.port = self.logged("listening")["port"]
        self.logged("ready")

    def _read(self):
        for line in self.process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"text": line.decode(errors="replace").rstrip()}
            with self.lock:
                self.log.append(entry)

    def entries(self, event):
        with self.lock:
            return [e for e in self.log if e.get("event") == event]

    def logged(self, event):
        def found():
            entries = self.entries(event)
            assert entries or self.process.poll() is None, f"kedge serve ended with {self.process.poll()}: {self.log}"
            return entries

        return until(f"the log has '{event}'", found)[0]

    def stop(self, expect=0, keep=False):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.reader.join()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        assert code == expect, f"kedge serve ended with {code}: {self.log[-20:]}"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()

    # --- What it says of itself ---------------------------------------------------------------------------------------
    def alive(self):
        assert self.process.poll() is None, f"kedge serve ended with {self.process.poll()}: {self.log[-20:]}"
        status, _, _ = self.request("GET", "/livez")
        assert status == 200, status

    def metric(self, name, **labels):
        status, _, body = self.request("GET", "/metrics")
        assert status == 200, body
        wanted = [f'{k}="{v}"' for k, v in labels.items()]
        values = [float(line.split()[-1]) for line in body.decode().splitlines()
                  if line.split("{")[0].split(" ")[0] == name and all(w in line for w in wanted)]
        return sum(values)

    def idle(self):
        until("no request runs", lambda: self.metric("kedge_requests_in_flight") == 0)

    def pages(self):
        """KV pages in use when nothing runs. The latest sequences that ended are kept to be looked at (/v1/kedge/arena):
        short ones take their place first."""
        self.idle()
        for _ in range(12):
            status, _, answer = self.chat("hi", max_tokens=1, temperature=0)
            assert status == 200, answer
        return self.metric("kedge_kv_pages", state="in_use")

    def rss(self):
        """Resident bytes without those of mapped files."""
        with open(f"/proc/{self.pid}/status") as f:
            return 1024 * sum(int(line.split()[1]) for line in f if line.startswith("RssAnon"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    # --- Requests -----------------------------------------------------------------------------------------------------
    def request(self, method, path, body=None, headers=None, timeout=PATIENCE):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, {"content-type": "application/json", **(headers or {})})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def chat(self, content="What is 17 + 25?", **more):
        body = {"model": "fast", "messages": [{"role": "user", "content": content}], **more}
        return self.request("POST", "/v1/chat/completions", body)

    def connect(self, receive=None):
        s = socket.socket()
        if receive:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        s.settimeout(PATIENCE)
        s.connect(("127.0.0.1", self.port))
        return s

    def stream(self, receive=None, **more):
        """The socket of a stream whose first text has come, and what was read of it."""
        body = {"model": "fast", "messages": [{"role": "user", "content": "Tell me about a town."}], "stream": True,
                "max_tokens": 4000, "ignore_eos": True, **more}
        s = self.connect(receive)
        s.sendall(post("/v1/chat/completions", json.dumps(body).encode()))
        read = b""
        while b'"content":"' not in read.replace(b'"content":""', b""):
            piece = s.recv(4096)
            assert piece, read
            read += piece
        return s, read


def post(path, body, *fields):
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *fields,
            f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def reset(s):
    """Closes with a RST instead of a FIN."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def read_all(s):
    """Until the other side closes."""
    read = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := s.recv(65536):
            read += piece
    return read


def status_of(answer):
    """The status code of a raw answer; 0: there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0
