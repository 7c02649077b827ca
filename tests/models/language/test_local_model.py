"""LocalModel against a process that has no network and does what it is told to, also what is wrong."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from scenescope.models.errors import AssistantError, ModelError, ScenescopeError
from scenescope.models.language import (
    Done,
    Evidence,
    Failed,
    ModelState,
    Phase,
    Picture,
    Reach,
    Request,
    Role,
    StreamEvent,
    TextDelta,
)
from scenescope.models.language.local import Limits, LocalModel, ModelFolder
from scenescope.models.language.local.fakes import ByHand
from scenescope.models.language.local.prompts import facts_of
from scenescope.models.vision.runtimes import RUNTIMES
from scenescope.pipelines.scene_state import SceneState

pytestmark = pytest.mark.slow

PICTURE = Picture(b"jpeg", 41, 1.5, (64, 48))
WAIT_S = 20.0


@pytest.fixture
def by_hand() -> ByHand:
    return ByHand()


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    (tmp_path / "config.json").write_text('{"model_type": "idefics3"}', encoding="utf-8")
    header = b'{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    return ModelFolder(tmp_path, "SmolVLM-500M", "Apache-2.0", 4, 4)


@pytest.fixture
def make(folder: ModelFolder, by_hand: ByHand) -> Iterator[Callable[..., LocalModel]]:
    made = []

    def build(behaviour: str = "talks", **changes: object) -> LocalModel:
        limits = changes.pop("limits", Limits(cancel_s=0.2))
        command = (sys.executable, "-m", "scenescope.models.language.local.fake_child", behaviour)
        model = LocalModel(
            folder, **{"limits": limits, "clock": by_hand, "timer": by_hand.timer, "command": command, **changes}
        )
        made.append(model)
        return model

    yield build
    for model in made:
        model.close()
        assert model.process_id is None


def ask(model: LocalModel, role: Role = Role.DESCRIBE, **more: object) -> list[StreamEvent]:
    return list(model.respond(Request(role, SceneState(), **{"pictures": (PICTURE,), **more})))


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# What goes well ----------------------------------------------------------------------------------------------------


def test_it_says_who_and_where_it_is(make):
    model = make()
    assert model.label == "SmolVLM-500M, on this computer"
    assert model.reach is Reach.THIS_COMPUTER
    assert model.roles == {Role.DESCRIBE, Role.LOOK}


def test_a_description_comes_in_pieces_with_its_picture_and_time(make):
    model = make()
    assert model.last_seconds == 0.0
    events = ask(model)
    assert [type(event) for event in events] == [TextDelta] * 3 + [Done]
    assert text_of(events) == "Two red cars."
    done = events[-1]
    assert done.evidence == (Evidence(41, 1.5),)
    assert done.description.summary == "Two red cars."
    assert (done.usage.input_tokens, done.usage.output_tokens, done.usage.requests) == (7, 3, 1)
    assert model.last_seconds > 0
    assert model.state == ModelState(Phase.READY, "Runs on CPU")


def test_the_same_process_answers_again(make):
    model = make()
    first = ask(model)
    pid = model.process_id
    assert text_of(ask(model)) == text_of(first)
    assert model.process_id == pid


def test_a_description_shows_the_newest_picture_and_a_question_the_newest_four(make):
    model = make("echoes")
    pictures = tuple(Picture(b"x", number, number / 2, (8, 8)) for number in range(6))
    said = text_of(ask(model, pictures=pictures))
    assert said.startswith("1 96 Describe this picture")
    events = ask(model, Role.LOOK, pictures=pictures, question="What {colour} is\n the  car?" + "x" * 9999)
    said = text_of(events)
    assert said.startswith("4 128 ")
    assert "Question: What {colour} is the car?xxx" in said
    assert len(said) < 900
    assert [evidence.frame_index for evidence in events[-1].evidence] == [2, 3, 4, 5]
    assert events[-1].description is None


@pytest.mark.parametrize(
    ("known", "facts"),
    [
        ({"watching": False, "counts": {"car": 2}}, ""),
        ({"watching": True, "counts": {}}, "A detector finds no object in it that it knows."),
        ({"watching": True, "counts": {"car": 2, "bus": 1}}, "A detector counts in it: 2 car, 1 bus."),
        (
            {"watching": True, "counts": {f"a{n}": n for n in range(9)}},
            "A detector counts in it: 0 a0, 1 a1, 2 a2, 3 a3, 4 a4, 5 a5 and more.",
        ),
        ({"watching": True, "counts": {"car": 2}, "labels_left_out": 1}, "A detector counts in it: 2 car and more."),
        ([], ""),
    ],
)  # fmt: skip
def test_the_numbers_in_a_prompt_are_those_of_the_scene(known, facts):
    assert facts_of(SimpleNamespace(to_json=lambda: json.dumps(known))) == facts


def test_an_answer_that_grows_too_long_ends_in_dots(make):
    events = ask(make("is cut"))
    assert text_of(events) == "Two cars and …"
    assert events[-1].description.summary == "Two cars and …"


# What it refuses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "pictures", "words"),
    [
        (Role.ANSWER, (PICTURE,), "answers nothing else"),
        (Role.DESCRIBE, (), "no picture"),
        (Role.LOOK, (), "no picture"),
    ],
)
def test_what_it_cannot_do_it_says_before_it_begins(make, role, pictures, words):
    model = make()
    with pytest.raises(AssistantError, match=words):
        model.respond(Request(role, SceneState(), pictures=pictures))
    assert model.process_id is None


def test_one_question_at_a_time(make):
    model = make("waits")
    stream = model.respond(Request(Role.DESCRIBE, SceneState(), pictures=(PICTURE,)))
    next(stream)
    with pytest.raises(AssistantError, match="looking already"):
        ask(model)
    assert model.state.phase is Phase.LOOKING
    stream.close()
    assert model.state.phase is Phase.READY


def test_a_question_that_was_never_begun_gives_way_to_the_next(make):
    model = make()
    forgotten = model.respond(Request(Role.DESCRIBE, SceneState(), pictures=(PICTURE,)))
    assert text_of(ask(model)) == "Two red cars."
    assert list(forgotten) == [Failed("Stopped.", cancelled=True)]


# States ------------------------------------------------------------------------------------------------------------


def test_the_states_on_the_way(make, folder, by_hand):
    model = make("never loads")
    assert model.state == ModelState(Phase.READY, "It is loaded when it is first asked.")
    model.load()
    wait_until(lambda: model.state == ModelState(Phase.LOADING, "Reading the weights"))
    model.unload()
    assert model.state.phase is Phase.STOPPED
    assert model.process_id is None
    model.set_downloading("1 of 2 MB")
    assert model.state == ModelState(Phase.DOWNLOADING, "1 of 2 MB")
    model.set_downloading(None)
    model.use_folder(None)
    assert model.state.phase is Phase.NEEDS_MODEL
    assert model.label == "A model on this computer"
    wanted = LocalModel(missing="Tiny")
    assert (wanted.label, wanted.state.why) == ("Tiny, on this computer", "Tiny is not downloaded.")
    (failed,) = ask(model)
    assert (failed.message, failed.cancelled) == ("No model is chosen.", False)
    assert "Models..." in failed.hint
    model.use_folder(folder)
    assert model.state.phase is Phase.READY
    model.close()
    model.close()
    assert model.state == ModelState(Phase.OFF)
    (failed,) = ask(model)
    assert "switched off" in failed.message


def test_loading_beforehand(make):
    model = make()
    model.load()
    wait_until(lambda: model.state == ModelState(Phase.READY, "Runs on CPU"))
    pid = model.process_id
    model.load()
    ask(model)
    assert model.process_id == pid


def test_memory_is_given_back_when_nobody_asks(make, by_hand):
    model = make()
    ask(model)
    ask(model)
    assert [timer.state for timer in by_hand.timers] == ["cancelled", "running"]
    assert by_hand.timers[-1].after_s == Limits().idle_s
    by_hand.timers[-1].call()
    assert model.process_id is None
    assert model.state.phase is Phase.STOPPED
    assert "given back" in model.state.why
    assert text_of(ask(model)) == "Two red cars."


def test_memory_is_not_given_back_while_it_looks(make, by_hand):
    model = make("waits")
    stream = model.respond(Request(Role.DESCRIBE, SceneState(), pictures=(PICTURE,)))
    next(stream)
    model._unload_idle()
    assert model.state.phase is Phase.LOOKING
    stream.close()


def test_a_model_that_is_gone_is_needed_again(make, folder):
    model = make()
    (folder.path / "config.json").unlink()
    (failed,) = ask(model)
    assert "no config.json" in failed.message
    assert model.state.phase is Phase.NEEDS_MODEL
    (folder.path / "config.json").write_text('{"model_type": "idefics3"}', encoding="utf-8")
    assert text_of(ask(model)) == "Two red cars."


def test_without_its_library_it_says_what_to_install(make, monkeypatch):
    monkeypatch.setitem(
        RUNTIMES, "transformers", SimpleNamespace(missing=("torch", "transformers"), extra="transformers")
    )
    model = make()
    (failed,) = ask(model)
    assert failed.message == "SmolVLM-500M needs torch and transformers, not installed here."
    assert failed.hint == "Install it: pip install 'scenescope[transformers]'."
    assert model.state.phase is Phase.UNAVAILABLE
    with pytest.raises(ScenescopeError):
        model.load()


def test_too_little_memory_is_said_before_anything_is_loaded(make):
    free = [1000]
    model = make(free_bytes=lambda: free[0])
    (failed,) = ask(model)
    assert failed.message.startswith("SmolVLM-500M needs about 700 MB of memory, 1.0 kB are free")
    assert model.state.phase is Phase.DEGRADED
    assert model.process_id is None
    free[0] = 10**12
    assert text_of(ask(model)) == "Two red cars."


def test_a_process_that_cannot_be_started(make):
    model = make(command=("/nothing/like/this",))
    (failed,) = ask(model)
    assert failed.message.startswith("No process can be started for the model")


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
