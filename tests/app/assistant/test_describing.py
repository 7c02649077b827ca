"""Describing: when a model is asked to look, what becomes of what it says, and when the rules step in.

What the rules say of a scene that changes is in ``test_conversation.py``.
"""

from __future__ import annotations

import pytest

from scenescope.app.assistant.conversation_fakes import ScriptedModel, says
from scenescope.app.assistant.off import Off
from scenescope.app.assistant.rules import LABEL
from scenescope.models import AssistantError
from scenescope.models.language import (
    Description,
    Done,
    Evidence,
    Failed,
    MessageKind,
    ModelState,
    Phase,
    Reach,
    Role,
    SeenObject,
)
from scenescope.models.language.server.describe import UNSEEN

EXACT = "how many people are there?"
BY_RULE = "Now: 2 people and 1 car."
FAR = {"reach": Reach.INTERNET, "host": "vision.example"}


@pytest.fixture
def scene(rehearsal):
    """Described by the rules already, ten seconds with pictures."""
    for index in range(0, 100, 10):
        rehearsal.show_picture(index)
    rehearsal.assistant.clear()
    return rehearsal


def described(scene, kind: MessageKind = MessageKind.DESCRIPTION) -> list[tuple[str, str]]:
    """Who said what."""
    return [(message.author, message.text) for message in scene.said(kind)]


class TestWhen:
    def test_a_model_looks_when_something_is_new(self, scene):
        model = scene.use(ScriptedModel(says("One."), says("Two.")))
        for _ in range(2):
            scene.play.play(3)
        assert model.requests == []
        for expected in (["One."], ["One.", "Two."]):
            scene.change()
            scene.settle()
            assert [text for _, text in described(scene)] == expected
        scene.play.play(3)
        scene.settle()
        assert [request.role for request in model.requests] == [Role.DESCRIBE] * 2

    def test_it_is_shown_some_of_the_last_seconds_and_what_was_described_before(self, scene):
        model = scene.use(ScriptedModel(says("Two people and a car.")))
        for _ in range(2):
            scene.change()
            scene.settle()
        first, second = model.requests
        assert [picture.frame_index for picture in first.pictures] == [60, 70, 80, 90]
        assert (first.tools, first.call, first.question) == ((), None, "")
        assert second.scene_before == first.scene
        assert scene.said(MessageKind.DESCRIPTION)[0].pictures == first.pictures

    def test_not_while_something_else_is_being_said(self, scene):
        model = ScriptedModel()
        scene.use(model.then(model.stall(), says("Later.")))
        scene.assistant.ask("Tell me something about all this.")
        assert model.stalled.wait(10)
        scene.change()
        assert len(model.requests) == 1
        model.gate.set()
        scene.settle()
        scene.play.play(1)
        scene.settle()
        assert [text for _, text in described(scene)] == ["Later."]

    def test_not_while_it_pauses_but_when_asked(self, scene):
        model = scene.use(ScriptedModel(says("Now.")))
        scene.assistant.set_paused(True)
        assert scene.assistant.paused
        scene.change()
        scene.settle()
        assert model.requests == []
        scene.assistant.describe()
        scene.settle()
        assert described(scene) == [("Scripted", "Now.")]
        scene.change()
        scene.assistant.set_paused(False)
        scene.play.play(1)
        scene.settle()
        assert len(model.requests) == 2

    def test_without_a_sampler_only_when_asked(self, scene):
        scene.parts.sampler = None
        model = scene.use(ScriptedModel(says("Now.")))
        scene.play.play(30)
        scene.settle()
        assert model.requests == []
        scene.assistant.describe()
        scene.settle()
        assert len(model.requests) == 1

    def test_an_empty_scene_is_said_by_rule_once(self, scene):
        model = scene.use(ScriptedModel(says("A ghost.")))
        scene.play.actors = ()
        scene.play.play(60)
        for _ in range(3):
            scene.change()
            scene.settle()
        ((author, text),) = described(scene)
        assert (author, model.requests) == (LABEL, [])
        assert text.endswith("Now nothing that the detector knows is in the picture.")

    @pytest.mark.parametrize("phase", [Phase.UNAVAILABLE, Phase.NEEDS_MODEL, Phase.DOWNLOADING])
    def test_one_that_is_unavailable_leaves_it_to_the_rules(self, scene, phase):
        model = scene.use(ScriptedModel(says("unused")))
        model.state = ModelState(phase, "It is gone.", "Start it.")
        scene.play.actors = (*scene.play.actors, (9, "dog", (10, 10, 90, 90), 0, 999))
        scene.play.play(60)
        assert {author for author, _ in described(scene)} == {LABEL}
        assert model.requests == []

    def test_off_only_when_asked_and_by_the_rules(self, scene):
        scene.assistant.set_models(Off(), None)
        scene.play.actors = (*scene.play.actors, (9, "dog", (10, 10, 90, 90), 0, 999))
        scene.play.play(60)
        scene.change()
        scene.settle()
        assert described(scene) == []
        assert scene.assistant.state.phase is Phase.OFF
        assert scene.answer(EXACT).checked
        scene.assistant.describe()
        scene.settle()
        assert [author for author, _ in described(scene)] == [LABEL]


