"""MessageBook: the messages of a conversation, numbered, bounded, told to whoever listens."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace

from scenescope.models.language import Message

__all__ = ["MAX_MESSAGES", "NOT_WHOLE", "UNCHECKED", "MessageBook"]

MAX_MESSAGES = 500
MOST_WITH_PICTURES = 40

UNCHECKED = "Not checked yet"
NOT_WHOLE = "What was said so far is not whole."

Listener = Callable[[Message], None]


class MessageBook:
    """All methods may be called from any thread; listeners hear messages in the order of their numbers.

    Args:
        session_id: of the event log's session that goes on; evidence of the source that is open is given it, so that
            it leads there later too.
    """

    def __init__(self, session_id: Callable[[], int | None] = lambda: None) -> None:
        self._session_id = session_id
        # Held while listeners are told.
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._messages: dict[int, Message] = {}
        self._listeners: tuple[Listener, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said so far, oldest first; of a long conversation the latest."""
        with self._lock:
            return tuple(self._messages.values())

    def post(self, message: Message) -> Message:
        """Number a message, keep it and tell it."""
        with self._lock:
            numbered = self._of_session(replace(message, message_id=next(self._numbers)))
            self._messages[numbered.message_id] = numbered
            while len(self._messages) > MAX_MESSAGES:
                del self._messages[next(iter(self._messages))]
            if numbered.pictures:
                self._drop_pictures()
            self._tell(numbered)
            return numbered

    def put(self, message: Message) -> None:
        """Replace the message with this number, unless it was cleared meanwhile."""
        with self._lock:
            before = self._messages.get(message.message_id)
            if before is not None:
                if message.evidence != before.evidence:
                    message = self._of_session(message)
                self._messages[message.message_id] = message
                if message.pictures:
                    self._drop_pictures()
                self._tell(message)

    def change(self, message_id: int, change: Callable[[Message], Message]) -> None:
        """Replace a message by what ``change`` makes of it, unless it was cleared meanwhile."""
        with self._lock:
            if (message := self._messages.get(message_id)) is not None:
                self.put(change(message))

    def clear(self) -> tuple[Message, ...]:
        """Forget the messages and return them."""
        with self._lock:
            removed = tuple(self._messages.values())
            self._messages.clear()
            return removed

    def restore(self, messages: tuple[Message, ...]) -> None:
        """Put messages that :meth:`clear` returned back before the others."""
        with self._lock:
            kept = (*messages, *self._messages.values())[-MAX_MESSAGES:]
            self._messages = {message.message_id: message for message in kept}

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Be told every message, new or replaced. A listener must be quick; it runs on the thread that made it."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return unsubscribe

    def _of_session(self, message: Message) -> Message:
        session_id = self._session_id() if message.evidence else None
        if session_id is None:
            return message
        evidence = (replace(one, session_id=session_id) if one.session_id is None else one for one in message.evidence)
        return replace(message, evidence=tuple(evidence))

    def _drop_pictures(self) -> None:
        """Of all but the latest messages; whoever listens has heard of them."""
        seen = [message for message in self._messages.values() if message.pictures]
        for message in seen[:-MOST_WITH_PICTURES]:
            self._messages[message.message_id] = replace(message, pictures=())

    def _tell(self, message: Message) -> None:
        for listener in self._listeners:
            listener(message)
