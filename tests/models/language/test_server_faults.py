"""A server that does everything wrong: every fault ends the answer with a sentence and a cure, in bounded time."""

from __future__ import annotations

import email.utils
import gzip
import json
import logging
import re
import socket
import threading
import time
from dataclasses import replace

import psutil
import pytest

from scenescope.models.language import Done, Failed, Phase, Request, Role, TextDelta
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import ENDLESS, STALL, Reply, chunk, completion, refusal, sse, words
from scenescope.models.language.server.limits import Limits
from scenescope.models.language.server.probe import Capabilities

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("loopback_only")]

SEES = Capabilities(vision=True)
HALF = sse(chunk("Two"), done=False)
END = sse(chunk(finish="stop"))


def model_of(server, limits, capabilities=SEES, **named):
    return ServerModel(Endpoint(server.url, "m", "sk-hidden"), capabilities, limits=limits, **named)


def ask(model, scene, role=Role.DESCRIBE):
    events = list(model.respond(Request(role, scene, "What is there?")))
    assert isinstance(events[-1], (Done, Failed))
    assert all(isinstance(event, TextDelta) for event in events[:-1])
    return events


FAULTS = {
    "stall before headers": (Reply(stall_before_headers=True), "did not begin to answer"),
    "slow headers": (Reply(stall_in_headers=True), "did not begin to answer"),
    "stall before the first token": (Reply([STALL]), "did not begin to answer"),
    "only signs of life": (Reply([b": ping\n\n", sse(chunk(role="assistant"), done=False), STALL]), "did not begin"),
    "stall between tokens": (Reply([HALF, STALL]), "fell silent"),
    "half an event, then closed": (Reply([HALF, b'data: {"choi']), "broke off"),
    "closed without an end": (Reply([HALF]), "broke off"),
    "closed without a word": (Reply(), "broke off"),
    "shorter than promised": (Reply([HALF], headers={"Content-Length": "9999"}), "broke off"),
    "bad JSON": (Reply([b"data: {nonsense}\n\n"]), "no answer"),
    "JSON of another kind": (Reply([b"data: [1, 2]\n\ndata: 7\n\n"]), "no answer|broke off"),
    "choices that are none": (Reply([b'data: {"choices": 7}\n\n']), "no answer|broke off"),
    "a delta that is none": (Reply([b'data: {"choices": [{"delta": null, "index": 0}]}\n\n']), "no answer|broke off"),
    "no choices": (Reply([b'data: {"choices": []}\n\ndata: [DONE]\n\n']), "broke off"),
    "not UTF-8": (Reply([b"data: \xff\xfe\n\n"]), "no answer"),
    "no HTTP": (Reply(headers={"X": "\r\nbroken\r\n :"}), "broke off|no answer"),
    "a web page": (Reply([b"<html>Hi</html>"], kind="text/html; charset=utf-8"), "web page"),
    "not streamed": (completion("Two people."), "does not stream"),
    "an error with status 200": (Reply([b'{"error": "Out of memory"}'], kind="application/json"), "Out of memory"),
    "an error in the stream": (Reply([HALF, b'data: {"error": {"message": "Out of memory"}}\n\n']), "Out of memory"),
    "an empty answer": (Reply([sse(chunk(""), chunk(finish="stop"))]), "answered nothing"),
    "only thoughts": (Reply([sse(chunk("<think>hm</think>"), chunk(finish="stop"))]), "answered nothing"),
    "it declines": (Reply([sse(chunk(refusal="I cannot help with people."))]), "declines.*cannot help with people"),
    "it is filtered": (Reply([sse(chunk("Two", finish="content_filter"))]), "declines"),
    "401": (refusal(401, "Incorrect API key provided: sk-hidden"), "refuses the key"),
    "403": (refusal(403), "refuses the key"),
    "404": (refusal(404, "Not Found"), "no chat at this address"),
    "404 of a model": (refusal(404, "model 'm' not found, try pulling it first"), "does not have 'm'"),
    "no model is loaded": (refusal(400, "No models loaded. Please load a model first."), "does not have 'm'"),
    "pictures are refused": (refusal(500, "image input is not supported - hint: provide the mmproj"), "cannot look at"),
    "too long": (refusal(400, "the request exceeds the available context size (2048 tokens)"), "too long"),
    "400": (refusal(400, "Bad \u202eparameter"), 'refuses the request.*"Bad parameter"'),
    "418": (Reply([b"short and stout"], 418, "text/plain"), "refuses the request"),
    "429": (refusal(429, Retry_After="0"), "asked too often"),
    "429, a long wait": (refusal(429, Retry_After="75"), "asks to wait 75 s"),
    "429, a huge wait": (refusal(429, Retry_After="9" * 90), "asks to wait"),
    "429, garbage": (refusal(429, Retry_After="soon"), "asked too often"),
    "429, below zero": (refusal(429, Retry_After="-5"), "asked too often"),
    "500": (Reply([b"Traceback"], 500, "text/plain"), "status 500"),
    "502 with a page": (Reply([b"<html>"], 502, "text/html"), "status 502"),
    "503": (refusal(503), "too busy"),
    "503 while loading": (refusal(503, "Loading model"), "still loading"),
    "an endless error": (Reply([b"x" * 1000, ENDLESS], 500), "status 500"),
    "a stalled error": (Reply([b"{", STALL], 500), "status 500|did not begin"),
    "redirect": (Reply(status=307, headers={"Location": "http://203.0.113.9/v1"}), "203.0.113.9.*not followed"),
    "redirect to nonsense": (Reply(status=302, headers={"Location": "::::"}), "another address"),
    "redirect to itself": (Reply(status=302, headers={"Location": "/v1"}), "another address"),
    "a gzip bomb": (Reply([gzip.compress(bytes(10**7))], headers={"Content-Encoding": "gzip"}), "compressed"),
    "an endless line": (Reply([b"data: " + b"x" * 5000, ENDLESS]), "cut off"),
    "endless signs of life": (Reply([b": ping\n\n" * 1000, ENDLESS]), "cut off"),
    "endless blanks": (Reply([sse(chunk(" \n" * 50), done=False) * 50, ENDLESS]), "cut off"),
    "endless JSON": (Reply([sse(chunk('{"a":['), done=False), sse(chunk('7,' * 99), done=False), ENDLESS]), "be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_has_a_sentence_and_a_cure(name, fault_server, scene, quick):
    reply, sentence = FAULTS[name]
    fault_server.script(reply)
    model = model_of(fault_server, quick)
    began = time.monotonic()
    failed = ask(model, scene)[-1]
    assert time.monotonic() - began < 8.0
    assert isinstance(failed, Failed)
    assert not failed.cancelled
    assert re.search(sentence, failed.message), failed
    assert failed.hint
    assert len(failed.message) < 400
    assert "hidden" not in f"{failed}"
    assert "\u202e" not in failed.message
    assert model.state.phase in (Phase.DEGRADED, Phase.LOADING)
    assert (model.state.why, model.state.cure) == (failed.message, failed.hint)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("wait", [{}, {"Retry_After": "0.01"}, {"Retry_After": "nonsense"}])
def test_it_is_tried_once_more_after_the_wait_that_is_asked_for(status, wait, fault_server, scene, quick):
    fault_server.script(refusal(status, **wait), words("Two people."))
    assert isinstance(ask(model_of(fault_server, quick), scene)[-1], Done)
    assert len(fault_server.asked) == 2


def test_a_connection_that_cannot_be_made_is_tried_once_more(fault_server, scene, quick):
    fault_server.script(words("Two people."))
    addresses = ["127.0.0.2", "127.0.0.1"]
    endpoint = Endpoint(f"http://box.example:{fault_server.port}", "m")
    model = ServerModel(endpoint, SEES, limits=quick, lookup=lambda host, port: [addresses.pop(0)])
    assert isinstance(ask(model, scene)[-1], Done)
    assert not addresses


@pytest.mark.parametrize(("status", "requests"), [(429, 2), (503, 2), (500, 1), (401, 1), (400, 1)])
def test_it_is_not_tried_more_often(status, requests, fault_server, scene, quick):
    fault_server.script(refusal(status))
    assert isinstance(ask(model_of(fault_server, quick), scene)[-1], Failed)
    assert len(fault_server.asked) == requests


def test_a_wait_that_is_too_long_is_told_instead_of_waited_for(fault_server, scene, quick):
    at = email.utils.formatdate(time.time() + 3000, usegmt=True)
    fault_server.script(refusal(429, Retry_After=at))
    failed = ask(model_of(fault_server, quick), scene)[-1]
    assert isinstance(failed, Failed)
    assert "50 min" in failed.message
    assert len(fault_server.asked) == 1


def test_nobody_listens(scene, quick):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    failed = ask(ServerModel(Endpoint(f"http://localhost:{port}", "m"), SEES, limits=quick), scene)[-1]
    assert isinstance(failed, Failed)
    assert f"localhost:{port}" in failed.message
    assert "Start the server" in failed.hint


def test_plain_http_behind_https(fault_server, scene, quick):
    fault_server.script(words("Two people."))
    url = fault_server.url.replace("http:", "https:")
    failed = ask(ServerModel(Endpoint(url, "m"), SEES, limits=quick), scene)[-1]
    assert isinstance(failed, Failed)
    assert "http://" in failed.hint


def test_the_whole_answer_has_a_limit_too(fault_server, scene, quick):
    fault_server.script(Reply([b": ping\n\n", STALL]))
    limits = replace(quick, total_s=0.2, first_token_s=5.0)
    failed = ask(model_of(fault_server, limits), scene)[-1]
    assert isinstance(failed, Failed)
    assert "not finished after 0.2 s" in failed.message


@pytest.mark.parametrize("text", ["word " * 3000, "Ignore that.\u202e\x07 " * 200])
def test_an_enormous_description_is_cut_and_the_connection_closed(text, fault_server, scene, quick):
    fault_server.script(Reply([sse(chunk(text), done=False), ENDLESS]))
    *deltas, done = ask(model_of(fault_server, quick), scene)
    assert isinstance(done, Done)
    assert len(done.description.summary) == 240
    assert "".join(delta.text for delta in deltas) == done.description.summary
    assert done.description.summary.replace("…", "").isprintable()
    assert fault_server.left.wait(5.0)


def test_what_comes_after_the_end_is_not_read(fault_server, scene, quick):
    fault_server.script(Reply([sse(chunk("Two people."), chunk(finish="stop")), b"x" * 9000, ENDLESS]))
    assert ask(model_of(fault_server, quick), scene)[-1].description.summary == "Two people."
    assert fault_server.left.wait(5.0)


def test_an_endless_look_is_cut_which_is_said(fault_server, scene, quick):
    fault_server.script(Reply([sse(chunk("word " * 50), done=False), ENDLESS]))
    *deltas, done = ask(model_of(fault_server, quick), scene, Role.LOOK)
    text = "".join(delta.text for delta in deltas)
    assert isinstance(done, Done)
    assert 1200 < len(text) < 1300
    assert text.endswith("(cut off, it is too long)")
    assert fault_server.left.wait(5.0)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(stall_before_headers=True),
        Reply(stall_in_headers=True),
        Reply([STALL]),
        Reply([HALF, STALL]),
        Reply([sse(chunk("Two "), done=False), ENDLESS]),
    ],
)
def test_cancel_at_every_stage_ends_the_answer_and_the_request(reply, fault_server, scene):
    """The connection is closed, so that the server stops too. How long it takes: benchmarks/assistant_cancel.py."""
    fault_server.script(reply)
    model = model_of(fault_server, Limits(max_reply_bytes=10**9))
    threading.Thread(target=lambda: (fault_server.stalled.wait(), model.cancel())).start()
    began = time.monotonic()
    last = ask(model, scene, Role.LOOK)[-1]
    if reply.body[-1:] != [ENDLESS]:
        assert last == Failed("Stopped.", cancelled=True)
        assert model.state.phase is Phase.STOPPED
    assert time.monotonic() - began < 2.0
    assert fault_server.left.wait(2.0)


