"""The assistant as a whole: what waits, what is stopped, who takes over, what is clicked, what is kept."""

from __future__ import annotations

import threading

import pytest

from scenescope.app.assistant.conversation_fakes import ScriptedModel, says
from scenescope.models import AssistantError
from scenescope.models.language import (
    Done,
    MessageKind,
    ModelState,
    Phase,
    ProposalState,
    Reach,
    Role,
    TextDelta,
)

FREE = "Tell me something about all this."
EXACT = "how many people are there?"


def stalling(*, before: str = "", **more) -> ScriptedModel:
    """A model that says ``before`` and then nothing more until it is told to."""
    model = ScriptedModel(**more)
    return model.then(model.stall(before))


def ask_and_stall(rehearsal, model: ScriptedModel) -> ScriptedModel:
    """Ask it something that it does not answer yet."""
    rehearsal.use(model)
    rehearsal.assistant.ask(FREE)
    assert model.stalled.wait(10)
    return model


class TestHistory:
    def test_clearing_begins_another_conversation_and_undoing_it_goes_on_with_the_former(self, rehearsal):
        def kept() -> list[int]:
            rehearsal.assistant._history._jobs.wait(5)
            rehearsal.log.flush()
            return [one.messages for one in rehearsal.log.talk.conversations()]

        rehearsal.assistant.set_paused(True)
        rehearsal.assistant.clear()
        rehearsal.answer(EXACT)
        assert kept()[0] == 2
        rehearsal.assistant.clear()
        rehearsal.answer(EXACT)
        assert kept()[:2] == [2, 2]
        cleared = rehearsal.assistant.clear()
        rehearsal.assistant.restore(cleared)
        rehearsal.answer(EXACT)
        assert kept()[:2] == [4, 2]


