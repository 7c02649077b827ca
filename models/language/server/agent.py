"""The controller for a model that can call tools: it looks up what it needs, acts through the app, and phrases it.

The messages, the streaming and the servers' dialects are those of ``pydantic-ai``; the turn is written out here, since
its limits are the app's: how often the model is asked, how often it may call, and that nothing follows a final reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from importlib import import_module
from typing import TYPE_CHECKING, Any

from scenescope.models.errors import AssistantError
from scenescope.models.language.base import Done, Failed, Request, StreamEvent, TextDelta, ToolCall, ToolReply
from scenescope.models.language.server.agent_words import asked, parsed, said_of
from scenescope.models.language.server.describe import CUT, prompt
from scenescope.models.language.server.failures import one_line
from scenescope.models.language.server.limits import Limits, paced
from scenescope.models.language.server.stream import Tally, Thoughts, clean

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from pydantic_ai.messages import ModelMessage, ModelRequestPart, ModelResponse, ModelResponsePart, ToolCallPart
    from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse

    from scenescope.models.language.server.connection import Connection

__all__ = ["MAX_CALLS", "MAX_REQUESTS", "answer", "chat_model", "converse"]

MAX_REQUESTS = 3
MAX_CALLS = 4


async def answer(connection: Connection, request: Request, limits: Limits) -> AsyncGenerator[StreamEvent]:
    """Answer what the user typed, with tools.

    Raises:
        AssistantError: the library is not installed, or the server does not answer as it should.
        Exception: what the library makes of the latter; to be explained.
    """
    async with connection.open() as client:
        model = chat_model(client, connection.endpoint.model or "default")
        async with aclosing(converse(model, request, limits)) as events:
            async for event in events:
                yield event


def chat_model(client: AsyncOpenAI, name: str) -> Model:
    """A model behind a server that speaks the dialect most servers share.

    Raises:
        AssistantError: the library is not installed.
    """
    try:
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.profiles import InlineDefsJsonSchemaTransformer
        from pydantic_ai.profiles.openai import OpenAIModelProfile
        from pydantic_ai.providers.openai import OpenAIProvider
    except ImportError as error:
        raise AssistantError(
            "The library that lets a model call tools is not installed.", hint="pip install 'scenescope[assistant]'"
        ) from error
    profile = OpenAIModelProfile(
        # Few servers resolve "$ref" when they make a grammar of a schema, or know "strict".
        json_schema_transformer=InlineDefsJsonSchemaTransformer,
        openai_supports_strict_tool_definition=False,
        openai_chat_send_back_thinking_parts=False,
        openai_chat_streaming_requires_finish_reason=True,
    )
    return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client), profile=profile)


async def converse(model: Model, request: Request, limits: Limits) -> AsyncGenerator[StreamEvent]:
    """One turn with any model of ``pydantic-ai``.

    The model gets the user's words and the list of tools, and later what it called itself; never the scene unasked.
    """
    from pydantic_ai.messages import (
        ModelRequest,
        ModelResponse,
        SystemPromptPart,
        ToolCallPart,
        ToolReturnPart,
        UserPromptPart,
    )

    # Loaded here, so that what it takes does not count as the model's time.
    import_module("pydantic_ai.direct")
    turn = _Turn(request, limits)
    opening: list[ModelRequestPart] = [SystemPromptPart(prompt("agent.txt")), UserPromptPart(asked(request))]
    messages: list[ModelMessage] = [ModelRequest(opening)]
    for number in range(1, MAX_REQUESTS + 1):
        may_call = number < MAX_REQUESTS and turn.calls < MAX_CALLS
        async with aclosing(turn.reply(model, messages, may_call=may_call)) as events:
            async for event in events:
                yield event
        if turn.ended is not None:
            yield turn.ended
            return
        assert turn.response is not None
        calls = turn.response.tool_calls if may_call else []
        if not calls:
            break
        kept: list[ModelResponsePart] = turn.texts()
        returned: list[ModelRequestPart] = []
        for part in calls:
            args = parsed(part.args)
            begun = turn.begins(part, args)
            if begun is not None:
                yield begun
            reply = await turn.carry_out(part, args)
            if reply.final:
                for last in turn.closing(reply):
                    yield last
                return
            # Servers cannot put arguments that are no JSON back into a prompt.
            kept.append(ToolCallPart(part.tool_name, args or {}, part.tool_call_id))
            returned.append(ToolReturnPart(part.tool_name, reply.value, part.tool_call_id))
        messages += [ModelResponse(kept), ModelRequest(returned)]
    yield turn.end()


class _Turn:
    """What has been said and called so far.

    Attributes:
        calls: how many calls were made, those that were refused here included.
        response: the latest reply of the model.
        ended: how the turn has ended already, if it has.
    """

    def __init__(self, request: Request, limits: Limits) -> None:
        self._request = request
        self._limits = limits
        self._names = frozenset(tool.name for tool in request.tools)
        self._tally = Tally()
        self._chars = 0
        self._said = False
        self._words = ""
        self.calls = 0
        self.response: ModelResponse | None = None
        self.ended: Done | Failed | None = None

    # What the model says -----------------------------------------------------------------------------------------

    async def reply(
        self, model: Model, messages: Sequence[ModelMessage], *, may_call: bool
    ) -> AsyncGenerator[StreamEvent]:
        """The text of one reply as it comes."""
        self._tally.requests += 1
        glue = "\n\n" if self._said else ""
        self._words = ""
        async with aclosing(self._texts(model, messages, may_call=may_call)) as texts:
            async for text in texts:
                self._said = True
                self._words += text
                fresh = text[: self._limits.max_answer_chars - self._chars]
                self._chars += len(text)
                yield TextDelta(glue + fresh)
                glue = ""
                if self._chars > self._limits.max_answer_chars:
                    yield TextDelta(CUT)
                    self.ended = Done(usage=self._tally.usage)
                    return
        for event in self._judged():
            yield event

    async def _texts(self, model: Model, messages: Sequence[ModelMessage], *, may_call: bool) -> AsyncGenerator[str]:
        """What is meant for the reader, clean, and without space before it."""
        thoughts = Thoughts()
        async with aclosing(paced(self._parts(model, messages, may_call=may_call), self._limits, bool)) as parts:
            async for part in parts:
                text = clean(thoughts.without(part)) if part != _THOUGHT else ""
                if text := text if self._words else text.lstrip():
                    yield text
        if rest := clean(thoughts.rest()).strip():
            yield rest

    async def _parts(self, model: Model, messages: Sequence[ModelMessage], *, may_call: bool) -> AsyncGenerator[str]:
        """The pieces of text of a reply; a mark for every other sign of life."""
        from pydantic_ai.direct import model_request_stream
        from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
        from pydantic_ai.settings import ModelSettings

        settings = ModelSettings(tool_choice="auto" if may_call else "none") if self._names else None
        asking = model_request_stream(
            model,
            messages,
            model_settings=settings,
            model_request_parameters=self._parameters(),
            instrument=False,
        )
        async with asking as stream:
            try:
                async for event in stream:
                    match event:
                        case PartStartEvent(part=TextPart(content=text)) if text:
                            yield text
                        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                            yield text
                        case _:
                            yield _THOUGHT
            finally:
                self._count(stream)

    def _count(self, stream: StreamedResponse) -> None:
        self.response = stream.get()
        self._tally.input_tokens += self.response.usage.input_tokens
        self._tally.output_tokens += self.response.usage.output_tokens

    def _parameters(self) -> ModelRequestParameters:
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.tools import ToolDefinition

        tools = [
            ToolDefinition(name=tool.name, parameters_json_schema=dict(tool.args_schema), description=tool.description)
            for tool in self._request.tools
        ]
        return ModelRequestParameters(function_tools=tools)

    def _judged(self) -> Iterator[TextDelta]:
        """End the turn after a reply that is a refusal or was cut short."""
        assert self.response is not None
        reason = self.response.finish_reason
        if reason == "content_filter":
            words = one_line(str((self.response.provider_details or {}).get("refusal") or ""))
            quote = f': "{words}"' if words else "."
            self.ended = Failed(f"The model declines to answer{quote}", "Ask in other words, or choose another model.")
        elif reason == "length" and self._words:
            yield TextDelta("… (cut short by the server)")
            self.ended = Done(usage=self._tally.usage)
        elif reason == "length" and not self.response.tool_calls:
            self.ended = Failed(
                "The server cut the model short before it had answered.",
                "Ask for something shorter, or give the model a larger context on the server.",
            )

    def texts(self) -> list[ModelResponsePart]:
        """What the model said in its latest reply, without its thoughts."""
        from pydantic_ai.messages import TextPart

        return [TextPart(self._words)] if self._words else []

    # What it calls -----------------------------------------------------------------------------------------------

    def begins(self, part: ToolCallPart, args: Mapping[str, Any] | None) -> ToolCall | None:
        """What to show of a call; None for one that cannot be carried out."""
        self.calls += 1
        if self.calls > MAX_CALLS or part.tool_name not in self._names or args is None:
            return None
        return ToolCall(part.tool_call_id, part.tool_name, args)

    async def carry_out(self, part: ToolCallPart, args: Mapping[str, Any] | None) -> ToolReply:
        """Call a tool on a thread of its own, which is not waited for when the turn is cancelled."""
        call = self._request.call
        if self.calls > MAX_CALLS:
            return _refused(f"No more than {MAX_CALLS} calls are made in a turn. Answer with what you have.")
        if part.tool_name not in self._names or call is None:
            names = ", ".join(sorted(self._names)) or "none"
            return _refused(f"There is no tool '{one_line(part.tool_name, 40)}'. The tools are: {names}.")
        if args is None:
            return _refused("The arguments are not a JSON object.")
        return await asyncio.to_thread(call, part.tool_name, args)

    # How it ends -------------------------------------------------------------------------------------------------

    def closing(self, reply: ToolReply) -> list[StreamEvent]:
        """The end of a turn after a final reply, in the app's own words."""
        said = said_of(reply)
        return [TextDelta(f"\n\n{said}" if self._said else said), Done(usage=self._tally.usage)]

    def end(self) -> Done | Failed:
        """The end of a turn after the last reply."""
        assert self.response is not None
        if self._words:
            return Done(usage=self._tally.usage)
        if self.calls:
            return Failed(
                "The model called tools until its turn was over, and did not answer.",
                "Ask in other words, or choose a model that is better with tools.",
            )
        return Failed("The model answered nothing.", "Ask again, or choose another model.")


_THOUGHT = "\0"


def _refused(why: str) -> ToolReply:
    return ToolReply({"error": why})
