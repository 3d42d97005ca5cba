#!/usr/bin/env python3
"""chat.py MODEL QUESTION: one question through the model's own chat template, streamed. MODEL is a file or a name."""
import sys

import kedge


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: chat.py MODEL QUESTION")
    model = kedge.Model(sys.argv[1])
    with kedge.Session(model, n_ctx=512) as session:
        turn = session.chat([{"role": "user", "content": sys.argv[2]}], max_tokens=32, temperature=0)
        for event in turn:
            print(event.get("content", ""), end="", flush=True)
        print(f"\n({turn.reply().result.finish_reason})")


try:
    main()
except kedge.KedgeError as error:
    sys.exit(f"chat.py: {type(error).__name__}: {error}")
