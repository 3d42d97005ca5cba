#!/usr/bin/env python3
"""Records in a real PostgreSQL, a cluster of this test's own: each one is there once and as the log has it, while the
database is restarted, killed and away under load, and when the server is killed before it could deliver. Requests never
notice.

    tests/serve/postgres_test.py KEDGE MODEL [FOLDER OF initdb AND postgres]

Skipped (exit code 77) where PostgreSQL's programs are not there, or this kedge has no libpq.
"""
import concurrent.futures
import glob
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from served import Server, expect, wait_for

SKIPPED = 77
KEDGE, MODEL = sys.argv[1:3]


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


class Database:
    """PostgreSQL on a socket in a folder. It refuses to run as root: then it is the user `postgres` of Debian's package."""

    def __init__(self, folder):
        found = sys.argv[3:] or sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not found or not os.path.exists(found[-1] + "/postgres"):
            skip("PostgreSQL is not here (apt-get install postgresql; tools/setup.sh --dev)")
        self.bin = found[-1] + "/"
        self.folder = folder
        self.as_user = []
        if os.geteuid() == 0:
            try:
                pwd.getpwnam("postgres")
            except KeyError:
                skip("there is no user postgres to run a database as")
            self.as_user = ["runuser", "-u", "postgres", "--"]
            shutil.chown(folder, "postgres")
        self.program("initdb", "-D", folder + "/data", "-U", "kedge", "-A", "trust", "--no-sync", "-E", "UTF8")
        self.process = None
        self.url = f"host={folder} dbname=postgres user=kedge"

    def program(self, name, *args):
        done = subprocess.run([*self.as_user, self.bin + name, *args], capture_output=True, text=True, cwd=self.folder)
        if done.returncode != 0:
            raise SystemExit(f"{name}: {done.stderr}{done.stdout}")
        return done.stdout

    def start(self):
        self.process = subprocess.Popen([*self.as_user, self.bin + "postgres", "-D", self.folder + "/data", "-k", self.folder,
                                         "-c", "listen_addresses="], stderr=open(self.folder + "/log", "ab"),
                                        cwd=self.folder)
        wait_for("PostgreSQL", lambda: subprocess.run([self.bin + "pg_isready", "-q", "-h", self.folder]).returncode == 0)

    def stop(self, how="fast"):
        """fast: it says goodbye to its clients; immediate: as a crash is."""
        self.program("pg_ctl", "-D", self.folder + "/data", "-m", how, "-w", "stop")
        self.process.wait()

    def sql(self, text):
        return self.program("psql", "-h", self.folder, "-U", "kedge", "-d", "postgres", "-XAtq", "-c", text)

    def rows(self):
        text = self.sql("SELECT json_build_object('seq', seq, 'prev', prev, 'hash', hash, 'json', json) "
                        "FROM kedge_records ORDER BY log, seq")
        return [json.loads(line) for line in text.splitlines()]


class Asked(Server):
    """A server whose records go to a database; its questions need no model."""

    def __init__(self, folder, url):
        super().__init__(KEDGE, folder, ["-m", MODEL, "--audit", folder + "/audit.db", "--postgres-every-ms", "50"],
                         {"KEDGE_SERVE_POSTGRES_URL": url})

    def ask(self, n):
        status, text, _ = self.send("POST", "/v1/chat/completions", {
            "model": "auto", "messages": [{"role": "user", "content": f"What is {n} + 25?"}]})
        if status != 200 or str(n + 25) not in text:
            raise SystemExit(f"{status} {text}")

    def records(self):
        """Of the log, as it exports them."""
        lines = [json.loads(l) for l in self.get("/v1/kedge/records/export")[1].splitlines()]
        return [{k: l[k] for k in ("seq", "prev", "hash", "json")} for l in lines if l["type"] == "record"]


def all_there(database, server, count):
    wait_for("no record waits", lambda: server.metric("kedge_records_pending") == 0)
    records = server.records()
    return len(records) == count and database.rows() == records


def main():
    work = tempfile.mkdtemp(prefix="kedge-pg-")
    os.chmod(work, 0o755)
    data = os.path.join(work, "db")
    os.mkdir(data)
    without = subprocess.run([KEDGE, "serve", "--postgres-url", "dbname=x", "--print-config"], capture_output=True, text=True)
    if "without libpq" in without.stderr:
        skip(without.stderr.strip())
    database = Database(data)
    server = None
    try:
        # The database is not there yet: the server is, and answers.
        server = Asked(work, database.url)
        for n in range(3):
            server.ask(n)
        wait_for("the records wait", lambda: server.metric("kedge_records_pending") == 3)
        wait_for("a failure", lambda: server.metric("kedge_records_delivery_failures_total") >= 2)
        expect("without a database requests are answered, records wait, the log says so once",
               server.metric("kedge_records_postgres_up") == 0 and server.text().count("records_not_delivered") == 1 and
               "PostgreSQL: connecting" in server.text())
        database.start()
        expect("they are delivered when it comes", all_there(database, server, 3))
        wait_for("the metric", lambda: server.metric("kedge_records_postgres_up") == 1)
        heads = int(database.sql("SELECT count(*) FROM kedge_heads JOIN kedge_records USING (log, seq, hash)"))
        expect("so are the signed heads, and who the log is", heads >= 1 and heads == int(
            database.sql("SELECT count(*) FROM kedge_heads")) and "public_key" in database.sql("SELECT genesis FROM kedge_logs"))

        # Restarts under load, of both kinds.
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            asked = pool.map(server.ask, range(100, 300))
            for how in ("fast", "immediate", "immediate"):
                time.sleep(0.3)
                database.stop(how)
                time.sleep(0.2)
                database.start()
            list(asked)
        expect("three restarts under load: each record once, as the log has it", all_there(database, server, 203))

        # The server is killed while it could not deliver.
        database.stop()
        for n in range(5):
            server.ask(1000 + n)
        server.end(signal.SIGKILL)
        server = Asked(work, database.url)
        wait_for("what waits after SIGKILL is known", lambda: server.metric("kedge_records_pending") == 5)
        expect("after SIGKILL what waits is known before the database is", server.metric("kedge_records_pending") == 5)
        database.start()
        expect("and delivered", all_there(database, server, 208))

        # Rows that were taken out come again with the next connection, the others are not touched.
        database.sql("DELETE FROM kedge_records WHERE seq IN (2, 100)")
        database.stop()
        database.start()
        server.ask(2000)
        wait_for("the rows", lambda: len(database.rows()) == 209)
        expect("rows that were taken out are delivered again", all_there(database, server, 209))
        expect("SIGTERM ends the server with what it has delivered", server.end(signal.SIGTERM) == 0)

        # A copy that has more, or other records than the log.
        database.sql("INSERT INTO kedge_records SELECT log, 210, 'other', created, hash, 'f00', '{}' FROM kedge_records "
                     "WHERE seq = 209")
        server = Asked(work, database.url)
        wait_for("a failure", lambda: "put back to an older state" in server.text())
        server.ask(3000)
        wait_for("a failure", lambda: "nothing is overwritten" in server.text())
        expect("a row that is not the log's is named and stays",
               database.sql("SELECT hash FROM kedge_records WHERE seq = 210").strip() == "f00")
        database.sql("DELETE FROM kedge_records WHERE seq = 210")
        expect("without it all goes on", all_there(database, server, 210))
        expect("the log says that too", "records_delivered_again" in server.text())
        expect("no question and no answer is in the log", "What is" not in server.text())
    finally:
        if server and server.process.poll() is None:
            server.end(signal.SIGKILL)
        if database.process and database.process.poll() is None:
            database.stop("immediate")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
