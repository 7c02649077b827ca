"""LocalModel against a process that is cancelled, stalls, dies, or says what is wrong."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from scenescope.models.errors import ModelError
from scenescope.models.language import (
    Failed,
    Phase,
    Picture,
    Request,
    Role,
    StreamEvent,
    TextDelta,
)
from scenescope.models.language.local import Limits, ModelFolder
from scenescope.models.language.local.talk_fakes import PICTURE, WAIT_S, ask, text_of, wait_until
from scenescope.pipelines.scene_state import SceneState

pytestmark = pytest.mark.slow

# Cancel ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["waits", "is silent", "is deaf", "never loads"])
def test_cancel_ends_the_request(make, behaviour):
    model = make(behaviour)
    came: list[StreamEvent] = []
    thread = threading.Thread(target=lambda: came.extend(ask(model)))
    thread.start()
    wanted = Phase.LOADING if behaviour == "never loads" else Phase.LOOKING
    wait_until(lambda: model.state.phase is wanted)
    model.cancel()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert came[-1] == Failed("Stopped.", cancelled=True)


def test_cancel_before_the_first_step_starts_nothing(make):
    model = make()
    stream = model.respond(Request(Role.DESCRIBE, SceneState(), pictures=(PICTURE,)))
    model.cancel()
    assert list(stream) == [Failed("Stopped.", cancelled=True)]
    assert model.process_id is None


def test_a_cancelled_process_that_answers_lives_on(make):
    model = make("waits")
    stream = model.respond(Request(Role.DESCRIBE, SceneState(), pictures=(PICTURE,)))
    next(stream)
    pid = model.process_id
    model.cancel()
    assert list(stream) == [Failed("Stopped.", cancelled=True)]
    again = model.respond(Request(Role.DESCRIBE, SceneState(), pictures=(PICTURE,)))
    assert isinstance(next(again), TextDelta)
    assert model.process_id == pid
    again.close()


def test_one_that_does_not_answer_a_cancel_is_killed_and_started_again(make, by_hand):
    model = make("is deaf")
    stream = model.respond(Request(Role.DESCRIBE, SceneState(), pictures=(PICTURE,)))
    next(stream)
    pid = model.process_id
    model.cancel()
    assert list(stream) == [Failed("Stopped.", cancelled=True)]
    wait_until(lambda: model.process_id is None)
    assert model.state.phase is Phase.DEGRADED
    assert "did not stop" in model.state.why
    by_hand.now_s += 60
    again = model.respond(Request(Role.DESCRIBE, SceneState(), pictures=(PICTURE,)))
    assert isinstance(next(again), TextDelta)
    assert model.process_id not in (None, pid)
    again.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no process")
def test_a_stopped_process_that_reads_nothing_blocks_nobody(make, by_hand):
    """Pictures larger than a pipe holds are being sent to it."""
    model = make("waits")
    ask_for = Request(Role.DESCRIBE, SceneState(), pictures=(Picture(bytes(8 << 20), 0, 0.0, (8, 8)),))
    model.load()
    wait_until(lambda: model.state.phase is Phase.READY)
    os.kill(model.process_id, signal.SIGSTOP)
    came: list[StreamEvent] = []
    thread = threading.Thread(target=lambda: came.extend(model.respond(ask_for)))
    thread.start()
    wait_until(lambda: model.state.phase is Phase.LOOKING)
    model.cancel()
    thread.join(WAIT_S)
    assert came == [Failed("Stopped.", cancelled=True)]
    wait_until(lambda: model.process_id is None)


# What goes wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("dies", "exit code 1): Traceback: it went wrong here"),
        ("dies at once", "exit code -6)"),
        ("babbles", "ended"),
        ("talks rubbish", "ended"),
        ("says too much", "ended"),
        ("says half", "ended"),
        ("names no words", "ended"),
        ("says nothing", "found no words"),
        ("fails", "The picture cannot be read."),
        ("refuses for now", "It does not fit."),
    ],
)
def test_whatever_the_process_does_there_is_a_sentence_and_a_next_time(make, by_hand, behaviour, words):
    if sys.platform == "win32" and behaviour == "dies at once":
        words = "exit code"
    model = make(behaviour)
    for _ in range(2):
        failed = ask(model)[-1]
        assert isinstance(failed, Failed)
        assert not failed.cancelled
        assert words in failed.message
        by_hand.now_s += 100
    assert model.state.phase in (Phase.DEGRADED, Phase.READY)


def test_what_is_refused_for_good_is_not_tried_again_until_it_is_told_to(make):
    model = make("refuses for good")
    (failed,) = ask(model)
    assert failed.message == "It does not fit."
    assert model.state.phase is Phase.UNAVAILABLE
    wait_until(lambda: model.process_id is None)
    assert ask(model) == [failed]
    assert model.process_id is None
    model.load()
    assert model.process_id is not None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_one_that_is_killed_while_idle_is_noticed_and_started_again(make, by_hand):
    model = make()
    ask(model)
    pid = model.process_id
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: model.state.phase is Phase.DEGRADED)
    assert "memory runs out" in model.state.why
    by_hand.now_s += 1
    assert text_of(ask(model)) == "Two red cars."
    assert model.process_id != pid
    assert model.state.phase is Phase.READY


def test_deaths_in_a_row_make_longer_pauses_then_a_rest(make, by_hand):
    model = make("dies")
    for death in range(1, 4):
        assert "went wrong" in ask(model)[-1].message
        pause_s = model._not_before_s - by_hand.now_s
        assert pause_s == (1.0, 2.0, Limits().rest_s)[death - 1]
        if death < 3:
            assert model.state.phase is Phase.DEGRADED
            by_hand.now_s += pause_s
    assert model.state.phase is Phase.UNAVAILABLE
    (failed,) = ask(model)
    assert "3 times in a row" in failed.message
    assert "tried again in 60 s" in failed.hint
    assert model.process_id is None
    by_hand.now_s += 60
    assert "went wrong" in ask(model)[-1].message


def test_a_pause_can_be_cancelled(make):
    model = make("dies")
    ask(model)
    came: list[StreamEvent] = []
    thread = threading.Thread(target=lambda: came.extend(ask(model)))
    thread.start()
    wait_until(lambda: model._turn is not None and model._turn.running)
    model.cancel()
    thread.join(WAIT_S)
    assert came == [Failed("Stopped.", cancelled=True)]


def test_an_answer_brings_the_count_back_to_nothing(make, by_hand):
    model = make()
    model._count_failure(ModelError("It died."))
    model._count_failure(ModelError("It died.", permanent=False))
    by_hand.now_s += 100
    ask(model)
    model._count_failure(ModelError("It died.", permanent=False))
    assert model._not_before_s - by_hand.now_s == Limits().back_off_s


@pytest.mark.parametrize(
    ("behaviour", "limit", "words"),
    [
        ("is silent", {"first_s": 0.3}, "was given up after"),
        ("is deaf", {"between_s": 0.3}, "was given up after"),
        ("is deaf", {"total_s": 0.3}, "was given up after"),
        ("never loads", {"load_s": 0.3}, "was not ready in"),
    ],
)
def test_what_takes_too_long_is_given_up(make, behaviour, limit, words):
    model = make(behaviour, limits=Limits(cancel_s=0.2, **limit))
    failed = ask(model)[-1]
    assert words in failed.message
    assert "smaller model" in failed.hint
    assert model.state.phase is Phase.DEGRADED


def test_another_folder_ends_the_process_of_the_one_before(make, folder):
    model = make()
    ask(model)
    pid = model.process_id
    model.use_folder(ModelFolder(folder.path, "Another", "", 4, 4))
    assert model.process_id is None
    assert model.label == "Another, on this computer"
    ask(model)
    assert model.process_id != pid
