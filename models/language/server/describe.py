"""Describing and looking: pictures and the detector's report go in, bounded words come out. There are no tools here."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from scenescope.models.language.base import (
    Description,
    Done,
    Picture,
    Request,
    SeenObject,
    StreamEvent,
    TextDelta,
)
from scenescope.models.language.server.failures import ServerFailure, Trouble, one_line
from scenescope.models.language.server.stream import Options, Tally, clean, stream_text

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from scenescope.models.language.server.connection import Connection
    from scenescope.models.language.server.probe import Capabilities

__all__ = ["CUT", "UNSEEN", "describe", "description_of", "look", "prompt"]

MAX_PICTURES = 4
MAX_SIDE_PX = 512
MAX_SUMMARY_CHARS = 240
MAX_LOOK_CHARS = 1200
MAX_JSON_CHARS = 20_000
MAX_TOKENS = {"describe": 500, "look": 400}
TEMPERATURE = 0.2
# Without a number, since every number in an answer is checked.
CUT = "… (cut off, it is too long)"
UNSEEN = "By the detector's report alone, without looking: "


@cache
def prompt(name: str) -> str:
    """A file of ``resources/prompts``."""
    return files("scenescope.resources").joinpath("prompts", name).read_text(encoding="utf-8")


@cache
def description_schema() -> dict[str, Any]:
    """What a server that can keep to a schema is given (``resources/prompts/description.schema.json``)."""
    schema = json.loads(prompt("description.schema.json"))
    return {name: value for name, value in schema.items() if name not in ("$schema", "title")}


# Asking ------------------------------------------------------------------------------------------------------------


async def describe(
    client: AsyncOpenAI,
    connection: Connection,
    model: str,
    capabilities: Capabilities,
    request: Request,
    options: Options,
) -> AsyncGenerator[StreamEvent]:
    """Describe the scene: the summary as it is written, then the whole :class:`Description`.

    Without vision the description is made of the report alone, and begins by saying so.
    """
    wanted: dict[str, Any] = _wanted("describe")
    if capabilities.json_schema:
        # Not strict: only some of the bounds are known to every server, and they are kept by description_of anyway.
        wanted["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "description", "strict": False, "schema": description_schema()},
        }
    report = f"The detector's report now:\n{request.scene.to_json()}"
    if request.scene_before is not None:
        report = f"The report when you last described the scene:\n{request.scene_before.to_json()}\n\n{report}"
    style = "" if capabilities.json_schema else '\n\nWrite the text of the "summary" alone: no JSON and no lists.'
    messages = _messages(prompt("describe.txt") + style, report, request.pictures if capabilities.vision else ())
    tally = Tally()
    reading = Reading(MAX_SUMMARY_CHARS)
    if not capabilities.vision:
        yield TextDelta(UNSEEN)
    async with aclosing(stream_text(client, connection, model, messages, options, wanted, tally)) as texts:
        async for text in texts:
            if fresh := reading.add(text):
                yield TextDelta(fresh)
            if reading.full:
                break
    yield Done(usage=tally.usage, description=reading.end())


async def look(
    client: AsyncOpenAI, connection: Connection, model: str, request: Request, options: Options
) -> AsyncGenerator[StreamEvent]:
    """Answer a question by looking at pictures."""
    text = f"The detector's report now:\n{request.scene.to_json()}\n\nThe question: {request.question}"
    messages = _messages(prompt("look.txt"), text, request.pictures)
    tally = Tally()
    texts = stream_text(client, connection, model, messages, options, _wanted("look"), tally)
    async with aclosing(bounded(texts, MAX_LOOK_CHARS)) as events:
        async for event in events:
            yield event
    yield Done(usage=tally.usage)


async def bounded(texts: AsyncGenerator[str], max_chars: int) -> AsyncGenerator[StreamEvent]:
    """Clean text as it comes; what is longer than ``max_chars`` is cut off, which is said, and not waited for."""
    length = 0
    async with aclosing(texts):
        async for text in texts:
            words = clean(text)
            fresh = words[: max_chars - length]
            length += len(words)
            if fresh:
                yield TextDelta(fresh)
            if length > max_chars:
                yield TextDelta(CUT)
                return


def _wanted(role: str) -> dict[str, Any]:
    return {
        "temperature": TEMPERATURE,
        "max_tokens": MAX_TOKENS[role],
        "stream_options": {"include_usage": True},
    }


def _messages(system: str, text: str, pictures: tuple[Picture, ...]) -> list[Mapping[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": data_url(picture)}} for picture in pictures[-MAX_PICTURES:]
    ]
    content: Any = [*parts, {"type": "text", "text": text}] if parts else text
    return [{"role": "system", "content": system}, {"role": "user", "content": content}]


def data_url(picture: Picture) -> str:
    """A picture as ``data:image/jpeg;base64,...``, at most 512 px long."""
    jpeg = picture.jpeg
    if max(picture.size_wh) > MAX_SIDE_PX:
        from PIL import Image

        with Image.open(io.BytesIO(jpeg)) as image:
            image.draft("RGB", (MAX_SIDE_PX, MAX_SIDE_PX))
            image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
            smaller = io.BytesIO()
            image.convert("RGB").save(smaller, "JPEG", quality=85)
        jpeg = smaller.getvalue()
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


# Reading -----------------------------------------------------------------------------------------------------------


class Reading:
    """Reads a description while it is written, as JSON or as plain text, whichever comes.

    Args:
        max_chars: of the summary.
    """

    def __init__(self, max_chars: int = MAX_SUMMARY_CHARS) -> None:
        self._max_chars = max_chars
        self._text = ""
        self._shown = ""

    @property
    def full(self) -> bool:
        """Nothing that comes now can change anything."""
        return len(self._text.strip()) > (MAX_JSON_CHARS if self._is_json else self._max_chars)

    def add(self, text: str) -> str:
        """Take in more of the reply; returns what the summary is longer by."""
        self._text += text
        if not self._text.strip():
            return ""
        summary = self._text
        if self._is_json:
            content = self._content()
            summary = content.get("summary", "") if isinstance(content, dict) else ""
        summary = one_line(summary, self._max_chars) if isinstance(summary, str) else ""
        if not summary.startswith(self._shown):
            return ""
        fresh = summary[len(self._shown) :]
        self._shown = summary
        return fresh

    def end(self) -> Description:
        """The whole description.

        Raises:
            ServerFailure: there is none in the reply.
        """
        if self._is_json and isinstance(content := self._content(), dict):
            description = description_of(content)
        else:
            description = Description("" if self._is_json else one_line(self._text, self._max_chars))
        if not description.summary:
            raise ServerFailure(
                Trouble.BROKEN,
                "The model's description could not be read.",
                hint="Try again, or choose another model for describing.",
            )
        return description

    @property
    def _is_json(self) -> bool:
        start = self._text.lstrip()
        return start.startswith(("{", "```json")) or "```json".startswith(start[:7])

    def _content(self) -> Any:
        from pydantic_core import from_json

        start = self._text.find("{")
        try:
            return from_json(
                self._text[start:].removesuffix("```") if start >= 0 else "", allow_partial="trailing-strings"
            )
        except ValueError:
            return None


def description_of(content: Mapping[str, Any]) -> Description:
    """What a model wrote as JSON, within the bounds of the schema whether or not the model kept to it."""
    objects = []
    for entry in _list(content.get("objects"), 12):
        if isinstance(entry, Mapping) and (label := _words(entry.get("label"), 40)):
            track_id = entry.get("track_id")
            known = isinstance(track_id, int) and not isinstance(track_id, bool) and 0 <= track_id < 2**63
            objects.append(SeenObject(label, track_id if known else None, _lines(entry.get("attributes"), 4, 40)))
        elif label := _words(entry, 40):
            objects.append(SeenObject(label))
    return Description(
        _words(content.get("summary"), MAX_SUMMARY_CHARS),
        tuple(objects),
        _lines(content.get("relations"), 6, 80),
        _lines(content.get("visible_text"), 6, 80),
        _lines(content.get("uncertain"), 6, 80),
    )


def _words(value: Any, max_chars: int) -> str:
    return one_line(value, max_chars) if isinstance(value, str) else ""


def _list(value: Any, max_items: int) -> list[Any]:
    return value[:max_items] if isinstance(value, list) else []


def _lines(value: Any, max_items: int, max_chars: int) -> tuple[str, ...]:
    lines = (_words(item, max_chars) for item in _list(value, max_items))
    return tuple(line for line in lines if line)
