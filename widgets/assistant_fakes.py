"""A conversation for tests and for looking at the panel: it echoes, and does what it is told to show."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scenescope.models.language import Message, MessageKind, ModelState, ProposalState, Reach

__all__ = ["FakeConversation"]


class FakeConversation:
    """A :class:`~scenescope.models.language.Conversation` that answers at once, unless it ``holds`` answers.

    Attributes:
        done: what it was told to do, in order: ("accept", 3), ("stop",).
        holds: True to leave questions without an answer.
    """

    def __init__(self, count: int = 0, label: str = "Echo", reach: Reach = Reach.THIS_COMPUTER) -> None:
        self.label = label
        self.reach = reach
        self.state = ModelState()
        self.paused = False
        self.holds = False
        self.kept: list[Message] = []
        self.listeners: list[Callable[[Message], None]] = []
        self.done: list[tuple[Any, ...]] = []
        for n in range(count):
            self.say(f"message {n}")

    @property
    def messages(self) -> tuple[Message, ...]:
        """The latest five hundred."""
        return tuple(self.kept[-500:])

    def say(self, text: str, kind: MessageKind = MessageKind.DESCRIPTION, **fields: Any) -> Message:
        """Say something; returns the message."""
        fields = {"pts_s": 1.5, "author": self.label, "wall_s": time.time(), **fields}
        number = 1 + (self.kept[-1].message_id if self.kept else 0)
        return self._tell(Message(message_id=number, kind=kind, text=text, **fields))

    def change(self, message: Message, **fields: Any) -> Message:
        """Say a message again with other contents, in its place."""
        return self._tell(replace(message, **fields))

    def _tell(self, message: Message) -> Message:
        places = {kept.message_id: place for place, kept in enumerate(self.kept)}
        if message.message_id in places:
            self.kept[places[message.message_id]] = message
        else:
            self.kept.append(message)
        for listener in list(self.listeners):
            listener(message)
        return message

    def set_paused(self, paused: bool) -> None:
        """Remember it."""
        self.paused = paused

    def describe(self) -> None:
        """Describe the scene, in one word."""
        self.done.append(("describe",))
        self.say("described")

    def ask(self, text: str) -> None:
        """Echo."""
        self.say(text, MessageKind.QUESTION, author="You")
        if not self.holds:
            self.say(f"echo {text}", MessageKind.ANSWER)

    def stop(self) -> None:
        """Remember it."""
        self.done.append(("stop",))

    def accept(self, proposal_id: int) -> None:
        """Show it as accepted."""
        self._decide("accept", proposal_id, ProposalState.ACCEPTED)

    def dismiss(self, proposal_id: int) -> None:
        """Show it as dismissed."""
        self._decide("dismiss", proposal_id, ProposalState.DISMISSED)

    def _decide(self, word: str, proposal_id: int, state: ProposalState) -> None:
        self.done.append((word, proposal_id))
        for message in list(self.kept):
            proposals = tuple(replace(p, state=state) if p.proposal_id == proposal_id else p for p in message.proposals)
            if proposals != message.proposals:
                self.change(message, proposals=proposals)

    def undo(self, change_id: int) -> None:
        """Show it as undone."""
        self.done.append(("undo", change_id))
        for message in list(self.kept):
            changes = tuple(replace(c, undone=True) if c.change_id == change_id else c for c in message.changes)
            if changes != message.changes:
                self.change(message, changes=changes)

    def examples(self) -> tuple[str, ...]:
        """Two questions."""
        return ("What do you see?", "Tom & Jerry?")

    def clear(self) -> tuple[Message, ...]:
        """Forget all."""
        removed, self.kept = tuple(self.kept), []
        return removed

    def restore(self, messages: tuple[Message, ...]) -> None:
        """Put them back."""
        self.kept = [*messages, *self.kept]

    def subscribe(self, listener: Callable[[Message], None]) -> Callable[[], None]:
        """Tell it all from now on."""
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener) if listener in self.listeners else None
