"""What becomes of a question or an order: by rule, by tools, by a model that answers, by one that looks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenescope.app.assistant import Assistant, Parts
from scenescope.app.assistant.conversation_fakes import ScriptedModel, says
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.orders import OrderContext, kinds_of, parse_order
from scenescope.app.assistant.outgoing import Outgoing
from scenescope.app.assistant.rules import LABEL
from scenescope.app.assistant.scene_fakes import ACTORS, Play
from scenescope.app.assistant.tools.fakes import FakeHost
from scenescope.app.assistant.tools.registry import toolbox
from scenescope.models import AssistantError
from scenescope.models.language import Done, Failed, MessageKind, ProposalState, Reach, Role, ToolCall
from scenescope.pipelines import STAGES, Frame, SourceInfo
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.look_ring import LookRing
from scenescope.widgets.settings import MemorySettings

FREE = "Tell me something about all this."
KINDS = kinds_of(STAGES)


class Desk:
    """An assistant over a played scene, a fake window, and a real log."""

    def __init__(self, tmp_path) -> None:
        self.play = Play(*ACTORS)
        self.play.play(100)
        self.host = FakeHost()
        self.log = EventLog(tmp_path / "events.sqlite")
        self.ring = LookRing()
        self.ring.open(SourceInfo("clip.mp4", (64, 48), 10, live=False))
        self.knowledge = Knowledge(lambda: self.play.observer.state, None, lambda: None)
        self.settings = MemorySettings()
        self.asked_for: list = []
        self.agrees = False
        self.session: int | None = None
        self.parts = Parts(
            self.play.observer,
            log=self.log,
            session_id=lambda: self.session,
            ring=self.ring,
            outgoing=Outgoing(self.settings, self.log.talk.add_egress, faces=lambda image: np.zeros((0, 4))),
            toolbox=lambda look: toolbox(self.host, self.knowledge, look),
            orders=lambda: OrderContext(self.host.spec, KINDS, known_labels=("person", "dog", "car")),
            ask_consent=self._consent,
        )
        self.assistant = Assistant(self.parts)

    def _consent(self, needed) -> bool:
        self.asked_for.append(needed)
        return self.agrees

    def show_picture(self, index: int = 99) -> None:
        self.ring.write(Frame(np.full((48, 64, 3), 90, np.uint8), index, index / 10, index / 10))

    def use(self, model: ScriptedModel) -> ScriptedModel:
        self.assistant.set_models(model, model)
        return model

    def answer(self, text: str):
        return self.assistant.answer(text, timeout_s=20)

    def close(self) -> None:
        self.assistant.close()
        self.log.close()


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.close()


class TestRules:
    @pytest.mark.parametrize("with_model", [False, True])
    def test_what_the_rules_understand_they_answer_also_beside_a_model(self, desk, with_model):
        model = desk.use(ScriptedModel(says("A hundred."))) if with_model else None
        message = desk.answer("how many people are there?")
        assert (message.text, message.author, message.checked) == (
            "The detector sees 2 people now (#1, #3).",
            LABEL,
            True,
        )
        assert model is None or model.requests == []

    def test_an_open_question_goes_to_a_model_that_looks(self, desk):
        desk.show_picture()
        model = desk.use(ScriptedModel(says("Two people and a car.")))
        message = desk.answer("what do you see?")
        assert (message.author, message.checked, len(message.pictures)) == ("Scripted", True, 1)
        assert model.requests[0].role is Role.LOOK
        assert model.requests[0].tools == ()
        assert message.evidence[0].frame_index == 99

    def test_what_is_not_understood_is_offered_and_not_done(self, desk):
        before = desk.host.spec
        message = desk.answer("make it nicer with the detector somehow")
        assert message.suggestions
        assert not message.checked
        assert (desk.host.spec, desk.host.deeds) == (before, [])


class TestOrders:
    def test_a_change_is_shown_and_taken_back_by_word_or_button(self, desk):
        before = desk.host.spec
        message = desk.answer("blur faces")
        (change,) = message.changes
        assert any(line.sign == "+" for line in change.lines)
        assert desk.host.spec != before
        assert desk.answer("undo").text == f"Undone: {change.title}."
        assert desk.host.spec == before
        (shown,) = next(one for one in desk.assistant.messages if one.message_id == message.message_id).changes
        assert (shown.undone, shown.undoable) == (True, False)
        assert "nothing that could be undone" in desk.answer("undo").text
        again = desk.answer("blur faces").changes[0]
        desk.assistant.undo(again.change_id)
        assert desk.assistant.wait(10)
        assert desk.host.spec == before

    @pytest.mark.parametrize("accepts", [True, False])
    def test_what_must_be_confirmed_waits_for_a_click(self, desk, accepts):
        desk.answer("blur faces")
        hidden = desk.host.spec
        message = desk.answer("stop blurring faces")
        (proposal,) = message.proposals
        assert (desk.host.spec, proposal.state) == (hidden, ProposalState.OPEN)
        decide = desk.assistant.accept if accepts else desk.assistant.dismiss
        decide(proposal.proposal_id)
        assert desk.assistant.wait(10)
        (shown,) = next(one for one in desk.assistant.messages if one.message_id == message.message_id).proposals
        assert shown.state is (ProposalState.ACCEPTED if accepts else ProposalState.DISMISSED)
        assert (desk.host.spec == hidden) != accepts
        decide(proposal.proposal_id)
        assert desk.assistant.wait(10)
        assert (desk.host.spec == hidden) != accepts

    def test_what_is_unclear_gets_suggestions_that_are_exact(self, desk):
        message = desk.answer("remove the frobnicator")
        assert desk.host.deeds == []
        for suggestion in message.suggestions:
            assert parse_order(suggestion, desk.parts.orders()) is not None

    def test_a_host_that_fails_is_told_and_the_next_order_works(self, desk):
        desk.host.broken.add("apply")
        message = desk.answer("blur faces")
        assert (message.kind, message.changes) == (MessageKind.ERROR, ())
        desk.host.broken.clear()
        assert desk.answer("blur faces").changes


class TestModels:
    def test_text_grows_unchecked_and_is_checked_when_it_is_whole(self, desk):
        desk.use(ScriptedModel(says("There are two people ", "and seven zebras at 9:59.")))
        heard: list = []
        desk.assistant.subscribe(heard.append)
        message = desk.answer(FREE)
        growing = [one for one in heard if one.doing == "Not checked yet"]
        assert growing[0].text == "There are two people "
        assert not message.checked
        assert any("9:59" in note for note in message.notes)
        assert any("seven" in note for note in message.notes)
        assert message.doing == ""

    def test_it_gets_the_users_words_and_the_tools_and_nothing_else(self, desk):
        model = desk.use(ScriptedModel(says("Fine.")))
        desk.answer("How do you feel today?")
        desk.answer(FREE)
        request = model.requests[-1]
        assert (request.question, request.asked_before, request.pictures) == (FREE, ("How do you feel today?",), ())
        assert {"count_events", "add_stage"} <= {spec.name for spec in request.tools}

    def test_what_it_calls_is_shown_carried_out_and_undone(self, desk):
        def script(request):
            yield ToolCall("1", "add_stage", {"kind": "canny"})
            reply = request.call("add_stage", {"kind": "canny"})
            assert "error" not in reply.value, reply
            yield from says("Done as you asked.")(request)

        desk.use(ScriptedModel(script))
        heard: list = []
        desk.assistant.subscribe(heard.append)
        before = desk.host.spec
        message = desk.answer(FREE)
        assert "Looking up: add stage" in {one.doing for one in heard}
        (change,) = message.changes
        assert desk.host.spec != before
        desk.assistant.undo(change.change_id)
        assert desk.assistant.wait(10)
        assert desk.host.spec == before

    def test_after_it_has_read_anything_it_can_only_propose(self, desk):
        def script(request):
            request.call("scene_now", {})
            reply = request.call("add_stage", {"kind": "canny"})
            assert reply.final
            assert "error" in request.call("remove_stage", {"stage_id": "detect"}).value
            yield from says("You decide.")(request)

        desk.use(ScriptedModel(script))
        before = desk.host.spec
        message = desk.answer(FREE)
        assert (len(message.proposals), message.changes, desk.host.spec) == (1, (), before)

    def test_what_it_saw_proves_nothing(self, desk):
        desk.show_picture()

        def script(request):
            if request.role is Role.LOOK:
                yield from says("There are 7 dogs.")(request)
                return
            assert request.call("look", {"question": "dogs?"}).value == {"seen": "There are 7 dogs."}
            yield from says("There are 7 dogs.")(request)

        desk.assistant.set_models(ScriptedModel(script), ScriptedModel(script))
        message = desk.answer(FREE)
        assert not message.checked
        assert message.notes

    @pytest.mark.parametrize(
        ("parts", "kind", "words"),
        [
            ((Failed("The server refused.", "Check the key."),), MessageKind.ERROR, "The server refused."),
            ((AssistantError("No model.", hint="Choose one."),), MessageKind.ERROR, "No model."),
            ((RuntimeError("boom"),), MessageKind.ERROR, "RuntimeError: boom"),
            ((Done(),), MessageKind.ERROR, "gave no answer"),
            (("   ",), MessageKind.ERROR, "gave no answer"),
            (("Half", Failed("It broke off.")), MessageKind.ANSWER, "It broke off."),
            (("Half", RuntimeError("boom")), MessageKind.ANSWER, "RuntimeError: boom"),
        ],
    )
    def test_every_failure_is_a_message_and_the_next_question_is_answered(self, desk, parts, kind, words, capsys):
        desk.use(ScriptedModel(says(*parts)))
        message = desk.answer(FREE)
        assert message.kind is kind
        assert words in " ".join([message.text, *message.notes])
        assert (message.doing, message.checked) == ("", False)
        assert desk.answer("how many people are there?").checked

    def test_one_that_breaks_off_without_a_word_is_told(self, desk):
        desk.use(ScriptedModel(lambda request: iter(())))
        assert "broke off" in desk.answer(FREE).text

    def test_stop_ends_it_keeps_what_was_said_and_says_so_to_those_who_wait(self, desk):
        model = desk.use(ScriptedModel())
        model.then(model.stall("So far"))
        desk.assistant.ask(FREE)
        assert model.stalled.wait(10)
        for number in range(4):
            desk.assistant.ask(f"how many people are there? {number}")
        desk.assistant.stop()
        assert desk.assistant.wait(10)
        texts = {message.text: message for message in desk.assistant.messages}
        assert texts["So far"].notes[0] == "Stopped."
        stopped = [message for message in desk.assistant.messages if message.text == "Stopped before it began."]
        assert len(stopped) == 3
        assert "Too many questions wait already." in texts

    def test_another_one_takes_over_and_the_former_is_closed(self, desk):
        first, second = desk.use(ScriptedModel(says("one"))), ScriptedModel(says("two"), reach=Reach.INTERNET)
        desk.assistant.set_models(None, second)
        assert desk.assistant.wait(10)
        assert first.closed
        assert (desk.assistant.label, desk.assistant.reach) == ("Scripted", Reach.INTERNET)
        assert desk.answer(FREE).text == "two"

    def test_the_history_has_what_was_said_unless_it_is_off(self, desk):
        desk.answer("how many people are there?")
        desk.assistant.keep_history(False)
        desk.answer("how many cars are there?")
        desk.assistant.close()
        desk.log.flush()
        (kept,) = desk.log.talk.conversations()
        assert [message.text for message in desk.log.talk.messages(kept.id)] == [
            "how many people are there?",
            "The detector sees 2 people now (#1, #3).",
        ]


class TestLooking:
    def test_no_picture_is_a_sentence(self, desk):
        desk.use(ScriptedModel(says("unused"), roles=(Role.DESCRIBE, Role.LOOK)))
        message = desk.answer(FREE)
        assert (message.kind, message.text) == (MessageKind.ERROR, "There is no picture to look at.")

    @pytest.mark.parametrize("agrees", [True, False])
    def test_a_picture_goes_elsewhere_only_after_a_yes(self, desk, agrees):
        desk.show_picture()
        desk.agrees = agrees
        model = desk.use(ScriptedModel(says("A street."), roles=(Role.LOOK,), reach=Reach.INTERNET))
        model.endpoint = type("Endpoint", (), {"host": "vision.example"})()
        message = desk.answer(FREE)
        assert [needed.host for needed in desk.asked_for] == ["vision.example"]
        assert bool(model.requests) == agrees
        assert message.kind is (MessageKind.ANSWER if agrees else MessageKind.ERROR)
        desk.log.flush()
        assert [row.host for row in desk.log.talk.egress()] == (["vision.example"] if agrees else [])
        if agrees:
            sent = cv2.imdecode(np.frombuffer(model.requests[0].pictures[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert sent.shape == (48, 64, 3)


def test_of_a_long_conversation_only_the_latest_pictures_are_kept(desk):
    desk.show_picture()
    desk.use(ScriptedModel(says("Two people."), roles=(Role.LOOK,)))
    for _ in range(45):
        desk.answer(FREE)
    with_pictures = [message for message in desk.assistant.messages if message.pictures]
    assert len(with_pictures) == 40
    assert with_pictures[-1] == desk.assistant.messages[-1]
