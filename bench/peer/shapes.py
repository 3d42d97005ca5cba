#!/usr/bin/env python3
"""Makes the model files that Kedge's figures are measured with: true shapes, random weights, the same bytes every time.

  bench/peer/shapes.py FOLDER [--kedge build/release/kedge] [--only SUBSTRING]

5.3 GB in all. A file that is there already is left as it is.
"""
import argparse
import os

from compare import ROOT
from programs import need_program, run

FILES = [("qwen3-0.6b", "Q4_K_M"), ("qwen3-0.6b", "Q8_0"), ("qwen3-0.6b", "Q4_0"), ("qwen3-0.6b", "F16"),
         ("qwen3-30b-a3b-slice", "Q4_K_M")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--kedge", default=os.path.join(ROOT, "build", "release", "kedge"))
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="files whose names have it")
    args = parser.parse_args()
    need_program(args.kedge)
    os.makedirs(args.folder, exist_ok=True)
    for shape, kind in FILES:
        path = os.path.join(args.folder, "%s-%s.gguf" % (shape, kind))
        if args.only not in os.path.basename(path):
            continue
        if os.path.exists(path):
            print("%s: is there" % path)
            continue
        # Under another name until it is whole.
        run([args.kedge, "generate-model", "--shape", shape, "--type", kind, "-o", path + ".part"])
        os.replace(path + ".part", path)
        print("%s: %d bytes" % (path, os.path.getsize(path)))


if __name__ == "__main__":
    main()
