"""How soon an answer of a server ends after Stop, and how soon the server learns of it, at every stage of a request.

Run: python benchmarks/assistant_cancel.py [--rounds 20]. The promise is 300 ms.
"""

from __future__ import annotations

import argparse
import threading
import time

from _table import show, spread

from scenescope.models.language import Failed, Request, Role
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import STALL, FaultServer, Reply, chunk, sse
from scenescope.models.language.server.probe import Capabilities

STAGES = {
    "before the headers": Reply(stall_before_headers=True),
    "in the headers": Reply(stall_in_headers=True),
    "before the first word": Reply([STALL]),
    "between two words": Reply([sse(chunk("Two "), done=False), STALL]),
}


class NoScene:
    """A scene of which nothing is known."""

    def to_json(self, max_bytes: int = 2048) -> str:
        """An empty object."""
        return "{}"


def cancelled(reply: Reply) -> tuple[float, float]:
    """Seconds from Stop until the answer has ended, and until the server has seen the connection close."""
    with FaultServer() as server:
        server.script(reply)
        model = ServerModel(Endpoint(server.url, "m"), Capabilities())
        pressed: list[float] = []

        def stop() -> None:
            server.stalled.wait()
            # What came before the stall should have been read.
            time.sleep(0.05)
            pressed.append(time.perf_counter())
            model.cancel()

        thread = threading.Thread(target=stop)
        thread.start()
        events = model.respond(Request(Role.DESCRIBE, NoScene()))
        last, ended = None, 0.0
        for event in events:
            last, ended = event, time.perf_counter()
        thread.join()
        assert last == Failed("Stopped.", cancelled=True)
        server.left.wait()
        return ended - pressed[0], time.perf_counter() - pressed[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    cancelled(STAGES["before the headers"])
    rows = []
    for name, reply in STAGES.items():
        measured = [cancelled(reply) for _ in range(rounds)]
        rows.append((name, *(spread([pair[at] for pair in measured], 1e-3) for at in (0, 1))))
    show(
        f"Stop at every stage, {rounds} rounds: ms, median (least to most)",
        ("stage", "answer ended", "server free"),
        rows,
        "The promise is 300 ms.",
    )


if __name__ == "__main__":
    main()
