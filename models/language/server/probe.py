"""Probe: what a server can do, found out by asking it, step by step; and what is remembered of it.

What servers answer, by their own trackers: llama.cpp refuses pictures with status 500 ("image input is not supported")
and tools without ``--jinja``, and takes any model name; LM Studio answers status 200 with an error in the body, knows
``tool_choice`` only as a word, and falls back to the model that is loaded; vLLM refuses pictures with status 400 ("not
a multimodal model"), and ``tool_choice: auto`` unless it was started with ``--enable-auto-tool-choice``; Ollama takes
"name" for "name:latest".
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from scenescope.models.errors import AssistantError
from scenescope.models.language.base import Reach
from scenescope.models.language.server.connection import Connection
from scenescope.models.language.server.endpoint import Endpoint, Lookup, system_lookup
from scenescope.models.language.server.failures import ServerFailure, Trouble, explain, one_line
from scenescope.models.language.server.limits import Limits, paced
from scenescope.models.language.server.stream import Options, Tally, Thoughts, broken_off, is_word, stream_chunks

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["PROBE_LIMITS", "UNASKED", "Capabilities", "Probe", "ProbeStep", "StepResult"]

PROBE_LIMITS = Limits(retry_s=0.5, max_retry_s=2.0)
"""As long as an answer may take: what is too slow here is too slow there."""
MAX_MODELS = 300
MAX_MODEL_CHARS = 200
# A picture of one colour, not of one pixel: the image processors of some models refuse pictures of less than 28 pixels,
# and a server was seen to crash.
PICTURE_SIDE_PX = 64
# Room for models that think before they answer.
MAX_TOKENS = 1000
UNWANTED_LOOK_S = 0.1
_PASSING = (Trouble.REFUSED, Trouble.NO_PICTURES, Trouble.BROKEN, Trouble.SLOW)
_LASTING = (Trouble.KEY, Trouble.UNSAFE)


@dataclass(frozen=True)
class Capabilities:
    """What a server can do with a model.

    Attributes:
        models: those that the server lists.
        vision: it takes pictures.
        tools: it calls tools.
        json_schema: it keeps to a schema.
        problem: why it cannot be used at all; empty when it can.
        cure: what to do about that.
        lasting: only the user can do something about it; it need not be asked again before.
        slow: what it was too slow at to be sure, and is asked for all the same.
        reach: where it was found.
    """

    models: tuple[str, ...] = ()
    vision: bool = False
    tools: bool = False
    json_schema: bool = False
    problem: str = ""
    cure: str = ""
    lasting: bool = False
    slow: tuple[ProbeStep, ...] = ()
    reach: Reach = Reach.INTERNET


UNASKED = Capabilities(problem="The server is asked what it can do.", cure="Wait a moment, and ask again.")
"""Before the first probe."""


class ProbeStep(StrEnum):
    """What is found out, in this order. The value is what people read."""

    CONNECT = "Reach the server and list its models"
    CHAT = "Get an answer"
    VISION = "Send a picture"
    TOOLS = "Have a tool called"
    JSON_SCHEMA = "Get an answer in a given form"


@dataclass(frozen=True)
class StepResult:
    """How a step went: ``ok`` is None while it runs."""

    step: ProbeStep
    ok: bool | None = None
    text: str = ""


@dataclass
class _Reply:
    """What a reply consists of, put together from its pieces."""

    text: str = ""
    called: str = ""
    arguments: str = ""
    begun: bool = False
    ended: bool = False
    _thoughts: Thoughts = field(default_factory=Thoughts)

    def add(self, chunk: Any) -> None:
        """Take in one more piece."""
        self.begun = self.begun or is_word(chunk)
        for choice in (getattr(chunk, "choices", None) or [])[:1]:
            self.ended = self.ended or choice.finish_reason is not None
            if isinstance(choice.delta.content, str):
                self.text += self._thoughts.without(choice.delta.content)
            for call in choice.delta.tool_calls or ():
                if call.index == 0 and call.function is not None:
                    self.called += call.function.name or ""
                    self.arguments += call.function.arguments or ""


class Probe:
    """Finds out what a server can do. Sends nothing but its own test questions and a picture of one colour.

    Args:
        endpoint: which server and which model.
        told: called at the beginning and the end of every step, from the thread of :meth:`run`.
        limits: of each request.
        lookup: asks for the addresses of a host.
        allowed: it asks no farther than there; anywhere where it was the user who wished to test it.
        unwanted: looked at every now and then; the probe ends once it says so.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        told: Callable[[StepResult], None] | None = None,
        *,
        limits: Limits = PROBE_LIMITS,
        lookup: Lookup = system_lookup,
        allowed: Reach = Reach.INTERNET,
        unwanted: Callable[[], bool] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._told = told or (lambda result: None)
        self._limits = limits
        self._lookup = lookup
        self._allowed = allowed
        self._unwanted = unwanted
        self._options = Options()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._found = Capabilities(reach=endpoint.reach_by_name)

    def run(self) -> Capabilities:
        """Ask; waits for the answers, not longer than the limits of some six requests."""
        loop = asyncio.new_event_loop()
        try:
            with self._lock:
                self._loop, self._task = loop, loop.create_task(self._ask())
                if self._cancelled:
                    self._task.cancel()
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(self._watched(self._task))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            with self._lock:
                self._loop = self._task = None
            loop.close()
        if self._cancelled:
            return replace(self._found, problem="The test was stopped.", cure="Test the connection again.")
        return self._found

    async def ask(self) -> Capabilities:
        """As :meth:`run`, in an event loop that runs."""
        await self._ask()
        return self._found

    def cancel(self) -> None:
        """End it, soon. Any thread."""
        with self._lock:
            self._cancelled = True
            if self._loop is not None and self._task is not None:
                with suppress(RuntimeError):  # the loop has just closed
                    self._loop.call_soon_threadsafe(self._task.cancel)

    async def _watched(self, task: asyncio.Task[None]) -> None:
        while not task.done():
            if self._unwanted is not None and self._unwanted():
                self.cancel()
            await asyncio.wait([task], timeout=UNWANTED_LOOK_S if self._unwanted is not None else None)
        await task

    async def _ask(self) -> None:
        def located(location: Any) -> None:
            self._found = replace(self._found, reach=location.reach)

        connection = Connection(self._endpoint, self._limits, self._allowed, lookup=self._lookup, told_location=located)
        try:
            async with connection.open() as client:
                await self._step(ProbeStep.CONNECT, self._models(client))
                model = self._model()
                await self._step(ProbeStep.CHAT, self._chat(client, model))
                vision = await self._step(ProbeStep.VISION, self._vision(client, model))
                tools = await self._step(ProbeStep.TOOLS, self._tools(client, model))
                schema = await self._step(ProbeStep.JSON_SCHEMA, self._json_schema(client, model))
                self._found = replace(self._found, vision=vision, tools=tools, json_schema=schema)
        except AssistantError as error:
            lasting = isinstance(error, ServerFailure) and error.trouble in _LASTING
            self._found = replace(self._found, problem=error.user_message, cure=error.hint, lasting=lasting, slow=())

    async def _step(self, step: ProbeStep, asked: Awaitable[str]) -> bool:
        """Whether a step went well. ``asked`` gives what to tell of it; raises what it could not do.

        A server that is too slow at pictures or tools the first time may only have had to load something, and is given
        the benefit of the doubt; without a schema all goes on too.
        """
        self._told(StepResult(step))
        try:
            text = await asked
        except Exception as error:
            failure = explain(error, self._endpoint)
            trouble = failure.trouble if isinstance(failure, ServerFailure) else None
            if trouble is Trouble.SLOW and step in (ProbeStep.VISION, ProbeStep.TOOLS):
                self._found = replace(self._found, slow=(*self._found.slow, step))
                self._told(StepResult(step, True, f"Slow: {failure.user_message} It is used all the same."))
                return True
            self._told(StepResult(step, False, failure.user_message))
            if step not in (ProbeStep.CONNECT, ProbeStep.CHAT) and trouble in _PASSING:
                return False
            raise failure from error
        self._told(StepResult(step, True, text))
        return True

    # Steps -------------------------------------------------------------------------------------------------------

    async def _models(self, client: AsyncOpenAI) -> str:
        try:
            page = await client.models.list()
            listed = [entry.id for entry in (page.data or []) if isinstance(getattr(entry, "id", None), str)]
        except Exception as error:
            failure = explain(error, self._endpoint)
            # Some servers have a chat but no list.
            if isinstance(failure, ServerFailure) and failure.trouble is Trouble.NOT_FOUND:
                return "It lists no models."
            raise failure from error
        names = tuple(dict.fromkeys(one_line(name, MAX_MODEL_CHARS) for name in listed[:MAX_MODELS]))
        self._found = replace(self._found, models=names)
        where = self._found.reach.value.partition(":")[0]
        open_to_readers = self._endpoint.open_to_readers and self._found.reach is not Reach.THIS_COMPUTER
        warning = " What is sent is not encrypted." if open_to_readers else ""
        return f"{where}; {len(names)} {'model' if len(names) == 1 else 'models'}.{warning}"

    def _model(self) -> str:
        """Which model to ask for."""
        wanted, listed = self._endpoint.model, self._found.models
        if not listed or wanted in listed or f"{wanted}:latest" in listed:
            return wanted
        some = ", ".join(one_line(name, 60) for name in listed[:5]) + (", …" if len(listed) > 5 else "")
        if not wanted and len(listed) > 1:
            raise ServerFailure(Trouble.NO_MODEL, "No model is chosen.", hint=f"The server has: {some}.")
        if not wanted:
            return listed[0]
        raise ServerFailure(
            Trouble.NO_MODEL, f"The server has no model '{one_line(wanted, 60)}'.", hint=f"It has: {some}."
        )

    async def _chat(self, client: AsyncOpenAI, model: str) -> str:
        await self._reply(client, model, "Say OK.", whole=False)
        return "It answers."

    async def _vision(self, client: AsyncOpenAI, model: str) -> str:
        url = f"data:image/jpeg;base64,{base64.b64encode(_picture()).decode()}"
        content = [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "text", "text": "Which colour is this? One word."},
        ]
        await self._reply(client, model, content, whole=False)
        return "It takes pictures."

    async def _tools(self, client: AsyncOpenAI, model: str) -> str:
        tool = {
            "type": "function",
            "function": {
                "name": "report_colour",
                "description": "Reports the colour of the sky.",
                "parameters": {
                    "type": "object",
                    "properties": {"colour": {"type": "string", "enum": ["blue", "green"]}},
                    "required": ["colour"],
                },
            },
        }
        reply = await self._reply(client, model, "Report the colour of the sky.", tools=[tool], tool_choice="required")
        args = json.loads(reply.arguments) if reply.called == "report_colour" else None
        if not isinstance(args, dict) or "colour" not in args:
            raise ServerFailure(Trouble.REFUSED, "It was told to call a tool, and did not.")
        # Some servers can be made to call a tool, but refuse to leave the choice to the model.
        await self._reply(client, model, "Say OK.", whole=False, tools=[tool], tool_choice="auto", max_tokens=1)
        return "It calls tools."

    async def _json_schema(self, client: AsyncOpenAI, model: str) -> str:
        schema = {
            "type": "object",
            "additionalProperties": False,
            "required": ["colour", "why"],
            "properties": {
                "colour": {"type": "string", "enum": ["blue", "green"]},
                "why": {"type": "array", "maxItems": 1, "items": {"type": "string", "maxLength": 20}},
            },
        }
        form = {"type": "json_schema", "json_schema": {"name": "colour", "strict": False, "schema": schema}}
        reply = await self._reply(client, model, "Which colour is the sky?", response_format=form)
        with suppress(ValueError, RecursionError):
            content = json.loads(reply.text)
            if isinstance(content, dict) and content.get("colour") in ("blue", "green"):
                return "It keeps to a given form."
        raise ServerFailure(Trouble.REFUSED, "It was given the form of an answer, and did not keep to it.")

    async def _reply(
        self, client: AsyncOpenAI, model: str, content: Any, *, whole: bool = True, **asked: Any
    ) -> _Reply:
        """One answer, streamed as real ones are; no more than its first word where ``whole`` is not needed."""
        common = {"max_tokens": MAX_TOKENS, "temperature": 0.0}
        for _ in common:
            try:
                return await self._read(client, model, content, whole, {**self._options.left(common), **asked})
            except Exception as error:
                failure = explain(error, self._endpoint)
                if not self._options.refuse(failure, self._options.left(common)):
                    raise failure from error
        return await self._read(client, model, content, whole, {**self._options.left(common), **asked})

    async def _read(self, client: AsyncOpenAI, model: str, content: Any, whole: bool, wanted: dict[str, Any]) -> _Reply:
        messages = [{"role": "user", "content": content}]
        reply = _Reply()
        chunks = paced(stream_chunks(client, model, messages, wanted, Tally()), self._limits, is_word)
        async with aclosing(chunks):
            async for chunk in chunks:
                reply.add(chunk)
                if reply.begun and not whole:
                    return reply
        if not reply.ended:
            raise broken_off()
        return reply


@cache
def _picture() -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (PICTURE_SIDE_PX, PICTURE_SIDE_PX), (0, 160, 0)).save(file, "JPEG")
    return file.getvalue()
