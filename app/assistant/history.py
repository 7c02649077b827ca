"""History: keeps a conversation in the log, so that it can be searched, exported and forgotten later."""

from __future__ import annotations

from collections.abc import Callable

from scenescope.app.assistant.jobs import Jobs
from scenescope.models import SinkError
from scenescope.models.language import Message
from scenescope.pipelines.log.talk import Talk

__all__ = ["History"]


class History:
    """Listens to a conversation and keeps every whole message.

    Args:
        talk: of the log.
        source: names what is shown when a conversation begins.

    Attributes:
        enabled: whether messages are kept; may be switched at any time.
    """

    def __init__(self, talk: Talk, source: Callable[[], str] = str) -> None:
        self.enabled = True
        self._talk = talk
        self._source = source
        self._number: int | None = None
        self._jobs = Jobs("history")

    def take(self, message: Message) -> None:
        """Keep a message, soon; one that still grows is kept once it is whole."""
        if self.enabled and not message.doing:
            self._jobs.add(lambda: self._keep(message))

    def begin_anew(self) -> None:
        """What is said from now on is another conversation."""
        self._jobs.add(self._end)

    def close(self) -> None:
        """Write what waits."""
        self._jobs.wait(5.0)
        self._jobs.close()

    def _end(self) -> None:
        self._number = None

    def _keep(self, message: Message) -> None:
        try:
            if self._number is None:
                self._number = self._talk.begin(self._source())
            self._talk.keep(self._number, [message])
        except SinkError:
            # The log says by itself that it cannot be written; the conversation goes on.
            return
