"""Watching: what a watch has seen is told, marked, and confirmed by a model where its rule wants that."""

from __future__ import annotations

import pytest

from scenescope.app.assistant.conversation_fakes import ScriptedModel, says
from scenescope.models.language import Done, Evidence, Failed, MessageKind, Reach, Role
from scenescope.pipelines.watches import WatchRule
from scenescope.pipelines.watches.sink import WatchHit


def hit(question: str = "Is it red?", index: int = 42) -> WatchHit:
    rule = WatchRule(name="Trucks", trigger="appear", labels=("truck",), question=question)
    return WatchHit(rule, None, index, index / 10, 1000.0, (7,), "A truck appeared.")


def told(rehearsal, of: WatchHit | None = None):
    """The message of a hit, once it is whole."""
    rehearsal.assistant.watch_hit(of or hit())
    rehearsal.settle()
    return rehearsal.said(MessageKind.WATCH)[-1]


def marks(rehearsal) -> list[tuple[int, float, str]]:
    """The marks on the timeline."""
    rehearsal.log.flush()
    return [(mark.frame, mark.t_s, mark.text) for mark in rehearsal.log.search("Trucks")]


@pytest.mark.parametrize("with_model", [False, True])
def test_without_a_question_the_user_is_told_at_once(rehearsal, with_model):
    model = rehearsal.use(ScriptedModel(says("unused"))) if with_model else None
    message = told(rehearsal, hit(question=""))
    assert (message.text, message.notes, message.checked) == ("A truck appeared.", (), True)
    assert (message.hint, message.wall_s, message.pts_s) == ("Trucks", 1000.0, 4.2)
    assert message.evidence == (Evidence(42, 4.2, 7),)
    assert rehearsal.assistant.last_hit("Trucks") == 1000.0
    assert rehearsal.assistant.last_hit("Cars") is None
    assert model is None or model.requests == []


@pytest.mark.parametrize("has_session", [True, False])
def test_a_mark_is_set_where_something_is_logged(rehearsal, has_session):
    if has_session:
        rehearsal.begin_session()
    assert told(rehearsal)
    assert marks(rehearsal) == ([(42, 4.2, "Trucks: A truck appeared. Not confirmed.")] if has_session else [])


def test_without_a_question_there_is_nothing_to_confirm(rehearsal):
    rehearsal.begin_session()
    assert told(rehearsal, hit(question=""))
    assert marks(rehearsal) == [(42, 4.2, "Trucks: A truck appeared.")]


def test_the_mark_says_what_came_of_the_question(rehearsal):
    rehearsal.begin_session()
    rehearsal.show_picture(42)
    rehearsal.use(ScriptedModel(says("Yes."), says("No.")))
    assert told(rehearsal)
    rehearsal.now_s += 3
    assert told(rehearsal, hit(index=43))
    told_by = [text for _, _, text in sorted(marks(rehearsal))]
    assert told_by == [
        "Trucks: A truck appeared. Scripted confirms it.",
        "Trucks: A truck appeared. Scripted does not confirm it.",
    ]


def test_what_does_not_fit_the_budget_stays_unconfirmed(rehearsal):
    rehearsal.begin_session()
    rehearsal.show_picture(42)
    model = rehearsal.use(ScriptedModel(says("Yes.")))
    whole = []
    for _ in range(4):
        whole.append(told(rehearsal))
        rehearsal.now_s += 1.6
    refused = ("Not confirmed: for watches, a model looks no more often than once in 3 s.",)
    assert [message.notes for message in whole] == [(), refused, (), refused]
    assert len(model.requests) == 2
    assert [text.endswith("Not confirmed.") for _, _, text in marks(rehearsal)].count(True) == 2
    assert not any(message.doing for message in rehearsal.assistant.messages)


def test_what_waits_at_the_end_is_kept_as_unconfirmed(rehearsal):
    rehearsal.begin_session()
    rehearsal.show_picture(42)
    model = ScriptedModel()
    rehearsal.use(model.then(model.stall(), says("Yes.")))
    rehearsal.assistant.ask("Tell me something about all this.")
    assert model.stalled.wait(10)
    rehearsal.assistant.watch_hit(hit())
    rehearsal.assistant.close()
    (message,) = rehearsal.said(MessageKind.WATCH)
    assert (message.doing, message.notes) == ("", ("Not confirmed: the assistant was closed first.",))
    assert marks(rehearsal) == [(42, 4.2, "Trucks: A truck appeared. Not confirmed.")]
    (kept,) = rehearsal.log.talk.search("truck")
    assert (kept.message.text, kept.message.notes) == (message.text, message.notes)


