"""One streamed reply of a server as text: piece by piece, within the limits, without what the model only thinks."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scenescope.models.language.base import Usage
from scenescope.models.language.server.failures import ServerFailure, Trouble, explain, one_line
from scenescope.models.language.server.limits import paced

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from scenescope.models.language.server.connection import Connection

__all__ = ["Options", "Tally", "Thoughts", "broken_off", "clean", "is_word", "stream_chunks", "stream_text"]

MAX_REPEATS = 4
THINK, THINK_END = "<think>", "</think>"


@dataclass
class Options:
    """What is asked of a server beyond the messages, and which of it the server has refused, which is not asked again.

    Servers differ: newer models of OpenAI take no temperature and another name for ``max_tokens``, older servers know
    no ``stream_options`` and no ``response_format``.
    """

    refused: set[str] = field(default_factory=set)

    def left(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Those options that the server has not refused."""
        return {name: value for name, value in options.items() if name not in self.refused}

    def refuse(self, failure: Exception, options: Mapping[str, Any]) -> bool:
        """Whether a failure was the refusal of one of these options, which is noted."""
        said = failure.said if isinstance(failure, ServerFailure) and failure.trouble is Trouble.REFUSED else ""
        named = {name for name in options if name in said}
        self.refused |= named
        return bool(named)


@dataclass
class Tally:
    """What a turn has cost so far."""

    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0

    @property
    def usage(self) -> Usage:
        """So far."""
        return Usage(self.input_tokens, self.output_tokens, self.requests)


def clean(text: str) -> str:
    """Text of a model without control and formatting characters; line breaks stay."""
    return "".join(c for c in text if c == "\n" or unicodedata.category(c)[0] != "C" or c == "\t")


async def stream_text(
    client: AsyncOpenAI,
    connection: Connection,
    model: str,
    messages: Sequence[Mapping[str, Any]],
    options: Options,
    wanted: Mapping[str, Any],
    tally: Tally,
) -> AsyncGenerator[str]:
    """The text of one reply.

    Args:
        client: of the connection.
        connection: for the limits.
        model: to ask for.
        messages: of the chat.
        options: what the server is known to refuse.
        wanted: what to ask of it beyond.
        tally: counts the cost.

    Raises:
        ServerFailure: there is no reply, or it broke off.
    """
    for _ in range(MAX_REPEATS):
        asked = options.left(wanted)
        chunks = paced(stream_chunks(client, model, messages, asked, tally), connection.limits, is_word)
        try:
            async for text in _texts(chunks, tally):
                yield text
            return
        except Exception as error:
            failure = explain(error, connection.endpoint)
            if not options.refuse(failure, asked):
                raise failure from error
        finally:
            await chunks.aclose()
    raise ServerFailure(
        Trouble.REFUSED, "The server refuses everything it is asked.", hint="Try another server or a newer version."
    )


async def stream_chunks(
    client: AsyncOpenAI, model: str, messages: Sequence[Mapping[str, Any]], asked: Mapping[str, Any], tally: Tally
) -> AsyncGenerator[Any]:
    """One reply as the library gives it, piece by piece."""
    tally.requests += 1
    create: Any = client.chat.completions.create
    stream = await create(model=model, messages=list(messages), stream=True, **asked)
    try:
        async for chunk in stream:
            yield chunk
    finally:
        await stream.close()


async def _texts(chunks: AsyncIterator[Any], tally: Tally) -> AsyncGenerator[str]:
    """What is meant for the reader, as it comes."""
    thoughts = Thoughts()
    ended, said = False, False
    async for chunk in chunks:
        if usage := getattr(chunk, "usage", None):
            tally.input_tokens += int(usage.prompt_tokens or 0)
            tally.output_tokens += int(usage.completion_tokens or 0)
        for choice in (getattr(chunk, "choices", None) or [])[:1]:
            delta = choice.delta
            if refusal := getattr(delta, "refusal", None):
                raise _declined(str(refusal))
            if isinstance(delta.content, str) and (text := thoughts.without(delta.content)):
                said = said or not text.isspace()
                yield text
            if choice.finish_reason == "content_filter":
                raise _declined("")
            ended = ended or choice.finish_reason is not None
    if rest := thoughts.rest():
        said = said or not rest.isspace()
        yield rest
    if not ended:
        raise broken_off()
    if not said:
        raise ServerFailure(Trouble.BROKEN, "The model answered nothing.", hint="Ask again, or choose another model.")


def broken_off() -> ServerFailure:
    """A reply had no end."""
    return ServerFailure(
        Trouble.BROKEN,
        "The connection broke off in the middle of the answer.",
        hint="Ask again; if it happens again, look at the server's own log.",
    )


def is_word(chunk: Any) -> bool:
    """Whether something is said in this piece of a reply, thought or called: not only a sign of life."""
    for choice in getattr(chunk, "choices", None) or ():
        delta = choice.delta
        thought = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
        if delta.content or delta.tool_calls or thought:
            return True
    return False


def _declined(words: str) -> ServerFailure:
    said = one_line(words)
    quote = f': "{said}"' if said else "."
    return ServerFailure(
        Trouble.REFUSED, f"The model declines to answer{quote}", hint="Ask in other words, or choose another model."
    )


class Thoughts:
    """Takes out what stands between ``<think>`` and ``</think>`` at the beginning of a reply (Qwen 3, DeepSeek R1)."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "unknown"

    def without(self, text: str) -> str:
        """What of the next piece, and of those held back before it, is no thought."""
        if self._state == "text":
            return text
        self._held += text
        if self._state == "unknown":
            start = self._held.lstrip()
            if start.startswith(THINK):
                self._state = "thinking"
            elif THINK.startswith(start):
                return ""
            else:
                return self._release(self._held)
        _, end, after = self._held.partition(THINK_END)
        if end:
            return self._release(after.lstrip())
        self._held = self._held[: len(THINK)] + self._held[len(THINK) :][-len(THINK_END) :]
        return ""

    def rest(self) -> str:
        """What is left at the end: the beginning of a tag that was none."""
        return self._release(self._held) if self._state == "unknown" else ""

    def _release(self, text: str) -> str:
        self._state, self._held = "text", ""
        return text