class TestStop:
    def test_what_was_said_stays(self, rehearsal):
        ask_and_stall(rehearsal, stalling(before="So far"))
        rehearsal.assistant.stop()
        rehearsal.settle()
        message = rehearsal.assistant.messages[-1]
        assert (message.text, message.kind, message.doing, message.checked) == (
            "So far",
            MessageKind.ANSWER,
            "",
            False,
        )
        assert message.notes == ("Stopped.", "What was said so far is not whole.")

    def test_those_who_wait_are_told(self, rehearsal):
        ask_and_stall(rehearsal, stalling())
        done = threading.Event()

        def wait() -> None:
            rehearsal.answer(EXACT)
            done.set()

        thread = threading.Thread(target=wait)
        thread.start()
        while not any(message.text == EXACT for message in rehearsal.assistant.messages):
            done.wait(0.01)
        for number in range(3):
            rehearsal.assistant.ask(f"{EXACT} {number}")
        rehearsal.assistant.stop()
        assert done.wait(10)
        thread.join()
        rehearsal.settle()
        texts = [message.text for message in rehearsal.said(MessageKind.ERROR)]
        assert texts.count("Stopped before it began.") == 3
        assert texts.count("Too many questions wait already.") == 1
        assert texts.count("Stopped.") == 1
        assert not any(message.doing for message in rehearsal.assistant.messages)

    def test_one_that_talks_on_is_stopped_at_its_next_word(self, rehearsal):
        model, spoke = ScriptedModel(), threading.Event()

        def script(request):
            yield TextDelta("One. ")
            spoke.set()
            model.gate.wait(10)
            yield TextDelta("Two. ")
            yield from model.stall()(request)

        rehearsal.use(model.then(script))
        rehearsal.assistant.ask(FREE)
        assert spoke.wait(10)
        rehearsal.assistant.stop()
        rehearsal.settle()
        assert rehearsal.assistant.messages[-1].notes[0] == "Stopped."

    def test_before_the_model_has_begun(self, rehearsal):
        model = rehearsal.use(ScriptedModel(says("Too late."), roles=(Role.ANSWER,)))
        make = rehearsal.parts.toolbox

        def stopped_meanwhile(look):
            rehearsal.assistant.stop()
            return make(look)

        rehearsal.parts.toolbox = stopped_meanwhile
        assert rehearsal.answer(FREE).text == "Stopped."
        rehearsal.parts.toolbox = make
        assert rehearsal.answer(FREE).text == "Too late."
        assert len(model.requests) == 2

    def test_while_something_is_changed_it_is_shown_and_can_be_undone(self, rehearsal):
        model = ScriptedModel()

        def script(request):
            request.call("add_stage", {"kind": "canny"})
            yield TextDelta("I have")
            yield from model.stall()(request)

        before = rehearsal.host.spec
        rehearsal.use(model.then(script))
        rehearsal.host.free.clear()
        rehearsal.assistant.ask(FREE)
        assert rehearsal.host.taking.wait(10)
        rehearsal.assistant.stop()
        rehearsal.host.free.set()
        rehearsal.settle()
        message = rehearsal.assistant.messages[-1]
        assert (len(message.changes), message.notes[0]) == (1, "Stopped.")
        assert rehearsal.answer("undo").text.startswith("Undone: ")
        assert rehearsal.host.spec == before

    def test_while_a_tool_looks(self, rehearsal):
        rehearsal.show_picture()
        looker, answerer = stalling(), ScriptedModel()

        def script(request):
            assert "Stopped." in request.call("look", {"question": "what is there?"}).value["error"]
            yield TextDelta("I saw ")
            yield from answerer.stall()(request)

        answerer.then(script)
        rehearsal.assistant.set_models(looker, answerer)
        rehearsal.assistant.ask(FREE)
        assert looker.stalled.wait(10)
        rehearsal.assistant.stop()
        rehearsal.settle()
        assert rehearsal.assistant.messages[-1].notes[0] == "Stopped."

    def test_what_takes_too_long_is_stopped_for_whoever_waits(self, rehearsal):
        rehearsal.use(stalling())
        with pytest.raises(AssistantError, match=r"took longer than 0\.05 s"):
            rehearsal.assistant.answer(FREE, timeout_s=0.05)
        rehearsal.settle()
        assert rehearsal.answer(EXACT).checked

    def test_nothing_is_under_way(self, rehearsal):
        rehearsal.assistant.stop()
        assert rehearsal.answer(EXACT).checked


class TestModels:
    def test_the_former_ones_are_closed_and_those_that_go_on_are_not(self, rehearsal):
        first, second, third = (ScriptedModel(says(str(number))) for number in range(3))
        rehearsal.assistant.set_models(first, second)
        rehearsal.assistant.set_models(third, second)
        rehearsal.settle()
        assert (first.closed, second.closed, third.closed) == (True, False, False)
        rehearsal.assistant.set_models(None, None)
        rehearsal.settle()
        assert (second.closed, third.closed) == (True, True)
        assert (rehearsal.assistant.label, rehearsal.assistant.reach) == ("Rules, not AI", Reach.THIS_COMPUTER)

    def test_one_that_answers_is_ended_and_what_waits_goes_to_the_next(self, rehearsal):
        first, second = ask_and_stall(rehearsal, stalling(before="I")), ScriptedModel(says("two"))
        rehearsal.assistant.ask("And what else?")
        rehearsal.assistant.set_models(second, second)
        rehearsal.settle()
        cut, answer = rehearsal.said(MessageKind.ANSWER)
        assert (cut.text, cut.notes[0], answer.text) == ("I", "Stopped.", "two")
        assert (first.closed, len(first.requests), len(second.requests)) == (True, 1, 1)

    def test_the_badge_shows_the_farthest_and_the_one_that_is_not_ready(self, rehearsal):
        near, far = ScriptedModel(), ScriptedModel(reach=Reach.INTERNET)
        near.state = ModelState(Phase.LOADING, "half of it")
        rehearsal.assistant.set_models(near, far)
        assert rehearsal.assistant.reach is Reach.INTERNET
        assert rehearsal.assistant.state == near.state
        far.state = ModelState(Phase.DEGRADED, "slow")
        assert rehearsal.assistant.state == far.state


