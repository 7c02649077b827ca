"""History: keeps a conversation in the log, so that it can be searched, exported and forgotten later."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scenescope.app.assistant.jobs import Jobs
from scenescope.app.assistant.message_book import MAX_MESSAGES
from scenescope.models import SinkError
from scenescope.models.language import Message
from scenescope.pipelines.log.talk import Talk

__all__ = ["History"]


class History:
    """Listens to a conversation and keeps every whole message.

    What is said after the conversation was forgotten begins another one. A message that changes later changes where
    it is kept, or stays forgotten.

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
        self._before: int | None = None
        self._kept_in: dict[int, int] = {}
        self._jobs = Jobs("history")

    def take(self, message: Message) -> None:
        """Keep a message, soon; one that still grows is kept once it is whole."""
        if self.enabled and not message.doing:
            self._jobs.add(lambda: self._keep(message))

    def begin_anew(self) -> None:
        """What is said from now on is another conversation."""
        self._jobs.add(self._end)

    def go_on(self) -> None:
        """It is the same conversation after all, unless something was said since."""
        self._jobs.add(self._resume)

    def close(self) -> None:
        """Write what waits."""
        self._jobs.wait(5.0)
        self._jobs.close()

    def _end(self) -> None:
        if self._number is not None:
            self._number, self._before = None, self._number

    def _resume(self) -> None:
        if self._number is None:
            self._number = self._before

    def _keep(self, message: Message) -> None:
        number = self._kept_in.get(message.message_id)
        try:
            if number is not None:
                self._talk.keep(number, [message])
                return
            if self._number is None:
                self._number = self._talk.begin(self._source())
            number = self._kept_in[message.message_id] = self._number
            if len(self._kept_in) > MAX_MESSAGES:
                del self._kept_in[next(iter(self._kept_in))]
            self._talk.keep(number, [message], gone=partial(self._was_forgotten, message, number))
        except SinkError:
            # The log says by itself that it cannot be written; the conversation goes on.
            return

    def _was_forgotten(self, message: Message, number: int) -> None:
        self._jobs.add(lambda: self._keep_anew(message, number))

    def _keep_anew(self, message: Message, forgotten: int) -> None:
        self._kept_in.pop(message.message_id, None)
        if self._number == forgotten:
            self._number = None
        self._keep(message)