def test_cancel_while_it_waits_to_try_again(fault_server, scene, quick):
    fault_server.script(refusal(503))
    model = model_of(fault_server, replace(quick, retry_s=60.0, max_retry_s=60.0, total_s=90.0))

    def cancel_when_asked():
        while not fault_server.asked:
            threading.Event().wait(0.01)
        model.cancel()

    threading.Thread(target=cancel_when_asked).start()
    assert ask(model, scene)[-1].cancelled


def test_three_failures_open_the_breaker_and_one_success_closes_it(fault_server, scene, quick):
    now = [100.0]
    fault_server.script(refusal(500))
    model = model_of(fault_server, quick, clock=lambda: now[0])
    assert model.state.phase is Phase.READY
    for _ in range(2):
        ask(model, scene)
        assert model.state.phase is Phase.DEGRADED
    ask(model, scene)
    assert model.state.phase is Phase.UNAVAILABLE
    assert "30 s" in model.state.cure
    failed = ask(model, scene)[-1]
    assert "left alone for 30 s" in failed.message
    assert len(fault_server.asked) == 3

    now[0] += 31
    assert model.state.phase is Phase.DEGRADED
    ask(model, scene)  # half open: one request, which fails
    assert model.state.phase is Phase.UNAVAILABLE
    assert len(fault_server.asked) == 4

    now[0] += 31
    fault_server.script(words("Two people."))
    assert isinstance(ask(model, scene)[-1], Done)
    assert model.state.phase is Phase.READY


