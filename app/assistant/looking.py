"""Looking: has a model look at pictures of the scene. The only place where pictures are given to one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from scenescope.app.assistant.outgoing import ConsentNeeded
from scenescope.app.assistant.parts import Parts
from scenescope.models import AssistantError
from scenescope.models.language import (
    Clearance,
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

__all__ = [
    "address_of",
    "cleared",
    "evidence_of_pictures",
    "look_result",
    "pictures_for",
    "said_by_looking",
    "telling",
    "timed",
]

MOST_PICTURES = 4


def address_of(model: LanguageModel) -> str:
    """The address of the server that a model runs on; "" for this program's own."""
    endpoint = getattr(model, "endpoint", None)
    return endpoint.base_url if endpoint is not None else ""


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
            parts.outgoing.refuse_if_paused(address_of(model), model.reach)
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
        return parts.outgoing.prepare(pictures, address_of(model), model.reach, purpose, preview=asks is not None)
    except ConsentNeeded as needed:
        if asks is None or not asks(needed):
            raise
        parts.outgoing.agree(needed.address, needed.reach)
    # While the user decided, a stage may have been switched on that hides something: the pictures are taken anew.
    return pictures_for(parts, model, purpose, seconds_back, at_s=at_s, may_ask=False)


def cleared(parts: Parts, model: LanguageModel, pictures: tuple[Picture, ...], purpose: str) -> Clearance | None:
    """Lets these pictures, which :func:`pictures_for` gave, go to the model; None where nothing may leave."""
    if parts.outgoing is None or not pictures:
        return None
    return parts.outgoing.passage(pictures, address_of(model), model.reach, purpose)


def telling(parts: Parts, model: LanguageModel) -> Callable[[str, str], None]:
    """Lets words that were read or seen in pictures be told to a model, for one question of the user's.

    It is called with the words and what they are for. It raises an AssistantError where they may not leave; the user,
    who may agree, is asked once.
    """
    refused: list[AssistantError] = []

    def tell(words: str, purpose: str) -> None:
        if refused:
            raise refused[0]
        try:
            _tell(parts, model, words, purpose)
        except AssistantError as why:
            refused.append(why)
            raise

    return tell


def _tell(parts: Parts, model: LanguageModel, words: str, purpose: str) -> None:
    outgoing = parts.outgoing
    if outgoing is None:
        if model.reach is not Reach.THIS_COMPUTER:
            raise AssistantError("What was seen may not leave this computer here.")
        return
    try:
        outgoing.tell(words, address_of(model), model.reach, purpose)
        return
    except ConsentNeeded as needed:
        if parts.ask_consent is None or not parts.ask_consent(needed):
            raise
        outgoing.agree(needed.address, needed.reach)
    outgoing.tell(words, address_of(model), model.reach, purpose)


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


def said_by_looking(
    parts: Parts, model: LanguageModel, question: str, pictures: tuple[Picture, ...], purpose: str = "look"
) -> str:
    """The answer to a question by looking, once it is whole.

    Raises:
        AssistantError: the model failed, broke off or said nothing.
    """
    text: list[str] = []
    clearance = cleared(parts, model, pictures, purpose)
    request = Request(Role.LOOK, parts.observer.state, question, pictures=pictures, clearance=clearance)
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
    return ToolResult({"seen": said}, said, evidence_of_pictures(pictures), proves=False, seen=said)
