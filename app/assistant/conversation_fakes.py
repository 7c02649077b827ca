"""A language model that says what it is told to, for tests of the conversation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace

from scenescope.models.language import (
    Done,
    Failed,
    ModelState,
    Reach,
    Request,
    Role,
    StreamEvent,
    TextDelta,
)

__all__ = ["ScriptedModel", "says"]

Script = Callable[[Request], Iterator[StreamEvent]]


def says(*parts: StreamEvent | str | Exception) -> Script:
    """Yields these events, texts as more of the answer; raises what is an exception; a text alone is then done."""

    def script(request: Request) -> Iterator[StreamEvent]:
        for part in parts:
            if isinstance(part, Exception):
                raise part
            yield TextDelta(part) if isinstance(part, str) else part
        if parts and isinstance(parts[-1], str):
            yield Done()

    return script


class ScriptedModel:
    """Answers each request by the next script, and the last one again and again.

    Args:
        scripts: what it does.
        roles: what it can.
        reach: where it claims to be.
        host: the name of the computer that it runs on.

    Attributes:
        requests: what it was asked.
        looks: whether it is given pictures.
        gate: a script waits for it with :meth:`stall`; closed until it is set or the request is cancelled.
        stalled: set once a script waits.
        closed: it was closed.
    """

    label = "Scripted"

    def __init__(
        self,
        *scripts: Script,
        roles: Sequence[Role] = tuple(Role),
        reach: Reach = Reach.THIS_COMPUTER,
        host: str = "",
    ) -> None:
        self.requests: list[Request] = []
        self.roles = frozenset(roles)
        self.reach = reach
        self.state = ModelState()
        self.looks = True
        self.endpoint = SimpleNamespace(base_url=f"http://{host}/v1") if host else None
        self.gate = threading.Event()
        self.stalled = threading.Event()
        self.closed = False
        self._scripts = list(scripts)
        self._cancelled = False

    def stall(self, before: str = "") -> Script:
        """Says ``before``, then waits until :attr:`gate` is set or it is cancelled."""

        def script(request: Request) -> Iterator[StreamEvent]:
            if before:
                yield TextDelta(before)
            self.stalled.set()
            self.gate.wait(10)
            self.gate.clear()
            yield Failed("Stopped.", cancelled=True) if self._cancelled else Done()

        return script

    def then(self, *scripts: Script) -> ScriptedModel:
        """Add scripts."""
        self._scripts += scripts
        return self

    def respond(self, request: Request) -> Iterator[StreamEvent]:
        """Follow the next script."""
        self._cancelled = False
        self.requests.append(request)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        return script(request)

    def cancel(self) -> None:
        """End what waits."""
        self._cancelled = True
        self.gate.set()

    def close(self) -> None:
        """Be closed."""
        self.cancel()
        self.closed = True
