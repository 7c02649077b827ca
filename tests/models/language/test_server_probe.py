"""What a server can do is found out by asking it, and remembered; why it cannot is a sentence and a cure."""

from __future__ import annotations

import json
import threading

import pytest

from scenescope.models.errors import AssistantError
from scenescope.models.language import Phase, Reach
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import STALL, Reply, chunk, completion, models, refusal, sse, words
from scenescope.models.language.server.limits import Limits
from scenescope.models.language.server.memory import ProbeMemory
from scenescope.models.language.server.probe import PROBE_LIMITS, Capabilities, Probe, ProbeStep

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("loopback_only")]


def called(name="report_colour", *arguments, before=()):
    """A streamed call of a tool, its arguments in pieces."""
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}]) for piece in arguments]
    return Reply([sse(*before, chunk(tool_calls=[first]), *pieces, chunk(finish="tool_calls"))])


CALLS = called("report_colour", '{"colour": ', '"blue"}')
FORMED = words('{"colour": "blue", "why": []}')
NO_ADD_ON = Reply([b'{"error": "Vision add-on is not loaded"}'], kind="application/json")
NO_AUTO = refusal(400, '"auto" tool choice requires --enable-auto-tool-choice')
LIST = models("m", "n")
OK = words("OK")
SLOW = Reply([STALL])


def probe(server, limits, *replies, model="m", key="k", told=None):
    server.script(*replies)
    return Probe(Endpoint(server.url, model, key), told, limits=limits).run()