class TestClose:
    def names(self) -> set[str]:
        return {thread.name for thread in threading.enumerate() if thread.name.startswith(("assistant", "history"))}

    def test_while_one_answers_and_another_is_to_be_closed(self, rehearsal):
        first = ask_and_stall(rehearsal, stalling(before="So far"))
        # It takes no notice, so that it is closed only after all that waits was forgotten.
        first.cancel = lambda: None
        second = ScriptedModel(says("two"))
        rehearsal.assistant.set_models(second, second)
        assert rehearsal.assistant._jobs.waiting == 1
        closing = threading.Thread(target=rehearsal.assistant.close)
        closing.start()
        while rehearsal.assistant._jobs.waiting:
            closing.join(0.01)
        first.gate.set()
        closing.join()
        assert (first.closed, second.closed, self.names()) == (True, True, set())

    def test_nothing_is_done_any_more_and_that_is_said(self, rehearsal):
        rehearsal.assistant.close()
        message = rehearsal.answer(EXACT)
        assert (message.kind, message.text) == (MessageKind.ERROR, "The assistant is closed.")
        rehearsal.assistant.describe()
        rehearsal.play.play(60)
        assert rehearsal.assistant.messages[-1] == message
        rehearsal.assistant.close()
        assert self.names() == set()


class TestClicks:
    def test_undone_by_word_or_button_in_its_place(self, rehearsal):
        before = rehearsal.host.spec
        message = rehearsal.answer("add edge detection")
        (change,) = message.changes
        assert rehearsal.answer("undo").text == f"Undone: {change.title}."
        (shown,) = rehearsal.now(message).changes
        assert (shown.undone, shown.undoable, rehearsal.host.spec) == (True, False, before)
        assert "nothing that could be undone" in rehearsal.answer("undo").text
        again = rehearsal.answer("blur faces")
        rehearsal.assistant.undo(again.changes[0].change_id)
        rehearsal.settle()
        assert (rehearsal.now(again).changes[0].undone, rehearsal.host.spec) == (True, before)

    def test_the_latest_change_is_undone_first(self, rehearsal):
        first, second = rehearsal.answer("add contours"), rehearsal.answer("add edge detection")
        for message, other in ((second, first), (first, None)):
            rehearsal.answer("undo")
            assert rehearsal.now(message).changes[0].undone
            assert other is None or not rehearsal.now(other).changes[0].undone

    @pytest.mark.parametrize("accepts", [True, False])
    def test_a_proposal_is_decided_once_in_its_place_and_in_what_is_kept(self, rehearsal, accepts):
        rehearsal.answer("blur faces")
        hidden = rehearsal.host.spec
        message = rehearsal.answer("stop blurring faces")
        decide = rehearsal.assistant.accept if accepts else rehearsal.assistant.dismiss
        for _ in range(2):
            decide(message.proposals[0].proposal_id)
            rehearsal.settle()
            now = rehearsal.now(message)
            assert now.proposals[0].state is (ProposalState.ACCEPTED if accepts else ProposalState.DISMISSED)
            assert (len(now.changes), rehearsal.host.spec == hidden) == (int(accepts), not accepts)
        rehearsal.assistant.close()
        rehearsal.log.flush()
        (kept,) = rehearsal.log.talk.conversations()
        (same,) = (one for one in rehearsal.log.talk.messages(kept.id) if one.message_id == message.message_id)
        assert [one.state for one in same.proposals] == [now.proposals[0].state]
        outcomes = [action.outcome for action in rehearsal.log.talk.actions()]
        assert outcomes.count("accepted" if accepts else "dismissed") == 1

    @pytest.mark.parametrize("error", [None, ZeroDivisionError("of a plugin")])
    def test_one_that_fails_is_told_and_can_be_clicked_again(self, rehearsal, monkeypatch, capsys, error):
        before = rehearsal.host.spec
        (change,) = rehearsal.answer("blur faces").changes
        with monkeypatch.context() as broken:
            if error is None:
                rehearsal.host.broken.add("apply")
            else:
                broken.setattr(rehearsal.host, "apply", lambda *args: (_ for _ in ()).throw(error))
            rehearsal.assistant.undo(change.change_id)
            rehearsal.settle()
        rehearsal.host.broken.clear()
        (failed,) = rehearsal.said(MessageKind.ERROR)
        assert "cannot apply" in failed.text if error is None else "ZeroDivisionError: of a plugin" in failed.text
        rehearsal.assistant.undo(change.change_id)
        rehearsal.settle()
        assert rehearsal.host.spec == before

    @pytest.mark.parametrize("number", [-1, 0, 10**9])
    def test_what_there_is_not_is_told_and_changes_nothing(self, rehearsal, number):
        before = rehearsal.answer("blur faces"), rehearsal.host.spec
        for click in (rehearsal.assistant.undo, rehearsal.assistant.accept, rehearsal.assistant.dismiss):
            click(number)
            rehearsal.settle()
        assert (rehearsal.now(before[0]), rehearsal.host.spec) == before

    def test_it_does_not_wait_for_an_answer_that_it_is_not_about(self, rehearsal):
        before = rehearsal.host.spec
        message = rehearsal.answer("blur faces")
        model = ask_and_stall(rehearsal, stalling())
        rehearsal.assistant.undo(message.changes[0].change_id)
        assert rehearsal.assistant._clicks.wait(10)
        assert (rehearsal.host.spec, rehearsal.now(message).changes[0].undone) == (before, True)
        model.gate.set()

    def test_what_grows_still_is_undone_once_it_is_whole(self, rehearsal):
        model, before = ScriptedModel(), rehearsal.host.spec

        def script(request):
            request.call("add_stage", {"kind": "canny"})
            yield TextDelta("I have ")
            model.stalled.set()
            model.gate.wait(10)
            yield TextDelta("done it.")
            yield Done()

        ask_and_stall(rehearsal, model.then(script))
        (change,) = rehearsal.assistant.messages[-1].changes
        rehearsal.assistant.undo(change.change_id)
        model.gate.set()
        rehearsal.settle()
        message = rehearsal.assistant.messages[-1]
        assert (message.text, message.changes[0].undone, rehearsal.host.spec) == ("I have done it.", True, before)


