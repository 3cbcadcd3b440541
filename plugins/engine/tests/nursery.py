"""Starts engines quickly: a process that has everything imported forks for each one, and says how it ended.

A line on standard input has an engine's arguments as JSON; the answers are its process id, and then its exit code.
"""

from __future__ import annotations

import json
import os
import sys


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    # What an engine imports late is imported here, so that a child has nothing left to load.
    import uvicorn.lifespan.off
    import uvicorn.loops.asyncio
    import uvicorn.protocols.http.h11_impl  # noqa: F401

    from riveredge_engine import cli

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            log = os.open(os.environ["ENGINE_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for stream in (1, 2):
                os.dup2(log, stream)
            sys.argv[1:] = json.loads(line)
            cli.main()
            os._exit(0)
        say(child)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
