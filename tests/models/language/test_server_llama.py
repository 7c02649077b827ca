"""The wire against a real llama.cpp server; it proves nothing about answers, 135 million weights know little."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from scenescope.models.language import Done, Failed, Phase, Reach, Request, Role, TextDelta, ToolReply
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.limits import Limits
from scenescope.models.language.server.probe import Capabilities, Probe
from scenescope.models.language.tools import Risk, ToolSpec

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("loopback_only")]

PATIENT = Limits(first_token_s=120.0, between_tokens_s=60.0, total_s=170.0)
PLAIN = Capabilities(("smollm2",))
FORMED = replace(PLAIN, json_schema=True)


def question(scene, text):
    spec = ToolSpec("scene_now", "", {}, Risk.READ)
    return Request(Role.ANSWER, scene, text, tools=(spec,), call=lambda name, args: ToolReply({"total": 3}))


def test_what_it_can_do_is_found_out(llama_server):
    limits = replace(PATIENT, total_s=120.0)
    found = Probe(llama_server.endpoint, limits=limits).run()
    assert found.problem == ""
    assert found.models == ("smollm2",)
    assert found.reach is Reach.THIS_COMPUTER
    assert found.json_schema
    assert not found.vision


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_wrong_key(key, llama_server, scene):
    endpoint = replace(llama_server.endpoint, key=key)
    found = Probe(endpoint, limits=PATIENT).run()
    assert "key" in found.problem
    assert found.cure
    failed = list(ServerModel(endpoint, PLAIN, limits=PATIENT).respond(question(scene, "How many?")))[-1]
    assert isinstance(failed, Failed)
    assert "key" in failed.message


def test_a_path_that_is_not_there(llama_server):
    endpoint = Endpoint(llama_server.endpoint.base_url.replace("/v1", "/nothing"), "smollm2", "secret")
    found = Probe(endpoint, limits=PATIENT).run()
    assert "no chat" in found.problem
    assert "/v1" in found.cure


def test_an_answer_streams_and_is_counted(llama_server, scene):
    model = ServerModel(llama_server.endpoint, PLAIN, limits=PATIENT)
    first, *deltas, done = model.respond(question(scene, "How many people are there?"))
    assert first.name == "scene_now"
    assert isinstance(done, Done), done
    assert len(deltas) > 1
    assert all(isinstance(delta, TextDelta) for delta in deltas)
    assert done.usage.input_tokens > 50
    assert done.usage.output_tokens >= len(deltas) - 1
    assert done.usage.requests == 1
    assert model.state.phase is Phase.READY


def test_a_description_keeps_to_the_form(llama_server, scene):
    model = ServerModel(llama_server.endpoint, FORMED, limits=PATIENT)
    events = list(model.respond(Request(Role.DESCRIBE, scene)))
    done = events[-1]
    assert isinstance(done, Done), done
    assert 0 < len(done.description.summary) <= 240
    text = "".join(event.text for event in events[1:-1])
    assert text.rstrip("…") == done.description.summary.rstrip("…")
    assert len(events) > 3


def test_a_picture_is_refused_with_a_cure(llama_server, scene):
    from scenescope.models.language import Picture
    from scenescope.models.language.server.probe import _picture

    model = ServerModel(llama_server.endpoint, replace(PLAIN, vision=True), limits=PATIENT)
    request = Request(Role.LOOK, scene, "What is there?", pictures=(Picture(_picture(), 0, 0.0, (64, 64)),))
    failed = list(model.respond(request))[-1]
    assert isinstance(failed, Failed)
    assert "cannot look at pictures" in failed.message
    assert "mmproj" in failed.hint


def test_cancel_in_the_middle_frees_the_one_slot(llama_server, scene):
    """The server answers one request at a time: the next one is only served if the first has ended there too."""
    model = ServerModel(llama_server.endpoint, FORMED, limits=PATIENT)
    begun, seen = threading.Event(), []

    def read():
        for event in model.respond(Request(Role.DESCRIBE, scene)):
            seen.append(event)
            if len(seen) == 3:  # the first one says that it does not look
                begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(120)
    began = time.monotonic()
    model.cancel()
    reader.join(2.0)
    assert not reader.is_alive()
    assert time.monotonic() - began < 2.0
    assert seen[-1] == Failed("Stopped.", cancelled=True)
    # Without the disconnection 200 tokens would come first.
    assert isinstance(list(model.respond(question(scene, "Hello?")))[-1], Done)
