"""LocalModel against a process that has no network and does what it is told to."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from scenescope.models.errors import AssistantError, ScenescopeError
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
    TextDelta,
)
from scenescope.models.language.local import Limits, LocalModel
from scenescope.models.language.local.prompts import facts_of
from scenescope.models.language.local.talk_fakes import PICTURE, ask, text_of, wait_until
from scenescope.models.vision.runtimes import RUNTIMES
from scenescope.pipelines.scene_state import SceneState

pytestmark = pytest.mark.slow

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