def test_cancelling_is_no_failure_of_the_server(fault_server, scene, quick):
    fault_server.script(Reply([STALL]))
    model = model_of(fault_server, Limits())
    for _ in range(4):
        fault_server.stalled.clear()
        threading.Thread(target=lambda: (fault_server.stalled.wait(), model.cancel())).start()
        assert ask(model, scene)[-1].cancelled
    fault_server.script(words("Two people."))
    assert isinstance(ask(model, scene)[-1], Done)


@pytest.mark.parametrize("reply", [words("Two people."), Reply([HALF, STALL]), refusal(429), Reply(status=302)])
def test_no_connection_is_left_open(reply, fault_server, scene, quick):
    fault_server.script(reply)
    ask(model_of(fault_server, quick), scene)
    ours = [c for c in psutil.Process().net_connections("tcp") if c.raddr and c.raddr.port == fault_server.port]
    assert not ours


def test_a_closed_model_answers_nothing(fault_server, scene, quick):
    model = model_of(fault_server, quick)
    model.close()
    model.close()
    assert isinstance(ask(model, scene)[-1], Failed)
    assert not fault_server.asked


def test_options_that_a_server_does_not_know_are_left_out(fault_server, scene, quick):
    fault_server.script(
        refusal(400, "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."),
        refusal(422, "temperature: only 1 is allowed"),
        words("Two people."),
    )
    model = model_of(fault_server, quick)
    assert isinstance(ask(model, scene)[-1], Done)
    assert isinstance(ask(model, scene)[-1], Done)
    assert len(fault_server.asked) == 4
    assert {"max_tokens", "temperature"}.isdisjoint(fault_server.asked[-1].content)


def test_the_key_is_in_no_log(fault_server, scene, quick, caplog):
    caplog.set_level(logging.DEBUG)
    fault_server.script(refusal(401, "Wrong key: sk-hidden"))
    model = model_of(fault_server, quick)
    failed = ask(model, scene)[-1]
    assert "hidden" not in caplog.text + repr(failed) + repr(model.state)
    assert caplog.records


def test_what_is_asked_is_what_was_said_it_would_be(fault_server, scene, quick):
    fault_server.script(words("Two people."))
    ask(model_of(fault_server, quick), scene)
    (asked,) = fault_server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.content["model"] == "m"
    assert asked.content["stream"] is True
    assert json.loads(scene.text)["total"] == 3
    assert scene.text in asked.content["messages"][1]["content"]
