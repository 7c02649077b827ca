"""What is shown of the assistant: messages, changes and proposals, and what a panel needs of a conversation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from scenescope.models.language.base import Evidence, ModelState, Picture, Reach

__all__ = [
    "Change",
    "Conversation",
    "DiffLine",
    "Message",
    "MessageKind",
    "Proposal",
    "ProposalState",
]


class MessageKind(StrEnum):
    """What a message is. An error is never shown as if it were said about the scene."""

    DESCRIPTION = "description"
    QUESTION = "question"
    ANSWER = "answer"
    WATCH = "watch"
    """A watch has seen what it waits for."""
    ERROR = "error"


@dataclass(frozen=True)
class DiffLine:
    """One stage of the pipeline in a before/after. ``sign``: "+" new, "-" gone, "~" changed, "=" as before."""

    sign: str
    text: str


@dataclass(frozen=True)
class Change:
    """Something that was done, and can be undone.

    Attributes:
        change_id: unique in the conversation.
        title: "Add 'Detect edges'".
        lines: the pipeline before and after; empty when it is about something else.
        undone: it was taken back.
        undoable: it still can be.
    """

    change_id: int
    title: str
    lines: tuple[DiffLine, ...] = ()
    undone: bool = False
    undoable: bool = True


class ProposalState(StrEnum):
    """What became of a proposal."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


@dataclass(frozen=True)
class Proposal:
    """Something that is done only if the user clicks on it.

    Attributes:
        proposal_id: unique in the conversation.
        title: "Stop blurring faces".
        why: why it was not simply done.
        lines: what it would change in the pipeline; empty when nothing.
        state: what became of it.
    """

    proposal_id: int
    title: str
    why: str
    lines: tuple[DiffLine, ...] = ()
    state: ProposalState = ProposalState.OPEN


@dataclass(frozen=True)
class Message:
    """One entry of the conversation.

    Attributes:
        message_id: 1, 2, 3, ...; a message with the number of an earlier one replaces it.
        kind: what it is.
        author: "You", or the label of the provider.
        text: plain text. It may contain words from the picture, so it is never interpreted.
        wall_s: when it was said, seconds since the epoch.
        pts_s: media time of the scene it is about; None when there is none.
        evidence: where its claims can be looked at.
        suggestions: questions to ask next.
        hint: for an error, what to do about it.
        pictures: those that were looked at.
        changes: what was done.
        proposals: what is done if the user clicks.
        notes: what the checks found: "Not confirmed by the detector: dog."
        checked: it was made from what was looked up, or all that can be checked in it was and something vouches for it.
        doing: what is being done right now, "Looking at 4 pictures"; empty once the message is whole.
    """

    message_id: int
    kind: MessageKind
    author: str
    text: str
    wall_s: float
    pts_s: float | None = None
    evidence: tuple[Evidence, ...] = ()
    suggestions: tuple[str, ...] = ()
    hint: str = ""
    pictures: tuple[Picture, ...] = ()
    changes: tuple[Change, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    notes: tuple[str, ...] = ()
    checked: bool = False
    doing: str = ""


class Conversation(Protocol):
    """What a panel needs of an assistant. Every method may be called on any thread and returns soon."""

    @property
    def label(self) -> str:
        """Who answers."""
        ...

    @property
    def reach(self) -> Reach:
        """Where pictures go: the farthest of those who describe and answer."""
        ...

    @property
    def state(self) -> ModelState:
        """How whoever answers is."""
        ...

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said so far, oldest first."""
        ...

    @property
    def paused(self) -> bool:
        """True while the scene is not described. Questions are answered all the same."""
        ...

    def set_paused(self, paused: bool) -> None:
        """Stop or go on describing."""
        ...

    def describe(self) -> None:
        """Describe the scene now, changed or not."""
        ...

    def ask(self, text: str) -> None:
        """Ask or order; the question, and the answer as it grows, reach the listeners as messages."""
        ...

    def stop(self) -> None:
        """End what is being said and done; what was said so far stays."""
        ...

    def accept(self, proposal_id: int) -> None:
        """Do what was proposed."""
        ...

    def dismiss(self, proposal_id: int) -> None:
        """Do not do what was proposed."""
        ...

    def undo(self, change_id: int) -> None:
        """Take back what was done."""
        ...

    def examples(self) -> tuple[str, ...]:
        """Questions that can be answered now."""
        ...

    def clear(self) -> tuple[Message, ...]:
        """Forget the messages and return them."""
        ...

    def restore(self, messages: tuple[Message, ...]) -> None:
        """Put messages that :meth:`clear` returned back before the others."""
        ...

    def subscribe(self, listener: Callable[[Message], None]) -> Callable[[], None]:
        """Be told every new message, on whatever thread it was made; returns what ends it."""
        ...