def test_a_log_that_is_closed_does_not_hide_it(rehearsal):
    rehearsal.begin_session()
    rehearsal.log.close()
    assert told(rehearsal, hit(question="")).text == "A truck appeared."


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Yes, it is red.", "confirms it: Yes, it is red."),
        ("**YES**", "confirms it: **YES**"),
        ("\n No.\n", "does not confirm it: No."),
        ("no", "does not confirm it: no"),
        ("Perhaps", "gives no clear answer: Perhaps"),
        ("Yesterday it was.", "gives no clear answer: Yesterday it was."),
        ("...", "gives no clear answer: ..."),
    ],
)
def test_a_model_confirms_what_the_detector_saw(rehearsal, said, words):
    rehearsal.show_picture(42)
    model = rehearsal.use(ScriptedModel(says(said)))
    message = told(rehearsal)
    assert message.text == f"A truck appeared. Scripted {words}"
    # What the model says was not looked up.
    assert (message.doing, message.checked, len(message.pictures)) == ("", False, 1)
    assert message.evidence == (Evidence(42, 4.2, 7), Evidence(42, 4.2))
    assert (model.requests[0].role, model.requests[0].question) == (Role.LOOK, "Is it red? Begin with yes or no.")
    doing = [one.doing for one in rehearsal.heard if one.kind is MessageKind.WATCH]
    assert doing == ["Asking Scripted to confirm", ""]


def test_it_looks_at_the_moment_of_the_hit(rehearsal):
    for index in (40, 60, 80, 99):
        rehearsal.show_picture(index)
    model = rehearsal.use(ScriptedModel(says("Yes.")))
    told(rehearsal)
    assert [picture.frame_index for picture in model.requests[0].pictures] == [40]


def test_a_flood_of_words_is_cut(rehearsal):
    rehearsal.show_picture(42)
    rehearsal.use(ScriptedModel(says("Yes. " * 10_000)))
    assert len(told(rehearsal).text) == 500


@pytest.mark.parametrize(
    ("parts", "note"),
    [
        ((Failed("It is gone.", "Start it."),), "Not confirmed: It is gone."),
        (("Yes", Failed("Cut.")), "Not confirmed: Cut."),
        ((RuntimeError("boom"),), "Not confirmed: Scripted failed: RuntimeError: boom"),
        ((), "Not confirmed: Scripted broke off without an answer."),
        ((Done(),), "Not confirmed: Scripted said nothing."),
    ],
)
def test_a_model_that_fails_leaves_the_hit_standing(rehearsal, capsys, parts, note):
    rehearsal.show_picture(42)
    rehearsal.use(ScriptedModel(says(*parts)))
    message = told(rehearsal)
    assert (message.text, message.notes, message.doing, message.checked) == ("A truck appeared.", (note,), "", True)


@pytest.mark.parametrize("roles", [None, (Role.ANSWER, Role.DESCRIBE)])
def test_nobody_can_look(rehearsal, roles):
    if roles is not None:
        rehearsal.use(ScriptedModel(says("unused"), roles=roles))
    message = told(rehearsal)
    assert (message.text, message.notes) == ("A truck appeared.", ("No model was free to confirm it.",))


def test_no_picture_of_the_moment(rehearsal):
    rehearsal.show_picture(99)
    model = rehearsal.use(ScriptedModel(says("No.")))
    assert told(rehearsal).notes == ("Not confirmed: There is no picture to look at.",)
    assert model.requests == []


def test_the_user_is_not_asked_for_consent(rehearsal):
    rehearsal.show_picture(42)
    rehearsal.agrees = True
    model = rehearsal.use(ScriptedModel(says("Yes."), reach=Reach.INTERNET, host="vision.example"))
    message = told(rehearsal)
    assert message.notes[0].startswith("Not confirmed: ")
    assert (rehearsal.asked_for, model.requests) == ([], [])


def test_more_than_can_be_confirmed_are_told_at_once(rehearsal):
    rehearsal.show_picture(42)
    model = ScriptedModel()
    rehearsal.use(model.then(model.stall(), says("Yes.")))
    rehearsal.assistant.ask("Tell me something about all this.")
    assert model.stalled.wait(10)
    for _ in range(7):
        rehearsal.assistant.watch_hit(hit())
    model.gate.set()
    rehearsal.settle()
    notes = [message.notes for message in rehearsal.said(MessageKind.WATCH)]
    assert [one == ("No model was free to confirm it.",) for one in notes] == [False] * 5 + [True] * 2


def test_after_the_end_it_is_told_without_a_model(rehearsal):
    rehearsal.show_picture(42)
    rehearsal.use(ScriptedModel(says("Yes.")))
    rehearsal.assistant.close()
    message = told(rehearsal)
    assert (message.text, message.doing, message.notes) == (
        "A truck appeared.",
        "",
        ("No model was free to confirm it.",),
    )
