"""The controller for models that call tools on the wire: what a server is sent, and what is made of its faults."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from scenescope.models.language import Done, Failed, Request, Risk, Role, TextDelta, ToolCall, ToolReply, ToolSpec
from scenescope.models.language.server import agent
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import STALL, Reply, chunk, refusal, sse, words
from scenescope.models.language.server.probe import Capabilities

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("loopback_only")]

SCHEMA = {
    "type": "object",
    "$defs": {"Kind": {"enum": ["appear", "line_cross"], "type": "string"}},
    "properties": {"kind": {"$ref": "#/$defs/Kind"}, "last_s": {"anyOf": [{"type": "number"}, {"type": "null"}]}},
    "required": ["kind"],
    "additionalProperties": False,
}
TOOLS = (ToolSpec("count_events", "How often something happened.", SCHEMA, Risk.READ),)


def calling(name: str | None, *args: str, call_id: str | None = "c1", finish: str = "tool_calls") -> Reply:
    """A streamed call of a tool, its arguments in pieces."""
    first = {"index": 0, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [chunk(tool_calls=[first])]
    pieces += [chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}]) for piece in args]
    return Reply([sse(*pieces, chunk(finish=finish))])


@pytest.fixture
def turn(fault_server: Any, scene: Any, quick: Any) -> Any:
    """Gives the events of a turn and the calls that it made, for scripted replies."""

    def run(*replies: Reply, reply: ToolReply = ToolReply({"events": 3})) -> tuple[list[Any], list[Any]]:  # noqa: B008
        fault_server.script(*replies)
        calls: list[Any] = []

        def call(name: str, args: Mapping[str, Any]) -> ToolReply:
            calls.append((name, dict(args)))
            return reply

        model = ServerModel(
            Endpoint(fault_server.url, "m", "sk-hidden"), Capabilities(tools=True), limits=quick, answerer=agent.answer
        )
        request = Request(Role.ANSWER, scene, "How often?", asked_before=("What?",), tools=TOOLS, call=call)
        return list(model.respond(request)), calls

    return run


def text_of(events: list[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_a_whole_turn(turn: Any, fault_server: Any, scene: Any) -> None:
    events, calls = turn(calling("count_events", '{"kind": ', '"appear"}'), words("Three times."))
    assert events[0] == ToolCall("c1", "count_events", {"kind": "appear"})
    assert text_of(events) == "Three times."
    assert isinstance(events[-1], Done)
    assert (events[-1].usage.input_tokens, events[-1].usage.requests) == (11, 2)
    assert calls == [("count_events", {"kind": "appear"})]

    first, second = (asked.content for asked in fault_server.asked)
    assert first["model"] == "m"
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert first["messages"][1]["content"] == "Before, I asked: What?\nHow often?"
    (tool,) = first["tools"]
    assert tool["function"]["name"] == "count_events"
    assert tool["function"]["parameters"]["properties"]["kind"]["enum"] == ["appear", "line_cross"]
    assert "$ref" not in json.dumps(tool)
    assert second["messages"][2]["tool_calls"][0]["function"] == {
        "name": "count_events",
        "arguments": '{"kind":"appear"}',
    }
    assert json.loads(second["messages"][3]["content"]) == {"events": 3}
    assert scene.to_json() not in json.dumps([first, second])


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (calling("delete_all", "{}"), "There is no tool 'delete_all'."),
        (calling("count_events", '{"kind": '), "not a JSON object"),
        (calling("count_events", "appear"), "not a JSON object"),
    ],
)
def test_a_wrong_call_never_reaches_the_app(turn: Any, fault_server: Any, reply: Reply, error: str) -> None:
    events, calls = turn(reply, words("I cannot tell."))
    assert calls == []
    assert error in fault_server.asked[1].content["messages"][-1]["content"]
    assert text_of(events) == "I cannot tell."


def test_a_call_without_a_number_is_carried_out(turn: Any) -> None:
    events, calls = turn(calling("count_events", '{"kind": "appear"}', call_id=None, finish="stop"), words("Three."))
    assert calls == [("count_events", {"kind": "appear"})]
    assert isinstance(events[-1], Done)


def test_a_server_that_always_calls_is_asked_three_times(turn: Any, fault_server: Any) -> None:
    events, _ = turn(calling("count_events", '{"kind": "appear"}'))
    assert len(fault_server.asked) == 3
    assert fault_server.asked[-1].content["tool_choice"] == "none"
    assert events[-1].message == "The model called tools until its turn was over, and did not answer."


def test_a_final_reply_asks_the_server_nothing_more(turn: Any, fault_server: Any) -> None:
    final = ToolReply({"proposed": True}, final=True)
    events, _ = turn(calling("count_events", '{"kind": "appear"}'), reply=final)
    assert text_of(events) == "It is done only if you agree to it."
    assert len(fault_server.asked) == 1


THOUGHT = sse(chunk(reasoning_content="hm"), chunk(finish="stop"))
FAULTS = {
    "closed in the middle of a call": (
        Reply([sse(chunk("Wait"), done=False), b'data: {"choices": [{"del']),
        "broke off",
    ),
    "closed without an end": (Reply([sse(chunk("Three"), done=False)]), "broke off|no answer"),
    "silent before a word": (Reply([STALL]), "did not begin"),
    "silent after a word": (Reply([sse(chunk("Three"), done=False), STALL]), "fell silent"),
    "nonsense": (Reply([b"data: {nonsense}\n\n"]), "no answer"),
    "not UTF-8": (Reply([b"data: \xff\xfe\n\n"]), "no answer"),
    "no name": (calling(None, "{}"), "answered nothing|did not answer"),
    "an empty answer": (Reply([sse(chunk(""), chunk(finish="stop"))]), "answered nothing"),
    "only thoughts": (Reply([THOUGHT]), "answered nothing"),
    "thoughts in the text": (
        Reply([sse(chunk("<think>hm"), chunk("</think>"), chunk(finish="stop"))]),
        "answered nothing",
    ),
    "thoughts without an end": (
        Reply([sse(chunk(reasoning_content="hm"), chunk(finish="length"))]),
        "cut the model short",
    ),
    "it declines": (
        Reply([sse(chunk(refusal="I do not do that."), chunk(finish="stop"))]),
        'declines.*"I do not do that."',
    ),
    "it is filtered": (Reply([sse(chunk("Three"), chunk(finish="content_filter"))]), "declines"),
    "401": (refusal(401, "Incorrect API key: sk-hidden"), "refuses the key"),
    "404": (refusal(404, "Not Found"), "no chat"),
    "429": (refusal(429), "asked too often"),
    "500": (refusal(500, "Failed to parse tool call"), "status 500"),
    "503": (refusal(503), "too busy"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_ends_with_a_sentence_and_a_cure(turn: Any, name: str) -> None:
    reply, pattern = FAULTS[name]
    events, calls = turn(reply)
    assert isinstance(events[-1], Failed)
    assert not events[-1].cancelled
    assert re.search(pattern, events[-1].message), events[-1].message
    assert events[-1].hint
    assert "sk-hidden" not in str(events)
    assert calls == []


def test_an_answer_that_is_cut_short_says_so(turn: Any) -> None:
    events, _ = turn(Reply([sse(chunk("Three "), chunk("<"), chunk(finish="length"))]))
    assert text_of(events) == "Three <… (cut short by the server)"
    assert isinstance(events[-1], Done)


def test_an_endless_answer_is_cut_off(turn: Any, fault_server: Any) -> None:
    from scenescope.models.language.server.fakes import ENDLESS

    events, _ = turn(Reply([sse(chunk("three and " * 20), done=False), ENDLESS]))
    assert len(text_of(events)) < 9000
    assert text_of(events).endswith("(cut off, it is too long)")
    assert fault_server.left.wait(5)


def test_the_real_server_takes_the_tools_and_the_answers(llama_server: Any, scene: Any) -> None:
    """Only the wire: what a model of this size makes of tools is not judged."""
    calls: list[Any] = []

    def call(name: str, args: Mapping[str, Any]) -> ToolReply:
        calls.append((name, args))
        return ToolReply({"events": 3})

    model = ServerModel(llama_server.endpoint, Capabilities(tools=True), answerer=agent.answer)
    request = Request(Role.ANSWER, scene, "How often did something appear?", tools=TOOLS, call=call)
    events = list(model.respond(request))
    assert isinstance(events[-1], Done) or events[-1].message.startswith(("The model called", "The model answered"))
    assert all(name == "count_events" for name, _ in calls)
