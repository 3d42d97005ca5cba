#!/usr/bin/env python3
"""ask.py POOL.toml QUESTION [SECONDS]: a question through the router; its text as it is written, ended by another thread
when it takes too long."""
import sys
import threading

import kedge


def show(event):
    if event["state"] == "text":
        sys.stderr.write(event["text"])


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: ask.py POOL.toml QUESTION [SECONDS]")
    pool, question = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) == 4 else 60.0
    with kedge.Router(pool) as router:
        cancel = kedge.Cancel()
        watchdog = threading.Timer(seconds, cancel.set)
        watchdog.start()
        try:
            answer = router.ask(question, stream=True, on_event=show, cancel=cancel)
        finally:
            watchdog.cancel()
    # What was streamed was not checked yet: what the answer is, and whether there is one, is said here.
    print(f"\n{answer['outcome']}: {answer['answer']} ({answer['reason']})")


try:
    main()
except kedge.KedgeError as error:
    sys.exit(f"ask.py: {type(error).__name__}: {error}")
