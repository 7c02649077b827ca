"""A server that could not be used is asked again; and the time that the user takes is not the server's."""

from __future__ import annotations

import asyncio
import threading

import pytest

from scenescope.models.language import Done, Failed, Phase, Reach, Request, Risk, Role, TextDelta, ToolReply, ToolSpec
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.describe import UNSEEN
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import STALL, Reply, chunk, models, refusal, sse, words
from scenescope.models.language.server.limits import Limits, waiting_for_user
from scenescope.models.language.server.probe import UNASKED, Capabilities

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("loopback_only")]

GONE = Capabilities(problem="Nothing answers.", cure="Start it.")
OK = words("OK")
NO = refusal(400, "not supported")
SEES_ONLY = (models("m"), OK, OK, NO, NO)
LOOK = ToolSpec("look", "Looks.", {"type": "object", "properties": {}}, Risk.READ)


@pytest.fixture
def model(fault_server, quick):
    return ServerModel(Endpoint(fault_server.url), GONE, limits=quick)


def ask(model, scene, role=Role.ANSWER):
    return list(model.respond(Request(role, scene, "What is there?")))


def test_it_waits_for_a_question_and_says_why(model):
    assert (model.state.phase, model.state.why, model.state.cure) == (Phase.UNAVAILABLE, GONE.problem, GONE.cure)
    assert model.roles == {Role.ANSWER}
    assert ServerModel(model.endpoint, UNASKED).state.phase is Phase.LOADING


def test_a_question_finds_out_that_it_is_back_and_is_answered(model, fault_server, scene):
    found = []
    model.found_out = found.append
    fault_server.script(*SEES_ONLY, words("Two people."))
    *deltas, done = ask(model, scene)
    assert ("".join(delta.text for delta in deltas), type(done)) == ("Two people.", Done)
    assert (model.state.phase, model.roles, model.reach) == (Phase.READY, frozenset(Role), Reach.THIS_COMPUTER)
    assert model.label == "m at 127.0.0.1"
    assert fault_server.asked[-1].content["model"] == "m"
    assert found == [model.capabilities]
    assert scene.text not in "".join(str(asked.content) for asked in fault_server.asked)


def test_a_question_to_one_that_is_still_gone_says_what_is_wrong_now(model, fault_server, scene):
    fault_server.script(refusal(503, "Loading model"))
    for _ in range(4):
        failed = ask(model, scene)[-1]
        assert isinstance(failed, Failed)
        assert "still loading" in failed.message
        assert failed.hint
        assert (model.state.phase, model.state.why) == (Phase.UNAVAILABLE, failed.message)


def test_who_had_no_pictures_for_it_is_told_that_it_did_not_look(model, fault_server, scene):
    fault_server.script(*SEES_ONLY, words("Two people."))
    *deltas, _ = ask(model, scene, Role.DESCRIBE)
    assert deltas[0].text == UNSEEN
    assert Role.LOOK in model.roles


def test_it_is_asked_in_between_with_nothing_of_the_users(model, fault_server, scene):
    fault_server.script(refusal(503))
    model.ask_anew()
    assert model.state.phase is Phase.UNAVAILABLE
    fault_server.script(*SEES_ONLY)
    model.ask_anew()
    assert model.state.phase is Phase.READY


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_asking_in_between_ends_when_it_is_cancelled(model, fault_server, end):
    fault_server.script(models("m"), Reply([STALL]))
    asking = threading.Thread(target=model.ask_anew)
    asking.start()
    assert fault_server.stalled.wait(5.0)
    getattr(model, end)()
    asking.join(5.0)
    assert not asking.is_alive()
    assert fault_server.left.wait(5.0)
    assert model.state.phase is Phase.UNAVAILABLE


def test_a_question_does_not_wait_for_what_is_asked_in_between(model, fault_server, scene):
    fault_server.script(models("m"), Reply([STALL]), *SEES_ONLY, words("Two people."))
    asking = threading.Thread(target=model.ask_anew)
    asking.start()
    assert fault_server.stalled.wait(5.0)
    assert isinstance(ask(model, scene)[-1], Done)
    asking.join(5.0)
    assert not asking.is_alive()


def test_it_is_not_asked_while_it_answers_nor_after_it_was_closed(model, fault_server, scene):
    fault_server.script(*SEES_ONLY, Reply([sse(chunk("Two"), done=False), STALL]))
    events = model.respond(Request(Role.ANSWER, scene, "What is there?"))
    assert next(events) == TextDelta("Two")
    asked = len(fault_server.asked)
    model.ask_anew()
    model.close()
    model.ask_anew()
    assert isinstance(list(events)[-1], Failed)
    assert len(fault_server.asked) == asked


def test_what_a_probe_found_counts_unless_it_is_a_problem_of_the_moment(model):
    can = Capabilities(("m",), vision=True)
    model.learn(can)
    model.learn(GONE)
    assert (model.capabilities, model.state.phase) == (can, Phase.READY)


def test_a_probe_that_succeeds_ends_the_rest_after_failures(fault_server, scene, quick):
    model = ServerModel(Endpoint(fault_server.url, "m"), Capabilities(("m",)), limits=quick)
    fault_server.script(refusal(500))
    for _ in range(3):
        ask(model, scene)
    assert model.state.phase is Phase.UNAVAILABLE
    fault_server.script(*SEES_ONLY)
    model.ask_anew()
    assert model.state.phase is Phase.READY
    fault_server.script(words("Two people."))
    assert isinstance(ask(model, scene)[-1], Done)


# The user's time -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asks_user", [True, False])
def test_the_time_that_the_user_takes_to_decide_is_not_the_turns(asks_user, fault_server, scene, monkeypatch):
    """Ten minutes pass while a tool runs: with a dialog open they do not count, otherwise they do."""
    late_s = [0.0]
    loops = []

    class Loop(asyncio.SelectorEventLoop):
        def time(self):
            return super().time() + late_s[0]

    def new_loop():
        loops.append(Loop())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", new_loop)

    def after_what_was_told():
        noted = threading.Event()
        loops[-1].call_soon_threadsafe(noted.set)
        assert noted.wait(5.0)

    def decided():
        after_what_was_told()
        late_s[0] += 600
        # The loop looks at the clock while the dialog is still open.
        after_what_was_told()

    def call(name, args):
        if asks_user:
            with waiting_for_user():
                decided()
            after_what_was_told()
        else:
            decided()
        return ToolReply({"seen": "a dog"})

    calling = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    fault_server.script(Reply([sse(chunk(tool_calls=[calling]), chunk(finish="tool_calls"))]), words("A dog."))
    model = ServerModel(Endpoint(fault_server.url, "m"), Capabilities(("m",), tools=True), limits=Limits())
    *_, last = model.respond(Request(Role.ANSWER, scene, "What do you see?", tools=(LOOK,), call=call))
    if asks_user:
        assert isinstance(last, Done)
    else:
        assert isinstance(last, Failed)
        assert "not finished after 90 s" in last.message


def test_waiting_for_the_user_outside_of_a_turn_does_nothing():
    with waiting_for_user():
        pass
