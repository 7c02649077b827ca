"""Talking to a :class:`LocalModel` about a scene in which nothing was seen. For tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from scenescope.models.language import Picture, Request, Role, StreamEvent, TextDelta
from scenescope.models.language.local import LocalModel

__all__ = ["PICTURE", "WAIT_S", "ask", "text_of", "wait_until"]

PICTURE = Picture(b"jpeg", 41, 1.5, (64, 48))
"""What a process is asked about that does not look."""
WAIT_S = 20.0


class NothingSeen:
    """A scene that says nothing."""

    def to_json(self, max_bytes: int = 2048) -> str:
        """An empty object."""
        return "{}"


def ask(model: LocalModel, role: Role = Role.DESCRIBE, **more: Any) -> list[StreamEvent]:
    """All that a model says; ``more`` is of the :class:`Request`, with :data:`PICTURE` unless it says otherwise."""
    return list(model.respond(Request(role, NothingSeen(), **{"pictures": (PICTURE,), **more})))


def text_of(events: list[StreamEvent]) -> str:
    """The words of what was said."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for what happens in another thread or process; AssertionError when it takes too long."""
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)
