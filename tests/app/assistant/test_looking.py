"""Looking: which pictures a model is given, where they may go, and what becomes of what it says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenescope.app.assistant.conversation_fakes import ScriptedModel, says
from scenescope.app.assistant.looking import look_result, pictures_for, said_by_looking
from scenescope.app.assistant.outgoing import ConsentNeeded
from scenescope.models import AssistantError
from scenescope.models.language import Done, Evidence, Failed, MessageKind, Reach, Role

FREE = "Tell me something about all this."
FAR = {"reach": Reach.INTERNET, "host": "vision.example"}


def sent(rehearsal) -> list[str]:
    """To whom something was sent, by the log."""
    rehearsal.log.flush()
    return [row.host for row in rehearsal.log.talk.egress()]


class TestPictures:
    @pytest.mark.parametrize(
        ("wanted", "indices"),
        [
            ({}, (100,)),
            ({"seconds_back": 3.0}, (70, 80, 90, 100)),
            ({"seconds_back": 9.0}, (10, 40, 70, 100)),
            ({"at_s": 7.2}, (70,)),
            ({"at_s": 10.0}, (100,)),
        ],
    )
    def test_the_newest_some_of_the_last_seconds_or_the_one_of_a_moment(self, rehearsal, wanted, indices):
        for index in range(10, 101, 5):
            rehearsal.show_picture(index)
        pictures = pictures_for(rehearsal.parts, ScriptedModel(), "test", **wanted)
        assert tuple(picture.frame_index for picture in pictures) == indices

    def test_there_is_none(self, rehearsal):
        for wanted in ({}, {"seconds_back": 3.0}, {"at_s": 4.0}):
            with pytest.raises(AssistantError, match="no picture"):
                pictures_for(rehearsal.parts, ScriptedModel(), "test", **wanted)
        rehearsal.show_picture(99)
        with pytest.raises(AssistantError, match="no picture"):
            pictures_for(rehearsal.parts, ScriptedModel(), "test", at_s=4.0)
        rehearsal.parts.ring = None
        with pytest.raises(AssistantError, match="no picture"):
            pictures_for(rehearsal.parts, ScriptedModel(), "test")

    def test_a_blind_model_gets_none_and_is_asked_for_no_consent(self, rehearsal):
        model = ScriptedModel(**FAR)
        model.looks = False
        assert pictures_for(rehearsal.parts, model, "test") == ()
        rehearsal.show_picture()
        assert pictures_for(rehearsal.parts, model, "test") == ()
        assert rehearsal.asked_for == []

    @pytest.mark.parametrize(
        ("where", "may_ask", "passes"), [(FAR, False, False), (FAR, True, True), ({"host": "localhost"}, False, True)]
    )
    def test_while_paused_a_blind_model_elsewhere_gets_only_what_the_user_asks(self, rehearsal, where, may_ask, passes):
        model = ScriptedModel(**where)
        model.looks = False
        rehearsal.parts.outgoing.paused = True
        if passes:
            assert pictures_for(rehearsal.parts, model, "test", may_ask=may_ask) == ()
        else:
            with pytest.raises(AssistantError, match="paused"):
                pictures_for(rehearsal.parts, model, "test", may_ask=may_ask)


class TestConsent:
    @pytest.mark.parametrize("agrees", [True, False])
    def test_a_picture_goes_elsewhere_only_after_a_yes_and_the_user_is_asked_once(self, rehearsal, agrees):
        rehearsal.show_picture()
        rehearsal.agrees = agrees
        model = rehearsal.use(ScriptedModel(says("A street."), roles=(Role.LOOK,), **FAR))
        message = rehearsal.answer(FREE)
        assert [(needed.host, len(needed.pictures)) for needed in rehearsal.asked_for] == [("vision.example", 1)]
        assert message.kind is (MessageKind.ANSWER if agrees else MessageKind.ERROR)
        assert bool(message.hint) != agrees
        assert (len(model.requests), sent(rehearsal)) == ((1, ["vision.example"]) if agrees else (0, []))
        rehearsal.answer(FREE)
        assert len(rehearsal.asked_for) == (1 if agrees else 2)

    def test_what_is_sent_was_coded_anew_from_the_picture(self, rehearsal):
        rehearsal.show_picture(99)
        rehearsal.agrees = True
        model = rehearsal.use(ScriptedModel(says("A street."), roles=(Role.LOOK,), **FAR))
        rehearsal.answer(FREE)
        image = cv2.imdecode(np.frombuffer(model.requests[0].pictures[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert (image.shape, abs(float(image.mean()) - 99) < 3) == ((48, 64, 3), True)

    def test_nobody_is_asked_for_what_the_user_did_not_wish(self, rehearsal):
        rehearsal.show_picture()
        rehearsal.agrees = True
        with pytest.raises(ConsentNeeded) as caught:
            pictures_for(rehearsal.parts, ScriptedModel(**FAR), "test", may_ask=False)
        assert caught.value.pictures == (), "nobody is to be shown it"
        assert (rehearsal.asked_for, sent(rehearsal)) == ([], [])

    def test_to_this_computer_without_a_question(self, rehearsal):
        rehearsal.show_picture()
        assert pictures_for(rehearsal.parts, ScriptedModel(), "test")
        assert rehearsal.asked_for == []

    def test_without_the_way_out_nothing_leaves(self, rehearsal):
        rehearsal.show_picture()
        rehearsal.parts.outgoing = None
        assert pictures_for(rehearsal.parts, ScriptedModel(), "test")
        for reach in (Reach.YOUR_NETWORK, Reach.INTERNET):
            with pytest.raises(AssistantError, match="may not leave"):
                pictures_for(rehearsal.parts, ScriptedModel(reach=reach), "test")

    def test_a_tool_that_looks_asks_too_and_a_no_reaches_the_model(self, rehearsal):
        rehearsal.show_picture()
        replies: list = []

        def script(request):
            replies.append(request.call("look", {"question": "what is there?"}).value)
            yield from says("I could not look.")(request)

        looker = ScriptedModel(says("A street."), **FAR)
        rehearsal.assistant.set_models(looker, ScriptedModel(script))
        rehearsal.answer(FREE)
        assert ("vision.example" in replies[0]["error"], looker.requests) == (True, [])
        assert [needed.host for needed in rehearsal.asked_for] == ["vision.example"]


class TestTelling:
    """What a model here has seen, told to one that answers elsewhere."""

    @pytest.fixture
    def told(self, rehearsal) -> list:
        """What the answerer is told by the tool; it looks twice."""
        replies: list = []

        def script(request):
            replies.extend(request.call("look", {"question": question}).value for question in ("sign?", "car?"))
            yield from says("I do not know.")(request)

        rehearsal.show_picture()
        rehearsal.assistant.set_models(ScriptedModel(says("A secret sign.")), ScriptedModel(script, **FAR))
        return replies

    def rows(self, rehearsal) -> list:
        rehearsal.log.flush()
        return [(row.host, row.pictures, row.bytes, row.purpose) for row in rehearsal.log.talk.egress()]

    def test_only_after_the_same_yes_and_it_is_noted(self, rehearsal, told):
        message = rehearsal.answer(FREE)
        assert [list(value) for value in told] == [["error"], ["error"]]
        assert "not agreed" in told[0]["error"]
        assert (len(rehearsal.asked_for), self.rows(rehearsal)) == (1, []), "asked once a question"
        assert "was not told what was read or seen" in message.notes[0]
        assert "Agree" in message.hint
        told.clear()
        rehearsal.agrees = True
        assert rehearsal.answer(FREE).notes[:1] != message.notes[:1]
        assert told == [{"seen": "A secret sign."}] * 2
        assert self.rows(rehearsal) == [("vision.example", 0, len("A secret sign."), "look, as words")] * 2

    def test_not_while_paused(self, rehearsal, told):
        rehearsal.parts.outgoing.agree("vision.example", Reach.INTERNET)
        rehearsal.parts.outgoing.paused = True
        message = rehearsal.answer(FREE)
        assert "paused" in told[0]["error"]
        assert "paused" in message.notes[0]
        assert (rehearsal.asked_for, self.rows(rehearsal)) == ([], [])

    def test_to_a_model_here_without_a_question(self, rehearsal, told):
        rehearsal.parts.outgoing.paused = True
        rehearsal.assistant._answerer.reach, rehearsal.assistant._answerer.endpoint = Reach.THIS_COMPUTER, None
        assert rehearsal.answer(FREE).hint == ""
        assert told == [{"seen": "A secret sign."}] * 2
        assert self.rows(rehearsal) == []


class TestWords:
    def test_they_are_whole_and_prove_nothing(self, rehearsal):
        rehearsal.show_picture(99)
        model = ScriptedModel(says(" A dog", " and a cat. "))
        result = look_result(rehearsal.parts, model, "what is there?", 0.0)
        assert (result.value, result.text, result.proves) == ({"seen": "A dog and a cat."}, "A dog and a cat.", False)
        assert result.evidence == (Evidence(99, 9.9),)
        (request,) = model.requests
        assert (request.role, request.question, request.tools, request.call) == (
            Role.LOOK,
            "what is there?",
            (),
            None,
        )

    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            ((Failed("Gone.", "Start it."),), "Gone."),
            (("Half", Failed("Gone.")), "Gone."),
            ((AssistantError("No model."),), "No model."),
            ((Done(),), "said nothing"),
            ((" \n",), "said nothing"),
            ((), "broke off"),
        ],
    )
    def test_a_failure_is_an_error_with_its_cure(self, rehearsal, parts, words):
        with pytest.raises(AssistantError, match=words) as error:
            said_by_looking(rehearsal.parts, ScriptedModel(says(*parts)), "what is there?", ())
        assert error.value.hint or isinstance(parts[-1], (Failed, AssistantError))

    def test_nobody_can_look(self, rehearsal):
        with pytest.raises(AssistantError, match="No model that can look"):
            look_result(rehearsal.parts, None, "what is there?", 0.0)
