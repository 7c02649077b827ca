"""Looking: has a model look at pictures of the scene. The only place where pictures are given to one."""

from __future__ import annotations

from collections.abc import Iterator

from scenescope.app.assistant.outgoing import ConsentNeeded
from scenescope.app.assistant.parts import Parts
from scenescope.models import AssistantError
from scenescope.models.language import (
    Done,
    Evidence,
    Failed,
    LanguageModel,
    Picture,
    Reach,
    Request,
    Role,
    StreamEvent,
    TextDelta,
    ToolResult,
)
from scenescope.pipelines.look_ring import LookRing
from scenescope.pipelines.sampler import Reason

__all__ = ["evidence_of_pictures", "host_of", "look_result", "pictures_for", "said_by_looking", "timed"]

MOST_PICTURES = 4


def host_of(model: LanguageModel) -> str:
    """The host that a model runs on; "" for this program's own."""
    endpoint = getattr(model, "endpoint", None)
    return endpoint.host if endpoint is not None else ""


def evidence_of_pictures(pictures: tuple[Picture, ...]) -> tuple[Evidence, ...]:
    """Where the pictures are."""
    return tuple(Evidence(picture.frame_index, picture.pts_s) for picture in pictures)


def pictures_for(
    parts: Parts,
    model: LanguageModel,
    purpose: str,
    seconds_back: float = 0.0,
    *,
    at_s: float | None = None,
    may_ask: bool = True,
) -> tuple[Picture, ...]:
    """Pictures that this model may have, newest last: the newest, or several of the last seconds; none if it is blind.

    Args:
        parts: has the pictures, and says what may leave.
        model: who is to look.
        purpose: noted where pictures leave this computer.
        seconds_back: how far back.
        at_s: the media time of the one that is wanted instead.
        may_ask: whether the user may be asked for consent, because it was the user who wants it.

    Raises:
        AssistantError: there are none, or they may not be given to it; sending is paused, and nobody asked for it.
    """
    if not getattr(model, "looks", True):
        if parts.outgoing is not None and not may_ask:
            parts.outgoing.refuse_if_paused(host_of(model), model.reach)
        return ()
    pictures = _found(parts.ring, seconds_back, at_s) if parts.ring is not None else ()
    if not pictures:
        raise AssistantError("There is no picture to look at.", hint="Start a source, and ask again.")
    if parts.outgoing is None:
        if model.reach is not Reach.THIS_COMPUTER:
            raise AssistantError("Pictures may not leave this computer here.", hint="Choose a model on this computer.")
        return pictures
    asks = parts.ask_consent if may_ask else None
    try:
        return parts.outgoing.prepare(pictures, host_of(model), model.reach, purpose, preview=asks is not None)
    except ConsentNeeded as needed:
        if asks is None or not asks(needed):
            raise
        parts.outgoing.consent(needed.host, True)
    # While the user decided, a stage may have been switched on that hides something: the pictures are taken anew.
    return pictures_for(parts, model, purpose, seconds_back, at_s=at_s, may_ask=False)


def _found(ring: LookRing, seconds_back: float, at_s: float | None) -> tuple[Picture, ...]:
    if at_s is None and seconds_back > 0:
        return ring.pictures(last_s=seconds_back, most=MOST_PICTURES)
    one = ring.newest() if at_s is None else ring.nearest(at_s)
    return (one,) if one is not None else ()


def timed(parts: Parts, model: LanguageModel, events: Iterator[StreamEvent]) -> Iterator[StreamEvent]:
    """What a model makes of pictures; the sampler learns how long that took, unless it was stopped."""
    began_s = parts.clock()
    for event in events:
        stopped = isinstance(event, Failed) and event.cancelled
        if isinstance(event, Done | Failed) and not stopped and parts.sampler is not None:
            # A model of ours knows without the time that loading took.
            parts.sampler.captioned(getattr(model, "last_seconds", 0.0) or parts.clock() - began_s)
        yield event


def said_by_looking(parts: Parts, model: LanguageModel, question: str, pictures: tuple[Picture, ...]) -> str:
    """The answer to a question by looking, once it is whole.

    Raises:
        AssistantError: the model failed, broke off or said nothing.
    """
    text: list[str] = []
    request = Request(Role.LOOK, parts.observer.state, question, pictures=pictures)
    for event in timed(parts, model, model.respond(request)):
        match event:
            case TextDelta(delta):
                text.append(delta)
            case Failed(problem, hint):
                raise AssistantError(problem, hint=hint)
            case Done():
                if said := "".join(text).strip():
                    return said
                raise AssistantError(f"{model.label} said nothing.", hint="Ask in other words.")
    raise AssistantError(f"{model.label} broke off without an answer.", hint="Ask again.")


def look_result(parts: Parts, model: LanguageModel | None, question: str, seconds_back: float) -> ToolResult:
    """The tool ``look``: what a model says it sees. It is not knowledge: it supports no claim.

    Raises:
        AssistantError: nobody can look, there is no picture, or the model failed.
    """
    if model is None:
        raise AssistantError("No model that can look at pictures is chosen.", hint="Choose one in the settings.")
    pictures = pictures_for(parts, model, "look", seconds_back)
    if parts.sampler is not None:
        parts.sampler.begin(Reason.QUESTION)
    said = said_by_looking(parts, model, question, pictures)
    return ToolResult({"seen": said}, said, evidence_of_pictures(pictures), proves=False)
