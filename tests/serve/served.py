"""A `kedge serve` of a test's own: on a port that was free, its log read as it comes."""
import atexit
import http.client
import json
import os
import subprocess
import time


def wait_for(what, is_so):
    for _ in range(2400):
        if is_so():
            return
        time.sleep(0.05)
    raise SystemExit(f"never: {what}")


def expect(what, is_so, more=""):
    if not is_so:
        raise SystemExit(f"not so: {what} {more}")
    print(f"ok: {what}", flush=True)


class Server:
    def __init__(self, kedge, folder, args=(), env=None):
        self.log = folder + "/serve.log"
        self.begin = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        self.process = subprocess.Popen([kedge, "serve", "--port", "0", "--threads", "1", "--log-file", self.log, *args],
                                        env={**os.environ, "XDG_STATE_HOME": folder, **(env or {})})
        atexit.register(self.process.kill)  # or whoever reads this program's output waits for it
        wait_for("the server", lambda: '"event":"ready"' in self.text() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise SystemExit(f"kedge serve ended with {self.process.returncode}")
        self.port = next(json.loads(l)["port"] for l in self.text().splitlines() if '"listening"' in l)

    def text(self):
        """What it has logged."""
        if not os.path.exists(self.log):
            return ""
        with open(self.log) as f:
            f.seek(self.begin)
            return f.read()

    def events(self, name):
        return [e for e in map(json.loads, self.text().splitlines()) if e["event"] == name]

    def send(self, method, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        text = json.dumps(body) if body is not None else None
        c.request(method, path, text, {**({"content-type": "application/json"} if text else {}), **(headers or {})})
        r = c.getresponse()
        return r.status, r.read().decode(), r

    def get(self, path, headers=None):
        return self.send("GET", path, None, headers)[:2]

    def post(self, path, body, headers=None):
        """Status and JSON."""
        status, text, _ = self.send("POST", path, body, headers)
        return status, json.loads(text)

    def metric(self, name):
        return next(float(l.split()[1]) for l in self.get("/metrics")[1].splitlines() if l.startswith(name + " "))

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait(60)