class TestWhat:
    def test_it_grows_unchecked_is_checked_and_is_found_again(self, scene):
        scene.begin_session()
        scene.use(ScriptedModel(says("Two people ", "and a car.")))
        scene.change()
        scene.settle()
        (message,) = scene.said(MessageKind.DESCRIPTION)
        grown = [(one.text, one.doing, one.checked) for one in scene.heard if one.message_id == message.message_id]
        assert grown == [
            ("Two people ", "Not checked yet", False),
            ("Two people and a car.", "Not checked yet", False),
            ("Two people and a car.", "", True),
        ]
        assert message.evidence[0] == Evidence(90, 9.0)
        scene.log.flush()
        (hit,) = scene.log.search("people")
        assert (hit.frame, hit.t_s, hit.text) == (90, 9.0, "Two people and a car.")

    def test_what_it_claims_wrongly_is_noted(self, scene):
        seen = Description("", objects=(SeenObject("zebra"),))
        scene.use(ScriptedModel(says("Nine people at 9:59.", Done(description=seen))))
        scene.change()
        scene.settle()
        (message,) = scene.said(MessageKind.DESCRIPTION)
        assert not message.checked
        for planted in ("9:59", "zebra"):
            assert any(planted in note for note in message.notes), message.notes

    @pytest.mark.parametrize("words", ["A man with a zebra.", "A blue sky."])
    def test_what_nothing_vouches_for_is_found_marked(self, scene, words):
        scene.begin_session()
        scene.use(ScriptedModel(says(words)))
        scene.change()
        scene.settle()
        scene.log.flush()
        (hit,) = scene.log.search(words.split()[-1])
        assert hit.text == f"Not confirmed: {words}"

    def test_a_blind_one_is_asked_without_pictures_and_its_opening_words_are_no_claim(self, scene):
        model = scene.use(ScriptedModel(says(UNSEEN, "Two people and a car."), **FAR))
        model.looks = False
        scene.change()
        scene.settle()
        (message,) = scene.said(MessageKind.DESCRIPTION)
        assert (message.text, message.checked, message.notes) == (f"{UNSEEN}Two people and a car.", True, ())
        assert (model.requests[0].pictures, message.pictures, scene.asked_for) == ((), (), [])
        assert message.evidence[0] == Evidence(scene.play.observer.state.frame_index, scene.play.observer.state.pts_s)

    def test_without_a_session_or_with_a_log_that_is_closed_it_is_said_all_the_same(self, scene):
        scene.use(ScriptedModel(says("Two people.")))
        scene.change()
        scene.settle()
        scene.begin_session()
        scene.log.close()
        scene.change()
        scene.settle()
        assert [text for _, text in described(scene)] == ["Two people."] * 2

    def test_the_user_sees_at_once_that_it_looks(self, scene):
        model = ScriptedModel()
        scene.use(model.then(model.stall()))
        scene.assistant.describe()
        assert model.stalled.wait(10)
        assert [message.doing for message in scene.said(MessageKind.DESCRIPTION)] == ["Looking"]
        scene.assistant.stop()
        scene.settle()
        assert not any(message.doing for message in scene.assistant.messages)

    def test_by_the_rules_when_asked(self, scene):
        scene.assistant.describe()
        scene.settle()
        assert described(scene) == [(LABEL, BY_RULE)]