def test_a_server_that_can_do_everything(fault_server, quick):
    steps = []
    found = probe(fault_server, quick, LIST, OK, OK, CALLS, OK, FORMED, told=steps.append)
    assert found == Capabilities(("m", "n"), True, True, True, reach=Reach.THIS_COMPUTER)
    assert [step.step for step in steps if step.ok] == list(ProbeStep)
    assert [step.ok for step in steps] == [None, True] * 5
    assert all(step.text for step in steps if step.ok)
    paths = [asked.path for asked in fault_server.asked]
    assert paths == ["/v1/models", *["/v1/chat/completions"] * 5]
    picture, question = fault_server.asked[2].content["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert question["type"] == "text"
    assert fault_server.asked[3].content["tool_choice"] == "required"
    assert fault_server.asked[5].content["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("replies", "can"),
    [
        ((LIST, OK, refusal(500, "image input is not supported"), CALLS, OK, FORMED), (False, True, True)),
        ((LIST, OK, refusal(400, "m is not a multimodal model"), CALLS, OK, FORMED), (False, True, True)),
        ((LIST, OK, NO_ADD_ON, CALLS, OK, FORMED), (False, True, True)),
        ((LIST, OK, OK, refusal(500, "tools param requires --jinja flag"), FORMED), (True, False, True)),
        ((LIST, OK, OK, OK, FORMED), (True, False, True)),
        ((LIST, OK, OK, called("report_colour", "nonsense"), FORMED), (True, False, True)),
        ((LIST, OK, OK, called("report_colour", "[]"), FORMED), (True, False, True)),
        ((LIST, OK, OK, called("report_colour", '{"color": "blue"}'), FORMED), (True, False, True)),
        ((LIST, OK, OK, called("other", '{"colour": "blue"}'), FORMED), (True, False, True)),
        ((LIST, OK, OK, CALLS, NO_AUTO, FORMED), (True, False, True)),
        ((LIST, OK, OK, CALLS, OK, OK), (True, True, False)),
        ((LIST, OK, OK, CALLS, OK, words('{"colour": "red"}')), (True, True, False)),
        ((LIST, OK, OK, CALLS, OK, words("[" * 5000)), (True, True, False)),
        ((LIST, OK, OK, CALLS, OK, refusal(400, "response_format is not supported")), (True, True, False)),
        ((refusal(404), OK, OK, CALLS, OK, FORMED), (True, True, True)),
    ],
)  # fmt: skip
def test_what_it_refuses_it_cannot_do(replies, can, fault_server, quick):
    found = probe(fault_server, quick, *replies)
    assert (found.vision, found.tools, found.json_schema) == can
    assert not found.problem


@pytest.mark.parametrize(
    ("replies", "problem", "cure"),
    [
        ((refusal(401),), "refuses the key", "right key"),
        ((refusal(403),), "refuses the key", "right key"),
        ((LIST, refusal(401)), "refuses the key", "right key"),
        ((refusal(404), refusal(404)), "no chat at this address", "help"),
        ((Reply([b"<html>"], kind="text/html"),), "web page", "/v1"),
        ((Reply([b"hello"], kind="text/plain"),), "no answer", ""),
        ((Reply([b'{"hello": 1}'], kind="application/json"), completion()), "does not stream", "newer"),
        ((Reply([b"[]"], kind="application/json"),), "no answer", ""),
        ((LIST, Reply()), "broke off", "log"),
        ((refusal(503, "Loading model"),), "still loading", "moment"),
        ((LIST, refusal(404, "model 'm' not found")), "does not have 'm'", "Load it"),
        ((models("a", "b"),), "no model 'm'", "a, b"),
        ((LIST, OK, refusal(429, Retry_After="60")), "wait 60 s", "Wait"),
        ((Reply([STALL]),), "did not", "moment"),
        ((LIST, Reply(stall_before_headers=True)), "did not", "moment"),
        ((Reply(status=302, headers={"Location": "http://203.0.113.9"}),), "203.0.113.9", "trust"),
    ],
)
def test_why_it_cannot_be_used(replies, problem, cure, fault_server, quick):
    found = probe(fault_server, quick, *replies)
    assert problem in found.problem
    assert cure in found.cure
    assert found.cure
    assert (found.vision, found.tools, found.json_schema) == (False, False, False)


THINKS = tuple(chunk(reasoning_content="hm") for _ in range(3))


def test_a_model_that_thinks_first_is_not_waited_for_to_the_end(fault_server, quick):
    """Only that it begins matters, as for a real answer; thoughts before a call or a form do no harm."""
    begins = Reply([sse(*THINKS, done=False), STALL])
    calls = called("report_colour", '{"colour": "blue"}', before=THINKS)
    formed = Reply([sse(chunk("<think>hm"), chunk('</think>{"colour": "green"}'), chunk(finish="stop"))])
    found = probe(fault_server, quick, LIST, begins, begins, calls, begins, formed)
    assert found == Capabilities(("m", "n"), True, True, True, reach=Reach.THIS_COMPUTER)
    assert all(asked.content["stream"] for asked in fault_server.asked[1:])


def test_a_probe_may_take_as_long_as_an_answer():
    real = Limits()
    assert (PROBE_LIMITS.first_token_s, PROBE_LIMITS.total_s) == (real.first_token_s, real.total_s)


VISION, TOOLS = ProbeStep.VISION, ProbeStep.TOOLS


@pytest.mark.parametrize(
    ("replies", "can", "slow"),
    [
        ((LIST, OK, SLOW, CALLS, OK, FORMED), (True, True, True), (VISION,)),
        ((LIST, OK, OK, SLOW, FORMED), (True, True, True), (TOOLS,)),
        ((LIST, OK, SLOW, CALLS, SLOW, FORMED), (True, True, True), (VISION, TOOLS)),
        ((LIST, OK, OK, CALLS, OK, SLOW), (True, True, False), ()),
    ],
)
def test_what_is_slow_is_said_and_condemns_nothing_else(replies, can, slow, fault_server, quick, tmp_path):
    steps = []
    found = probe(fault_server, quick, *replies, told=steps.append)
    assert (found.problem, found.slow) == ("", slow)
    assert (found.vision, found.tools, found.json_schema) == can
    assert any("did not begin to answer within 1 s" in step.text for step in steps)
    memory = ProbeMemory(tmp_path / "servers.json")
    memory.keep(Endpoint("http://host"), found)
    assert memory.get(Endpoint("http://host")) == found
    state = ServerModel(Endpoint("http://host"), found).state
    assert (state.phase, all(step.value.lower() in state.why for step in slow)) == (Phase.READY, True)


def test_another_path_is_suggested(fault_server, quick):
    fault_server.script(refusal(404))
    found = Probe(Endpoint(fault_server.url.replace("/v1", "/api"), "m"), limits=quick).run()
    assert f"{fault_server.url} as the address" in found.cure


@pytest.mark.parametrize(
    ("listed", "model", "asked"),
    [(("only",), "", "only"), (("m:latest",), "m", "m"), ((), "m", "m"), (("a", "b"), "", None)],
)
def test_which_model_is_asked_for(listed, model, asked, fault_server, quick):
    found = probe(fault_server, quick, models(*listed), OK, model=model)
    assert found.models == listed
    if asked is None:
        assert "No model is chosen" in found.problem
        assert "a, b" in found.cure
    else:
        assert fault_server.asked[1].content["model"] == asked


def test_a_list_of_models_is_bounded_and_cleaned(fault_server, quick):
    found = probe(fault_server, quick, models(*(f"{n}\u202e\n" + "x" * 900 for n in range(150))))
    assert len(found.models) == 150
    assert all(len(name) <= 200 and name.isprintable() for name in found.models)


def test_cancel_ends_it(fault_server, quick):
    fault_server.script(LIST, Reply(stall_before_headers=True))
    asked = Probe(Endpoint(fault_server.url, "m"))
    threading.Thread(target=lambda: (fault_server.stalled.wait(), asked.cancel())).start()
    found = asked.run()
    assert "stopped" in found.problem
    assert found.cure
    assert fault_server.left.wait(2.0)


def test_it_ends_once_nobody_wants_it_any_more(fault_server):
    """The dialog of a server only sets a flag, and no step may be going to report anything for a minute."""
    fault_server.script(LIST, SLOW)
    assert "stopped" in Probe(Endpoint(fault_server.url, "m"), unwanted=fault_server.stalled.is_set).run().problem
    assert fault_server.left.wait(2.0)


def test_cancel_before_it_begins(fault_server):
    asked = Probe(Endpoint(fault_server.url, "m"))
    asked.cancel()
    assert asked.run().problem
    assert not fault_server.asked


# What is remembered -------------------------------------------------------------------------------------------------

FOUND = Capabilities(("m",), vision=True, json_schema=True, reach=Reach.YOUR_NETWORK)


def test_what_was_found_is_remembered_per_address_and_model(tmp_path):
    path = tmp_path / "new" / "servers.json"
    memory = ProbeMemory(path)
    endpoint = Endpoint("http://host", "m", "sk-hidden")
    assert memory.get(endpoint) is None
    memory.forget()
    assert not path.exists()
    memory.keep(endpoint, FOUND)
    assert ProbeMemory(path).get(Endpoint("http://host/v1/", "m")) == FOUND
    assert memory.get(Endpoint("http://host", "other")) is None
    assert "hidden" not in path.read_text()
    memory.keep(endpoint, Capabilities(problem="Gone."))
    assert memory.get(endpoint) is None


def test_it_is_forgotten_when_asked_to(tmp_path):
    memory = ProbeMemory(tmp_path / "servers.json")
    one, two = Endpoint("http://one"), Endpoint("http://two")
    memory.keep(one, FOUND)
    memory.keep(two, FOUND)
    memory.forget(one)
    assert memory.get(one) is None
    assert memory.get(two) == FOUND
    memory.forget()
    assert memory.get(two) is None


def test_the_oldest_are_forgotten_first(tmp_path):
    memory = ProbeMemory(tmp_path / "servers.json")
    for n in range(60):
        memory.keep(Endpoint(f"http://host{n}"), FOUND)
    assert memory.get(Endpoint("http://host5")) is None
    assert memory.get(Endpoint("http://host59")) == FOUND


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"http://host/v1 m": 7}',
        b'{"http://host/v1 m": {"models": 7}}',
        b'{"http://host/v1 m": {"models": [], "reach": "MOON"}}',
    ],
)
def test_a_broken_memory_counts_as_empty_and_is_replaced(content, tmp_path):
    path = tmp_path / "servers.json"
    path.write_bytes(content)
    memory, endpoint = ProbeMemory(path), Endpoint("http://host", "m")
    assert memory.get(endpoint) is None
    memory.keep(endpoint, FOUND)
    assert memory.get(endpoint) == FOUND
    assert [file.name for file in tmp_path.iterdir()] == ["servers.json"]


def test_a_memory_of_the_wrong_types_does_no_harm(tmp_path):
    path = tmp_path / "servers.json"
    entry = {"models": ["m", 7], "vision": "yes", "tools": 1, "json_schema": True, "reach": "INTERNET"}
    path.write_text(json.dumps({"http://host/v1 m": entry}))
    found = ProbeMemory(path).get(Endpoint("http://host", "m"))
    assert found == Capabilities(("m",), json_schema=True)


def test_a_memory_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AssistantError, match="cannot be kept") as caught:
        ProbeMemory(tmp_path / "file" / "servers.json").keep(Endpoint("http://host"), FOUND)
    assert caught.value.hint
