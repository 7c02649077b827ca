"""The seam of the assistant: requests in, typed events out, and the tools that an answer may use.

A provider (fixed rules, a network on this computer, a server) is a :class:`LanguageModel`. It knows nothing of windows
or pipelines. What it may touch, it touches through a :class:`Tool`, whose :class:`Risk` says who has to agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

__all__ = [
    "Conversation",
    "Done",
    "Evidence",
    "Failed",
    "LanguageModel",
    "Message",
    "MessageKind",
    "Reach",
    "Request",
    "Risk",
    "Role",
    "Scene",
    "StreamEvent",
    "TextDelta",
    "Tool",
    "ToolCall",
    "ToolResult",
    "ToolSpec",
    "Usage",
    "media_time",
]


def media_time(pts_s: float) -> str:
    """A media time for people, to a tenth of a second: ``0:12.4``, ``1:02:03.0``."""
    tenths = max(round(pts_s * 10), 0)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


@dataclass(frozen=True)
class Evidence:
    """Where a claim can be looked at: a picture of the source, and the track it is about, if it is about one."""

    frame_index: int
    pts_s: float
    track_id: int | None = None

    def __str__(self) -> str:
        return media_time(self.pts_s) if self.track_id is None else f"{media_time(self.pts_s)} #{self.track_id}"


# What a provider is asked, and what it says -----------------------------------------------------------------------


class Role(StrEnum):
    """What a request wants: words for what changed in the scene, or the answer to a question."""

    DESCRIBE = "describe"
    ANSWER = "answer"


class Reach(StrEnum):
    """How far a picture travels to reach a provider. The value is the sentence on the badge."""

    THIS_COMPUTER = "This computer: no picture leaves it"
    YOUR_NETWORK = "Your network: pictures leave this computer"
    INTERNET = "Internet: pictures leave your network"


class Scene(Protocol):
    """What the app knows of the picture: the only source of the numbers in an answer."""

    def to_json(self, max_bytes: int = 2048) -> str:
        """The scene for a prompt, at most ``max_bytes`` long in UTF-8."""
        ...


@dataclass(frozen=True)
class Request:
    """One turn.

    Attributes:
        role: what is wanted.
        scene: the scene now.
        question: the user's words; empty for a description.
        scene_before: for a description, the scene when the last one was given; None for the first.
        turns: earlier questions and answers, oldest first.
        images_jpeg: pictures as JPEG files, newest last; empty for a provider that does not look.
        tools: what the provider may call; a describing one gets none, since what it sees may be hostile.
    """

    role: Role
    scene: Scene
    question: str = ""
    scene_before: Scene | None = None
    turns: tuple[Message, ...] = ()
    images_jpeg: tuple[bytes, ...] = ()
    tools: tuple[ToolSpec, ...] = ()


@dataclass(frozen=True)
class Usage:
    """What an answer cost."""

    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0


@dataclass(frozen=True)
class StreamEvent:
    """Base of what a provider yields. The last one is always a :class:`Done` or a :class:`Failed`."""


@dataclass(frozen=True)
class TextDelta(StreamEvent):
    """More text of the answer, to be added to what came before."""

    text: str


@dataclass(frozen=True)
class ToolCall(StreamEvent):
    """The provider wants a tool to be run; whoever drives it decides, runs it, and asks again with the result."""

    call_id: str
    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Done(StreamEvent):
    """The answer is whole. ``suggestions`` are questions that the provider can answer, for the user to click."""

    evidence: tuple[Evidence, ...] = ()
    suggestions: tuple[str, ...] = ()
    usage: Usage = Usage()


@dataclass(frozen=True)
class Failed(StreamEvent):
    """There is no answer: why, and what to do about it. ``cancelled`` when the user wanted it so."""

    message: str
    hint: str = ""
    cancelled: bool = False


class LanguageModel(Protocol):
    """Whoever answers."""

    @property
    def label(self) -> str:
        """Its name, on the badge and on every message."""
        ...

    @property
    def reach(self) -> Reach:
        """Where pictures go."""
        ...

    def respond(self, request: Request) -> Iterator[StreamEvent]:
        """Answer one request, event by event. One request at a time.

        Raises:
            AssistantError: it cannot even begin. What goes wrong later is a :class:`Failed` event.
        """
        ...

    def cancel(self) -> None:
        """Make the running request, if there is one, end soon with ``Failed(cancelled=True)``. Any thread."""
        ...


# Tools ------------------------------------------------------------------------------------------------------------


class Risk(StrEnum):
    """What a tool can do to the user, and so who has to agree to a call of it."""

    READ = "read"
    """Looks and changes nothing."""
    REVERSIBLE = "reversible"
    """Moves the view or the playback; done without asking."""
    AUTOMATIC_WITH_UNDO = "automatic with undo"
    """Changes the pipeline; done without asking, shown as a difference, undone with one click."""
    MUST_CONFIRM = "must be confirmed"
    """Touches privacy or data; done only after the user has agreed to this very call."""


@dataclass(frozen=True)
class ToolSpec:
    """What a provider is told about a tool. ``args_schema`` is the JSON Schema of an object."""

    name: str
    description: str
    args_schema: Mapping[str, Any]
    risk: Risk


@dataclass(frozen=True)
class ToolResult:
    """What a call gave: JSON data for the provider, a sentence for people, and where to look at it."""

    value: Any
    text: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Tool:
    """Something the app can do or look up, offered under one declaration to every provider, menu and test.

    Attributes:
        spec: name, description, arguments and risk.
        run: does it. Takes arguments that fit ``args_schema``; raises a
            :class:`~scenescope.models.ScenescopeError` when it cannot.
        inverse: called before ``run`` with the same arguments: the call that would undo it, None if it would change
            nothing. A tool that is automatic with undo has one.
    """

    spec: ToolSpec
    run: Callable[[Mapping[str, Any]], ToolResult]
    inverse: Callable[[Mapping[str, Any]], ToolCall | None] | None = None

    def __post_init__(self) -> None:
        if self.spec.risk is Risk.AUTOMATIC_WITH_UNDO and self.inverse is None:
            raise ValueError(f"the tool '{self.spec.name}' is automatic with undo, but has no inverse")


# What is shown ----------------------------------------------------------------------------------------------------


class MessageKind(StrEnum):
    """What a message is. An error is never shown as if it were said about the scene."""

    DESCRIPTION = "description"
    QUESTION = "question"
    ANSWER = "answer"
    ERROR = "error"


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


class Conversation(Protocol):
    """What a panel needs of an assistant. Every method may be called on any thread and returns soon."""

    @property
    def label(self) -> str:
        """Who answers."""
        ...

    @property
    def reach(self) -> Reach:
        """Where pictures go."""
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

    def ask(self, text: str) -> Message:
        """Ask; the question and the answer, which is also returned, reach the listeners as messages."""
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