class TestFailures:
    FAILED = (
        ((Failed("It is gone.", "Start it."),), "It is gone."),
        ((AssistantError("It is busy.", hint="Wait."),), "It is busy."),
        ((RuntimeError("boom"),), "Scripted failed: RuntimeError: boom"),
        ((Done(),), "Scripted said nothing."),
        ((" ", Done()), "Scripted said nothing."),
        ((), "Scripted broke off without an answer."),
    )

    @pytest.mark.parametrize(("parts", "words"), FAILED)
    def test_they_are_told_once_and_the_rules_step_in(self, scene, capsys, parts, words):
        model = scene.use(ScriptedModel(*[says(*parts)] * 3, says("Two people."), says(*parts)))
        scene.play.actors = (*scene.play.actors, (9, "dog", (10, 10, 90, 90), 0, 999))
        scene.play.play(10)
        for _ in range(3):
            scene.change()
            scene.settle()
        assert described(scene, MessageKind.ERROR) == [("Scripted", words)]
        by_rule = [text for author, text in described(scene) if author == LABEL]
        assert by_rule
        assert by_rule[0].endswith("1 dog.")
        assert not any(message.doing for message in scene.assistant.messages)
        # Once it has worked again, it is told again.
        for _ in range(2):
            scene.change()
            scene.settle()
        assert described(scene, MessageKind.ERROR) == [("Scripted", words)] * 2
        assert len(model.requests) == 5

    @pytest.mark.parametrize(("parts", "words"), FAILED)
    def test_when_asked_each_is_told(self, scene, capsys, parts, words):
        scene.use(ScriptedModel(says(*parts)))
        for number in (1, 2):
            scene.assistant.describe()
            scene.settle()
            assert described(scene, MessageKind.ERROR) == [("Scripted", words)] * number
        assert not any(message.doing for message in scene.assistant.messages)

    @pytest.mark.parametrize("asked", [True, False])
    @pytest.mark.parametrize(
        ("last", "words", "hint"),
        [
            (Failed("Cut.", "Look again."), "Cut.", "Look again."),
            (AssistantError("Cut.", hint="Look again."), "Cut.", "Look again."),
            (RuntimeError("boom"), "Scripted failed: RuntimeError: boom", ""),
        ],
    )
    def test_what_was_said_so_far_stays_and_is_marked(self, scene, capsys, asked, last, words, hint):
        scene.use(ScriptedModel(says("Half of", last)))
        if asked:
            scene.assistant.describe()
        else:
            scene.change()
        scene.settle()
        half = scene.said(MessageKind.DESCRIPTION)[0]
        assert (half.text, half.doing, half.checked) == ("Half of", "", False)
        assert (half.notes, half.hint) == ((words, "What was said so far is not whole."), hint)

    def test_there_is_no_picture(self, rehearsal):
        model = rehearsal.use(ScriptedModel(says("unused")))
        rehearsal.assistant.describe()
        rehearsal.settle()
        (error,) = rehearsal.said(MessageKind.ERROR)
        assert (error.text, error.hint) == ("There is no picture to look at.", "Start a source, and ask again.")
        assert model.requests == []

    @pytest.mark.parametrize("asked", [True, False])
    def test_consent_is_asked_for_only_where_the_user_wished_it(self, scene, asked):
        model = scene.use(ScriptedModel(says("Two people."), **FAR))
        for _ in range(2):
            if asked:
                scene.assistant.describe()
            else:
                scene.change()
            scene.settle()
        assert len(scene.asked_for) == (2 if asked else 0)
        assert model.requests == []
        errors = scene.said(MessageKind.ERROR)
        assert len(errors) == (2 if asked else 1)
        assert "not agreed to send" in errors[0].text


class TestInterrupted:
    @pytest.fixture
    def looking(self, scene):
        """It is being described."""
        model = ScriptedModel()
        scene.use(model.then(model.stall("I see"), says("Two people.")))
        scene.change()
        assert model.stalled.wait(10)
        return scene

    def cut(self, scene) -> bool:
        """Whether the description was cut, and that is said."""
        message = scene.said(MessageKind.DESCRIPTION)[0]
        return (message.text, message.notes[:1], message.doing) == ("I see", ("Stopped.",), "")

    def test_a_question_goes_first_and_the_scene_is_described_later(self, looking):
        assert looking.answer(EXACT).checked
        assert self.cut(looking)
        looking.now_s += 60
        looking.play.play(1)
        looking.settle()
        assert described(looking)[1:] == [("Scripted", "Two people.")]
        assert looking.said(MessageKind.ERROR) == []

    def test_a_pause_ends_it_and_it_is_caught_up(self, looking):
        looking.assistant.set_paused(True)
        looking.settle()
        assert self.cut(looking)
        looking.now_s += 60
        looking.play.play(1)
        looking.settle()
        assert len(described(looking)) == 1
        looking.assistant.set_paused(False)
        looking.play.play(1)
        looking.settle()
        assert described(looking)[1:] == [("Scripted", "Two people.")]

    def test_stop_ends_it_and_nothing_follows_until_something_is_new(self, looking):
        looking.assistant.stop()
        looking.settle()
        assert self.cut(looking)
        looking.now_s += 60
        looking.play.play(1)
        looking.settle()
        assert len(described(looking)) == 1
        looking.change()
        looking.settle()
        assert described(looking)[1:] == [("Scripted", "Two people.")]

    def test_another_model_takes_over(self, looking):
        looking.assistant.set_models(None, None)
        looking.settle()
        assert self.cut(looking)

    def test_before_the_model_has_begun(self, scene):
        model = scene.use(ScriptedModel(says("Too late."), **FAR))
        scene.agrees = True

        def consent(needed) -> bool:
            scene.assistant.stop()
            return True

        scene.parts.ask_consent = consent
        scene.assistant.describe()
        scene.settle()
        assert described(scene) == []
        assert described(scene, MessageKind.ERROR) == [("Scripted", "Stopped.")]
        assert len(model.requests) == 1

    def test_one_that_waits_does_not_begin(self, scene):
        model = ScriptedModel()
        scene.use(model.then(model.stall(), says("unused")))
        scene.assistant.ask("Tell me something about all this.")
        assert model.stalled.wait(10)
        scene.assistant.describe()
        scene.assistant.stop()
        scene.settle()
        assert len(model.requests) == 1
        assert described(scene) == []
