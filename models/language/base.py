"""The seam of the assistant: a request goes in, typed events come out.

A provider (fixed rules, a network on this computer, a server) is a :class:`LanguageModel`. It knows nothing of windows
or pipelines. What it may look up or do, it does through ``Request.call``, behind which the app decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from scenescope.models.errors import AssistantError
from scenescope.models.language.tools import ToolSpec

__all__ = [
    "CallTool",
    "Clearance",
    "Description",
    "Done",
    "Evidence",
    "Failed",
    "LanguageModel",
    "ModelState",
    "Phase",
    "Picture",
    "Reach",
    "Request",
    "Role",
    "Scene",
    "SeenObject",
    "StreamEvent",
    "TextDelta",
    "ToolCall",
    "ToolReply",
    "Usage",
    "farthest",
    "media_time",
    "wider",
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
    """Where a claim can be looked at: a picture of the source, the track and the event it is about, if there are such.

    ``session_id`` is that of the event log; None for the source that is open now.
    """

    frame_index: int
    pts_s: float
    track_id: int | None = None
    event_id: int | None = None
    session_id: int | None = None

    def __str__(self) -> str:
        return media_time(self.pts_s) if self.track_id is None else f"{media_time(self.pts_s)} #{self.track_id}"


@dataclass(frozen=True)
class Picture:
    """A picture for a model, as the pipeline left it (after privacy stages) and without overlay.

    Attributes:
        jpeg: the file's bytes.
        frame_index, pts_s: which picture of the source it is.
        size_wh: in pixels.
    """

    jpeg: bytes
    frame_index: int
    pts_s: float
    size_wh: tuple[int, int]


# What a provider is asked ------------------------------------------------------------------------------------------


class Role(StrEnum):
    """What a request wants."""

    DESCRIBE = "describe"
    """Words for what is to be seen, or for what changed in it. Has pictures, no tools."""
    LOOK = "look"
    """The answer to a question by looking at pictures. Has no tools, since what is seen may be hostile."""
    ANSWER = "answer"
    """The answer to what the user typed. Has tools, no pictures."""


class Reach(StrEnum):
    """How far a picture travels to reach a provider. The value is the sentence on the badge."""

    THIS_COMPUTER = "This computer: no picture leaves it"
    YOUR_NETWORK = "Your network: pictures leave this computer"
    INTERNET = "Internet: pictures leave your network"


_REACHES = tuple(Reach)


def farthest(*reaches: Reach) -> Reach:
    """That with which pictures go farthest."""
    return max(reaches, key=_REACHES.index)


def wider(one: Reach, other: Reach) -> bool:
    """Whether pictures go farther with ``one`` than with ``other``."""
    return farthest(other, one) is not other


class Scene(Protocol):
    """What the app knows of the picture: the only source of the numbers in an answer."""

    def to_json(self, max_bytes: int = 2048) -> str:
        """The scene for a prompt, at most ``max_bytes`` long in UTF-8."""
        ...


@dataclass(frozen=True)
class ToolReply:
    """What a model is told after it called a tool.

    Attributes:
        value: JSON data: what was found, or ``{"error": ...}``, ``{"proposed": ...}``.
        final: the turn is over: no further call will be carried out, and the model should say so or stop.
        text: the sentence for people, for a provider that phrases nothing itself. A model is not told it.
    """

    value: Any
    final: bool = False
    text: str = ""


CallTool = Callable[[str, Mapping[str, Any]], ToolReply]
"""Call a tool by name with arguments that may be wrong in any way. Never raises; may take a while."""


class Clearance(Protocol):
    """Lets the pictures of one request leave this computer, and may take that back. Any thread."""

    def ask(self, reach: Reach) -> None:
        """Asked before every time that the pictures are sent, with how far they would go. May wait for the disk.

        Raises:
            AssistantError: they may not go there, or not any more.
        """
        ...

    def on_recall(self, stop: Callable[[AssistantError], None]) -> None:
        """Call ``stop`` with the reason once the pictures may not go any more; it must be quick."""
        ...


@dataclass(frozen=True)
class Request:
    """One turn.

    Attributes:
        role: what is wanted.
        scene: the scene now. For an answer it must not be put before the model unasked: it holds words from the
            picture, and a tool gives it.
        question: the user's words; empty for a description.
        scene_before: for a description, the scene when the last one was given; None for the first.
        asked_before: for an answer, what the user typed before, oldest first; without the answers, which may hold
            words from the picture.
        pictures: newest last; empty for a provider that does not look.
        clearance: lets the pictures go to another computer; without it they go to none.
        tools: what may be called.
        call: calls one of them; None when there are none.
    """

    role: Role
    scene: Scene
    question: str = ""
    scene_before: Scene | None = None
    asked_before: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    clearance: Clearance | None = None
    tools: tuple[ToolSpec, ...] = ()
    call: CallTool | None = None


# What it says ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Usage:
    """What an answer cost."""

    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0


@dataclass(frozen=True)
class SeenObject:
    """An object that a model says it sees; ``track_id`` only if it names one."""

    label: str
    track_id: int | None = None
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Description:
    """What a model makes of pictures, bounded: ``resources/prompts/description.schema.json``."""

    summary: str
    objects: tuple[SeenObject, ...] = ()
    relations: tuple[str, ...] = ()
    visible_text: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()


@dataclass(frozen=True)
class StreamEvent:
    """Base of what a provider yields. The last one is always a :class:`Done` or a :class:`Failed`."""


@dataclass(frozen=True)
class TextDelta(StreamEvent):
    """More text of the answer, to be added to what came before."""

    text: str


@dataclass(frozen=True)
class ToolCall(StreamEvent):
    """The provider is calling a tool, for the panel to show. It calls it itself, through ``Request.call``."""

    call_id: str
    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Done(StreamEvent):
    """The answer is whole.

    ``suggestions`` are questions that the provider can answer, for the user to click; ``description`` what a
    description consists of, where the provider gives more than its text. What is not ``sure`` has left something open.
    """

    evidence: tuple[Evidence, ...] = ()
    suggestions: tuple[str, ...] = ()
    usage: Usage = Usage()
    description: Description | None = None
    sure: bool = True


@dataclass(frozen=True)
class Failed(StreamEvent):
    """There is no answer: why, and what to do about it. ``cancelled`` when the user wanted it so."""

    message: str
    hint: str = ""
    cancelled: bool = False


# Who says it -------------------------------------------------------------------------------------------------------


class Phase(StrEnum):
    """How a provider is. The value is what people read."""

    OFF = "Off"
    NEEDS_MODEL = "Needs a model"
    DOWNLOADING = "Downloading"
    LOADING = "Loading"
    READY = "Ready"
    LOOKING = "Looking"
    ANSWERING = "Answering"
    STOPPED = "Stopped"
    DEGRADED = "Degraded"
    UNAVAILABLE = "Unavailable"


@dataclass(frozen=True)
class ModelState:
    """How a provider is, why, and what to do about it."""

    phase: Phase = Phase.READY
    why: str = ""
    cure: str = ""


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

    @property
    def state(self) -> ModelState:
        """How it is. Any thread, at once."""
        ...

    @property
    def roles(self) -> frozenset[Role]:
        """What it can do. One that neither describes nor looks gets no pictures."""
        ...

    def respond(self, request: Request) -> Iterator[StreamEvent]:
        """Answer one request, event by event. One request at a time, on a thread that may wait.

        Raises:
            AssistantError: it cannot even begin. What goes wrong later is a :class:`Failed` event.
        """
        ...

    def cancel(self) -> None:
        """Make the running request, if there is one, end within 300 ms with ``Failed(cancelled=True)``. Any thread."""
        ...

    def close(self) -> None:
        """Cancel, and give back what it holds. Safe to call twice."""
        ...
