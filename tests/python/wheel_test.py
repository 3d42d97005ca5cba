#!/usr/bin/env python3
"""The wheel installs and runs by itself; docs/python.md does what it says. KEDGE_LIBRARY names the library."""
import base64
import contextlib
import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = os.environ["KEDGE_LIBRARY"]
PIP = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0


class Wheel(unittest.TestCase):
    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name)

    def build(self, name: str) -> Path:
        subprocess.run([sys.executable, str(ROOT / "tools" / "python" / "build_wheel.py"), "--library", LIBRARY, "-o",
                        str(self.folder / name)], check=True, capture_output=True)
        (wheel,) = (self.folder / name).iterdir()
        return wheel

    def test_it_is_one(self) -> None:
        wheel = self.build("one")
        self.assertRegex(wheel.name, r"^kedge-\d+\.\d+\.\d+-py3-none-linux_(x86_64|aarch64)\.whl$")
        self.assertEqual(wheel.read_bytes(), self.build("two").read_bytes())
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            (record,) = [n for n in names if n.endswith(".dist-info/RECORD")]
            rows = [line.rsplit(",", 2) for line in archive.read(record).decode().splitlines()]
            self.assertEqual([name for name, _, _ in rows], names)
            for name, digest, size in rows[:-1]:
                data = archive.read(name)
                wanted = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                self.assertEqual((digest, size), (f"sha256={wanted}", str(len(data))))
            self.assertIn("kedge/py.typed", names)
            self.assertEqual(archive.read("kedge/libkedge.so"), Path(LIBRARY).read_bytes())

    def test_it_installs(self) -> None:
        wheel, site = self.build("wheel"), self.folder / "site"
        if PIP:
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target",
                            str(site), str(wheel)], check=True, capture_output=True)
        else:  # what pip does with a wheel that has no scripts
            zipfile.ZipFile(wheel).extractall(site)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KEDGE_")}
        code = ("import sys, kedge; m = kedge.Model(sys.argv[1]); print(kedge.library_path)\n"
                "print(kedge.Session(m, n_ctx=64).generate('The capital of', max_tokens=3, temperature=0).text)")
        said = subprocess.run([sys.executable, "-c", code, str(ROOT / "models" / "scout-q8_0.gguf")], check=True,
                              capture_output=True, text=True, cwd=self.folder,
                              env={**environment, "PYTHONPATH": str(site)}).stdout.splitlines()
        self.assertEqual(said, [str((site / "kedge" / "libkedge.so").resolve()), " the town of"])

    def test_the_examples(self) -> None:
        site = self.folder / "site"
        zipfile.ZipFile(self.build("wheel")).extractall(site)
        environment = {**{k: v for k, v in os.environ.items() if not k.startswith("KEDGE_")}, "PYTHONPATH": str(site)}

        def run(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run([sys.executable, str(ROOT / "docs" / "examples" / name), *arguments], capture_output=True, text=True,
                                  cwd=self.folder, env=environment)

        chat = run("chat.py", str(ROOT / "models" / "scout-q8_0.gguf"), "What is 17 + 25?")
        self.assertEqual((chat.returncode, chat.stdout), (0, "42\n(stop_token)\n"), chat.stderr)
        asked = (str(ROOT / "models" / "pool.toml"), "Which product is Birkenchester famous for?")
        ask = run("ask.py", *asked)
        self.assertIn("answered: flax", ask.stdout, ask.stderr)
        self.assertIn("flax", ask.stderr)
        late = run("ask.py", *asked, "0.0001")
        self.assertEqual((late.returncode, late.stdout), (1, ""))
        self.assertIn("Cancelled", late.stderr)

    def test_what_is_no_library(self) -> None:
        wrong = self.folder / "libkedge.so"
        wrong.write_text("no library")
        run = subprocess.run([sys.executable, str(ROOT / "tools" / "python" / "build_wheel.py"), "--library",
                              str(wrong)], capture_output=True, text=True, cwd=self.folder)
        self.assertEqual((run.returncode, "no ELF file" in run.stderr), (1, True))
        run = subprocess.run([sys.executable, "-c", "import kedge"], capture_output=True, text=True,
                             env={**os.environ, "KEDGE_LIBRARY": str(wrong),
                                  "PYTHONPATH": str(ROOT / "tools" / "python")})
        self.assertIn("libkedge, as KEDGE_LIBRARY names it, cannot be loaded", run.stderr)


class Page(unittest.TestCase):
    def test_every_snippet_runs(self) -> None:
        sys.path.insert(0, str(ROOT / "tools" / "python"))
        snippets = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text("utf-8"),
                              flags=re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(snippets), 5)
        said, names, before = io.StringIO(), {"__name__": "docs"}, os.getcwd()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(said):
            os.chdir(folder)
            try:
                for snippet in snippets:
                    exec(compile(snippet, "docs/python.md", "exec"), names)  # noqa: S102 - our own page
            finally:
                os.chdir(before)
        for wanted in (" the town of Dovumchester", "\nlength, 24 tokens", "\n42\n", "\n84 "):
            self.assertIn(wanted, said.getvalue())
        self.assertTrue(said.getvalue().endswith("True\n"))


if __name__ == "__main__":
    unittest.main()
