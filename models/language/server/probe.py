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
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from scenescope.models.errors import AssistantError
from scenescope.models.language.base import Reach
from scenescope.models.language.server.connection import Connection
from scenescope.models.language.server.endpoint import Endpoint, Lookup, system_lookup
from scenescope.models.language.server.failures import ServerFailure, Trouble, explain, one_line
from scenescope.models.language.server.limits import Limits
from scenescope.models.language.server.stream import Options

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["PROBE_LIMITS", "Capabilities", "Probe", "ProbeStep", "StepResult"]

PROBE_LIMITS = Limits(first_token_s=20.0, total_s=20.0, retry_s=0.5, max_retry_s=2.0)
MAX_MODELS = 300
MAX_MODEL_CHARS = 200
# A picture of one colour, not of one pixel: the image processors of some models refuse pictures of less than 28 pixels,
# and a server was seen to crash.
PICTURE_SIDE_PX = 64
# Room for models that think before they answer.
MAX_TOKENS = 300
_PASSING = (Trouble.REFUSED, Trouble.NO_PICTURES, Trouble.BROKEN)


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
        reach: where it was found.
    """

    models: tuple[str, ...] = ()
    vision: bool = False
    tools: bool = False
    json_schema: bool = False
    problem: str = ""
    cure: str = ""
    reach: Reach = Reach.INTERNET


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


class Probe:
    """Finds out what a server can do. Sends nothing but its own test questions and a picture of one colour.

    Args:
        endpoint: which server and which model.
        told: called at the beginning and the end of every step, from the thread of :meth:`run`.
        limits: of each request.
        lookup: asks for the addresses of a host.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        told: Callable[[StepResult], None] | None = None,
        *,
        limits: Limits = PROBE_LIMITS,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._endpoint = endpoint
        self._told = told or (lambda result: None)
        self._limits = limits
        self._lookup = lookup
        self._options = Options()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._found = Capabilities(reach=endpoint.reach_by_name)

    def run(self) -> Capabilities:
        """Ask; waits for the answers, not longer than the limits of some five requests."""
        loop = asyncio.new_event_loop()
        try:
            with self._lock:
                self._loop, self._task = loop, loop.create_task(self._ask())
                if self._cancelled:
                    self._task.cancel()
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(self._task)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            with self._lock:
                self._loop = self._task = None
            loop.close()
        if self._cancelled:
            return replace(self._found, problem="The test was stopped.", cure="Test the connection again.")
        return self._found

    def cancel(self) -> None:
        """End it, soon. Any thread."""
        with self._lock:
            self._cancelled = True
            if self._loop is not None and self._task is not None:
                with suppress(RuntimeError):  # the loop has just closed
                    self._loop.call_soon_threadsafe(self._task.cancel)

    async def _ask(self) -> None:
        def located(location: Any) -> None:
            self._found = replace(self._found, reach=location.reach)

        connection = Connection(self._endpoint, self._limits, lookup=self._lookup, told_location=located)
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
            self._found = replace(self._found, problem=error.user_message, cure=error.hint)

    async def _step(self, step: ProbeStep, asked: Awaitable[str]) -> bool:
        """Whether a step went well. ``asked`` gives what to tell of it; raises what it could not do."""
        self._told(StepResult(step))
        try:
            async with asyncio.timeout(self._limits.total_s):
                text = await asked
        except Exception as error:
            failure = explain(error, self._endpoint)
            self._told(StepResult(step, False, failure.user_message))
            essential = step in (ProbeStep.CONNECT, ProbeStep.CHAT)
            if not essential and isinstance(failure, ServerFailure) and failure.trouble in _PASSING:
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
        await self._complete(client, model, "Say OK.")
        return "It answers."

    async def _vision(self, client: AsyncOpenAI, model: str) -> str:
        url = f"data:image/jpeg;base64,{base64.b64encode(_picture()).decode()}"
        content = [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "text", "text": "Which colour is this? One word."},
        ]
        await self._complete(client, model, content)
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
        message = await self._complete(
            client, model, "Report the colour of the sky.", tools=[tool], tool_choice="required"
        )
        called = [call.function for call in message.tool_calls or () if call.type == "function"]
        args = json.loads(called[0].arguments) if called else None
        if not isinstance(args, dict) or called[0].name != "report_colour" or "colour" not in args:
            raise ServerFailure(Trouble.REFUSED, "It was told to call a tool, and did not.")
        # Some servers can be made to call a tool, but refuse to leave the choice to the model.
        await self._complete(client, model, "Say OK.", tools=[tool], tool_choice="auto", max_tokens=1)
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
        message = await self._complete(client, model, "Which colour is the sky?", response_format=form)
        with suppress(ValueError, RecursionError):
            content = json.loads(message.content or "")
            if isinstance(content, dict) and content.get("colour") in ("blue", "green"):
                return "It keeps to a given form."
        raise ServerFailure(Trouble.REFUSED, "It was given the form of an answer, and did not keep to it.")

    async def _complete(self, client: AsyncOpenAI, model: str, content: Any, **asked: Any) -> Any:
        """The message of one answer that is not streamed."""
        create: Any = client.chat.completions.create
        common = {"max_tokens": MAX_TOKENS, "temperature": 0.0}
        for _ in common:
            wanted = {**self._options.left(common), **asked}
            try:
                return await self._message(create, model, content, wanted)
            except Exception as error:
                failure = explain(error, self._endpoint)
                if not self._options.refuse(failure, self._options.left(common)):
                    raise failure from error
        return await self._message(create, model, content, {**self._options.left(common), **asked})

    async def _message(self, create: Any, model: str, content: Any, wanted: dict[str, Any]) -> Any:
        reply = await create(model=model, messages=[{"role": "user", "content": content}], **wanted)
        choices = getattr(reply, "choices", None)
        if not choices or getattr(choices[0], "message", None) is None:
            raise ServerFailure(
                Trouble.BROKEN,
                "The server sent something that is no answer.",
                hint="Check that it is an OpenAI-compatible server, and its address.",
            )
        return choices[0].message


@cache
def _picture() -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (PICTURE_SIDE_PX, PICTURE_SIDE_PX), (0, 160, 0)).save(file, "JPEG")
    return file.getvalue()