class TestKept:
    def test_the_history_has_what_was_said_while_it_is_on(self, rehearsal):
        assert rehearsal.assistant.keeps_history
        rehearsal.answer(EXACT)
        rehearsal.assistant.keep_history(False)
        rehearsal.answer("how many cars are there?")
        rehearsal.assistant.keep_history(True)
        rehearsal.answer("help")
        rehearsal.assistant.close()
        rehearsal.log.flush()
        (kept,) = rehearsal.log.talk.conversations()
        texts = [message.text for message in rehearsal.log.talk.messages(kept.id)]
        assert texts[:3] == [EXACT, "The detector sees 2 people now (#1, #3).", "help"]
        assert len(texts) == 4

    def test_of_a_long_conversation_only_the_latest_pictures_are_kept(self, rehearsal):
        rehearsal.show_picture()
        rehearsal.use(ScriptedModel(says("Two people."), roles=(Role.LOOK,)))
        for _ in range(45):
            rehearsal.answer(FREE)
        told = len(rehearsal.heard)
        with_pictures = [message for message in rehearsal.assistant.messages if message.pictures]
        assert len(with_pictures) == 40
        assert with_pictures[-1] == rehearsal.assistant.messages[-1]
        assert len(rehearsal.said(MessageKind.ANSWER)) == 45
        # Nobody was told of those that were dropped.
        assert told == len(rehearsal.heard)
        whole = [message for message in rehearsal.heard if message.kind is MessageKind.ANSWER and not message.doing]
        assert all(message.pictures for message in whole)
