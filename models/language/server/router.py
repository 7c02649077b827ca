"""The controller for a model that keeps to a JSON schema but cannot call tools: it only chooses.

The first request chooses a tool by name, the second fills in its arguments, each within a schema that the server turns
into a grammar. The answer is the tool's own sentence, so that nothing is phrased that was not looked up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from scenescope.models.language.base import Done, Failed, Request, StreamEvent, TextDelta, ToolCall, ToolReply
from scenescope.models.language.server.agent_schema import bounded_schema
from scenescope.models.language.server.agent_words import asked, parsed, said_of
from scenescope.models.language.server.describe import prompt
from scenescope.models.language.server.limits import Limits
from scenescope.models.language.server.stream import Options, Tally, stream_text
from scenescope.models.language.tools import ToolSpec

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from scenescope.models.language.server.connection import Connection

__all__ = ["NONE", "NOTHING_FITS", "answer"]

NONE = "none"
NOTHING_FITS = "I found nothing to look up or to do for that. Ask what is there, how many, or when something happened."
UNUSABLE = Failed(
    "The model did not keep to the form that it was given.", "Ask in other words, or choose a model that calls tools."
)
MAX_TOKENS = {"tool": 60, "args": 400}
MAX_JSON_CHARS = 20_000


async def answer(connection: Connection, request: Request, limits: Limits) -> AsyncGenerator[StreamEvent]:
    """Answer what the user typed, with one tool.

    Raises:
        AssistantError: the library is not installed, or the server does not answer as it should.
    """
    tally = Tally()
    async with connection.open() as client:
        router = _Router(client, connection, request, tally)
        tool = await router.tool()
        if tool is None:
            yield TextDelta(NOTHING_FITS)
            yield Done(usage=tally.usage)
            return
        args = await router.args(tool)
    if args is None:
        yield UNUSABLE
        return
    yield ToolCall("router", tool.name, args)
    assert request.call is not None
    reply: ToolReply = await asyncio.to_thread(request.call, tool.name, args)
    if not reply.text and isinstance(reply.value, Mapping) and reply.value.get("error"):
        yield Failed(said_of(reply), "Say it in other words.")
        return
    yield TextDelta(said_of(reply)[: limits.max_answer_chars])
    yield Done(usage=tally.usage)


class _Router:
    """Has a model choose; it is given the user's words and the tools, and nothing else."""

    def __init__(self, client: AsyncOpenAI, connection: Connection, request: Request, tally: Tally) -> None:
        self._client, self._connection, self._request, self._tally = client, connection, request, tally
        self._options = Options()

    async def tool(self) -> ToolSpec | None:
        """The tool that fits; None when there is none."""
        tools = {tool.name: tool for tool in self._request.tools}
        if not tools or self._request.call is None:
            return None
        listed = "".join(f"- {tool.name}: {tool.description}\n" for tool in tools.values())
        schema = _object({"tool": {"enum": [*tools, NONE]}})
        chosen = await self._ask("tool", f"{prompt('router.txt')}{listed}- {NONE}: nothing above fits.", schema)
        name = (chosen or {}).get("tool")
        return tools.get(name) if isinstance(name, str) else None

    async def args(self, tool: ToolSpec) -> dict[str, Any] | None:
        """The arguments of a tool; None when the model gave none that can be read."""
        schema = bounded_schema(tool.args_schema)
        if not schema.get("properties"):
            return {}
        fields = json.dumps(schema["properties"], ensure_ascii=False)
        told = f"{prompt('router_args.txt')}The tool: {tool.name}: {tool.description}\nIts arguments: {fields}"
        return await self._ask("args", told, schema)

    async def _ask(self, name: str, told: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        messages: Sequence[Mapping[str, Any]] = [
            {"role": "system", "content": told},
            {"role": "user", "content": asked(self._request)},
        ]
        wanted = {
            "temperature": 0.0,
            "max_tokens": MAX_TOKENS[name],
            "stream_options": {"include_usage": True},
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": name, "strict": False, "schema": schema},
            },
        }
        model = self._connection.endpoint.model
        pieces: list[str] = []
        length = 0
        texts = stream_text(self._client, self._connection, model, messages, self._options, wanted, self._tally)
        async with aclosing(texts):
            async for text in texts:
                pieces.append(text)
                length += len(text)
                if length > MAX_JSON_CHARS:
                    return None
        return parsed("".join(pieces))


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
