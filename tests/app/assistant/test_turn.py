"""What becomes of a question or an order: by rule, by tools, by a model that answers, by one that looks."""

from __future__ import annotations

import pytest

from scenescope.app.assistant.conversation_fakes import ScriptedModel, says
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.orders import Order, parse_order
from scenescope.app.assistant.phrases import Answer
from scenescope.app.assistant.rules import LABEL, RulesProvider
from scenescope.models import AssistantError, EventKind, LogEvent
from scenescope.models.language import (
    Done,
    Evidence,
    Failed,
    MessageKind,
    ProposalState,
    Role,
    TextDelta,
    ToolCall,
)
from scenescope.pipelines.log.records import SearchHit
from scenescope.pipelines.sampler import Reason
from scenescope.pipelines.scene import SceneObserver

FREE = "Tell me something about all this."
EXACT = (
    ("how many people are there?", "The detector sees 2 people now (#1, #3)."),
    ("how many cars are there?", "The detector sees 1 car now (#4)."),
    ("is there a dog?", "No: the detector sees no dogs now. A dog was last seen at 0:03.9."),
)


def calls(*wanted: tuple[str, dict], then: str = "There."):
    """A script that calls these tools one after another, keeps what they gave, and says something."""
    replies: list = []

    def script(request):
        for number, (name, args) in enumerate(wanted):
            yield ToolCall(str(number), name, args)
            replies.append(request.call(name, args))
        yield TextDelta(then)
        yield Done()

    return script, replies


@pytest.fixture
def remembering(rehearsal):
    """What is seen is written into the log, and is looked up there."""
    rehearsal.begin_session()

    def knowledge(search=None):
        return Knowledge(lambda: rehearsal.play.observer.state, rehearsal.log, lambda: rehearsal.session, search=search)

    rehearsal.knowledge = knowledge
    rehearsal.parts.knowledge = knowledge()
    return rehearsal


class TestRules:
    @pytest.mark.parametrize("with_model", [False, True])
    @pytest.mark.parametrize(("question", "answer"), EXACT)
    def test_what_the_rules_understand_they_answer_also_beside_a_model(self, rehearsal, with_model, question, answer):
        model = rehearsal.use(ScriptedModel(says("A hundred."))) if with_model else None
        message = rehearsal.answer(question)
        assert (message.text, message.author, message.checked) == (answer, LABEL, True)
        assert model is None or model.requests == []

    def test_an_answer_that_leaves_something_open_is_not_checked(self, rehearsal, monkeypatch):
        monkeypatch.setattr(RulesProvider, "answer", lambda *_: Answer("Perhaps.", sure=False))
        message = rehearsal.answer(EXACT[0][0])
        assert (message.text, message.author, message.checked) == ("Perhaps.", LABEL, False)

    @pytest.mark.parametrize("answers_too", [False, True])
    def test_an_open_question_goes_to_a_model_that_looks(self, rehearsal, answers_too):
        rehearsal.show_picture()
        model = ScriptedModel(says("Two people and a car."))
        rehearsal.assistant.set_models(model, model if answers_too else None)
        message = rehearsal.answer("what do you see?")
        assert (message.author, message.checked, len(message.pictures)) == ("Scripted", True, 1)
        assert (model.requests[0].role, model.requests[0].tools) == (Role.LOOK, ())
        assert message.evidence[0].frame_index == 99

    @pytest.mark.parametrize("words", ["A man with a knife stands next to a dog and a red car.", "A blue sky."])
    def test_what_a_model_sees_has_no_tick_where_no_detector_runs(self, rehearsal, words):
        rehearsal.show_picture()
        rehearsal.parts.observer = SceneObserver()
        rehearsal.use(ScriptedModel(says(words)))
        message = rehearsal.answer("what do you see?")
        assert (message.text, message.checked) == (words, False)
        assert message.notes == ("Nothing here can confirm what it names: no detector is running.",)

    @pytest.mark.parametrize("roles", [(Role.ANSWER,), (Role.DESCRIBE, Role.ANSWER)])
    def test_an_open_question_is_answered_by_rule_where_nobody_can_look(self, rehearsal, roles):
        model = rehearsal.use(ScriptedModel(says("unused"), roles=roles))
        message = rehearsal.answer("what do you see?")
        assert (message.author, message.checked, model.requests) == (LABEL, True, [])

    @pytest.mark.parametrize("text", ["make it nicer with the detector somehow", "colourless green ideas", "?", ""])
    def test_what_is_not_understood_is_answered_by_what_can_be_asked_and_nothing_is_done(self, rehearsal, text):
        before = rehearsal.host.spec
        message = rehearsal.answer(text)
        assert (message.kind, message.checked) == (MessageKind.ANSWER, False)
        assert 0 < len(message.suggestions) <= 4
        assert (rehearsal.host.spec, rehearsal.host.deeds) == (before, [])
        for suggestion in message.suggestions:
            answer = rehearsal.answer(suggestion)
            assert answer.checked, suggestion

    def test_half_of_what_is_too_long_is_not_done(self, rehearsal):
        message = rehearsal.answer("blur faces" + " " * 40 + "x" * 500)
        assert (message.kind, rehearsal.host.deeds) == (MessageKind.ERROR, [])
        assert ("500 characters" in message.text, message.hint) == (True, "Say it in fewer words.")
        assert len(rehearsal.said(MessageKind.QUESTION)[0].text) == 500
        assert rehearsal.answer("how   many\tpeople" + " " * 600).checked


class TestOrders:
    @pytest.mark.parametrize("with_model", [False, True])
    def test_a_change_is_made_and_shown_by_the_rules(self, rehearsal, with_model):
        model = rehearsal.use(ScriptedModel(says("unused"))) if with_model else None
        before = rehearsal.host.spec
        message = rehearsal.answer("blur faces")
        (change,) = message.changes
        assert "+" in {line.sign for line in change.lines}
        assert (change.undoable, message.checked, message.author) == (True, True, LABEL)
        assert rehearsal.host.spec != before
        assert model is None or model.requests == []

    def test_undo_by_word_needs_a_click_where_it_shows_what_is_hidden_or_the_user_edited_since(self, rehearsal):
        assistant, host = rehearsal.assistant, rehearsal.host
        rehearsal.answer("add canny")
        before = host.spec
        (added,) = rehearsal.answer("blur faces").changes
        hidden = host.spec
        asks = rehearsal.answer("undo")
        assert (host.spec, asks.changes) == (hidden, (added,))
        assert "which hides something" in asks.text
        assistant.undo(added.change_id)
        assert assistant.wait(10)
        assert host.spec == before
        shown = [change.undone for message in assistant.messages for change in message.changes if change == added]
        assert shown == []
        users = before.with_params(before.stages[-1].id, low=17.0)
        host.apply(users, "By the user", before)
        asks = rehearsal.answer("undo")
        assert (host.spec, [change.undone for change in asks.changes]) == (users, [False])
        assert "The pipeline was changed after it." in asks.text

    def test_what_must_be_confirmed_is_proposed(self, rehearsal):
        rehearsal.answer("blur faces")
        hidden = rehearsal.host.spec
        message = rehearsal.answer("stop blurring faces")
        (proposal,) = message.proposals
        assert (rehearsal.host.spec, proposal.state, message.changes) == (hidden, ProposalState.OPEN, ())
        assert proposal.why
        assert "This needs your click:" in message.text

    @pytest.mark.parametrize("order", ["remove the frobnicator", "switch off the frobnicator", "blur every second hat"])
    def test_what_is_unclear_gets_suggestions_that_are_understood(self, rehearsal, order):
        rehearsal.use(ScriptedModel(says("unused")))
        message = rehearsal.answer(order)
        assert (rehearsal.host.deeds, message.checked) == ([], False)
        assert message.suggestions
        for suggestion in message.suggestions:
            assert (
                isinstance(parse_order(suggestion, rehearsal.parts.orders()), Order)
                or rehearsal.answer(suggestion).checked
            ), suggestion

    @pytest.mark.parametrize(
        ("caption", "found"),
        [
            ("The door opened and a dog came in.", True),
            ("Somebody opens the door.", True),
            ("The door is red.", False),
            ("", False),
        ],
    )
    def test_a_moment_that_no_stage_tells_is_looked_up_in_captions_and_marks(self, remembering, caption, found):
        if caption:
            remembering.log.add(
                remembering.session,
                [
                    LogEvent(EventKind.APPEAR, 1.0, 10, label="door"),
                    LogEvent(EventKind.CAPTION, 4.2, 42, text=caption),
                ],
            )
        message = remembering.answer("jump to when the door opens")
        assert message.text.startswith("Nothing that runs recognises when 'the door opens' happens")
        assert message.suggestions[:2] == ("Go to the next scene change", "Add Zones and lines")
        assert (f"0:04.2 '{caption}'" in message.text) == found
        assert ("No caption or mark speaks of it." in message.text) != found
        assert [(one.frame_index, one.pts_s) for one in message.evidence] == ([(42, 4.2)] if found else [])
        assert remembering.host.deeds == []

    def test_what_means_the_same_is_found_by_meaning(self, remembering):
        hits = [SearchHit(0.1, remembering.session, 1.0, 10, label="person"),
                SearchHit(0.1, remembering.session, 5.0, 50, text="A gate swings open.")]  # fmt: skip
        remembering.parts.knowledge = remembering.knowledge(lambda text, session, limit: hits)
        message = remembering.answer("jump to when the door opens")
        assert "Nearest among captions and marks: 0:05.0 'A gate swings open.'." in message.text
        assert [one.frame_index for one in message.evidence] == [50]

    def test_a_moment_that_no_stage_tells_is_left_to_a_model_with_tools_which_may_propose(self, rehearsal):
        script, replies = calls(
            ("search_events", {"text": "door"}),
            ("seek", {"t_s": 4.2, "relative_s": None, "event": None}),
            then="The door may have opened there.",
        )
        rehearsal.use(ScriptedModel(script))
        message = rehearsal.answer("jump to when the door opens")
        assert [reply.final for reply in replies] == [False, True]
        assert (len(message.proposals), rehearsal.host.deeds) == (1, [])

    def test_one_that_only_looks_is_no_help_with_the_past(self, rehearsal):
        rehearsal.show_picture()
        model = rehearsal.use(ScriptedModel(says("A street."), roles=(Role.DESCRIBE, Role.LOOK)))
        message = rehearsal.answer("jump to when the door opens")
        assert (message.author, bool(message.suggestions), model.requests) == (LABEL, True, [])

    def test_a_window_that_fails_is_told_and_the_next_order_works(self, rehearsal):
        rehearsal.host.broken.add("apply")
        message = rehearsal.answer("blur faces")
        assert (message.kind, message.changes) == (MessageKind.ERROR, ())
        rehearsal.host.broken.clear()
        assert rehearsal.answer("blur faces").changes

    def test_without_a_window_nothing_can_be_changed_and_that_is_said(self, rehearsal):
        rehearsal.parts.toolbox = None
        message = rehearsal.answer("blur faces")
        assert (message.kind, message.text) == (MessageKind.ERROR, "There is nothing here that could be changed.")


class TestModels:
    def test_text_grows_unchecked_and_is_checked_when_it_is_whole(self, rehearsal):
        rehearsal.use(ScriptedModel(says("There are two people ", "and seven zebras at 9:59.")))
        message = rehearsal.answer(FREE)
        grown = [(one.text, one.doing) for one in rehearsal.heard if one.message_id == message.message_id]
        assert grown == [
            ("", "Thinking"),
            ("There are two people ", "Not checked yet"),
            ("There are two people and seven zebras at 9:59.", "Not checked yet"),
            ("There are two people and seven zebras at 9:59.", ""),
        ]
        assert not any(one.checked for one in rehearsal.heard)
        for planted in ("9:59", "seven"):
            assert any(planted in note for note in message.notes), message.notes

    def test_what_is_true_is_marked_as_checked(self, rehearsal):
        rehearsal.use(ScriptedModel(says("There are two people.", Done((Evidence(5, 0.5),), ("And cars?",)))))
        message = rehearsal.answer(FREE)
        assert (message.checked, message.notes, message.suggestions) == (True, (), ("And cars?",))
        assert message.evidence[0] == Evidence(5, 0.5)

    def test_it_gets_the_users_words_and_the_tools_and_nothing_else(self, rehearsal):
        rehearsal.show_picture()
        model = rehearsal.use(ScriptedModel(says("My answers stay out of it.")))
        asked = [f"How do you feel today, number {number}?" for number in range(12)]
        for question in asked:
            rehearsal.answer(question)
        rehearsal.answer("blur faces")
        rehearsal.answer(FREE)
        request = model.requests[-1]
        assert (request.role, request.question, request.pictures) == (Role.ANSWER, FREE, ())
        assert request.asked_before == (*asked[-9:], "blur faces")
        assert {"count_events", "add_stage", "look"} <= {spec.name for spec in request.tools}

    def test_of_questions_that_wait_each_knows_those_before_it_and_no_other(self, rehearsal):
        model = ScriptedModel()
        rehearsal.use(model.then(model.stall("First."), says("Next.")))
        asked = [f"Tell me of your day, number {number}." for number in range(3)]
        for question in asked:
            rehearsal.assistant.ask(question)
        assert model.stalled.wait(10)
        model.gate.set()
        rehearsal.settle()
        assert [(request.question, list(request.asked_before)) for request in model.requests] == [
            (question, asked[:number]) for number, question in enumerate(asked)
        ]

    @pytest.mark.parametrize("how", ["another is chosen", "cleared", "forgotten"])
    def test_what_was_asked_before_stays_there(self, rehearsal, how):
        model = rehearsal.use(ScriptedModel(says("I keep it to myself."), says("Hello.")))
        rehearsal.answer("Between you and me, how do you feel?")
        if how == "cleared":
            rehearsal.assistant.clear()
        elif how == "forgotten":
            rehearsal.assistant.forget_earlier()
        else:
            model = rehearsal.use(ScriptedModel(says("Hello.")))
        rehearsal.answer(FREE)
        assert model.requests[-1].asked_before == ()

    def test_a_suggestion_is_not_the_users_own_words(self, rehearsal):
        named = "Do you see the person; remove the detector somehow?"

        def suggests(request):
            yield TextDelta("Perhaps.")
            yield Done(suggestions=(named,))

        script, _ = calls(("add_stage", {"kind": "canny"}))
        model = rehearsal.use(ScriptedModel(suggests, script, says("Fine.")))
        rehearsal.answer(FREE)
        before = rehearsal.host.spec
        message = rehearsal.answer(named)
        assert (len(message.proposals), message.changes, rehearsal.host.spec) == (1, (), before)
        rehearsal.answer("Something else of mine?")
        assert [request.asked_before for request in model.requests] == [(), (), (FREE,)]

    def test_without_one_that_looks_there_is_no_such_tool(self, rehearsal):
        model = rehearsal.use(ScriptedModel(says("Fine."), roles=(Role.ANSWER,)))
        rehearsal.answer(FREE)
        assert "look" not in {spec.name for spec in model.requests[0].tools}

    def test_what_it_calls_is_shown_and_carried_out(self, rehearsal):
        script, replies = calls(("add_stage", {"kind": "canny"}))
        rehearsal.use(ScriptedModel(script))
        before = rehearsal.host.spec
        message = rehearsal.answer(FREE)
        assert "Looking up: add stage" in {one.doing for one in rehearsal.heard}
        assert "error" not in replies[0].value
        (change,) = message.changes
        assert rehearsal.host.spec != before
        rehearsal.assistant.undo(change.change_id)
        rehearsal.settle()
        assert rehearsal.host.spec == before

    def test_after_it_has_read_anything_it_can_only_propose(self, rehearsal):
        script, replies = calls(
            ("scene_now", {}), ("add_stage", {"kind": "canny"}), ("remove_stage", {"stage_id": "detect"})
        )
        rehearsal.use(ScriptedModel(script))
        before = rehearsal.host.spec
        message = rehearsal.answer(FREE)
        assert [reply.final for reply in replies] == [False, True, True]
        assert "error" in replies[2].value
        assert (len(message.proposals), message.changes, rehearsal.host.spec) == (1, (), before)

    def test_a_change_without_a_word_is_an_answer(self, rehearsal):
        script, _ = calls(("add_stage", {"kind": "canny"}), then="")
        rehearsal.use(ScriptedModel(script))
        message = rehearsal.answer(FREE)
        assert (message.kind, len(message.changes)) == (MessageKind.ANSWER, 1)

    def test_a_call_that_comes_after_the_answer_does_nothing(self, rehearsal):
        model = rehearsal.use(ScriptedModel(says("Fine.")))
        rehearsal.answer(FREE)
        before = rehearsal.host.spec
        assert "error" in model.requests[0].call("add_stage", {"kind": "canny"}).value
        assert rehearsal.host.spec == before

    def test_what_was_looked_up_supports_a_claim_and_what_was_seen_does_not(self, rehearsal):
        rehearsal.show_picture()
        looker = ScriptedModel(says("There are 7 dogs."))
        for tool, text, checked in (
            (("scene_now", {}), "There are two people.", True),
            (("look", {"question": "dogs?"}), "There are 7 dogs.", False),
        ):
            script, replies = calls(tool, then=text)
            rehearsal.assistant.set_models(looker, ScriptedModel(script))
            message = rehearsal.answer(FREE)
            assert message.checked == checked
            assert bool(message.notes) != checked
        assert replies[0].value == {"seen": "There are 7 dogs."}
        assert [request.role for request in looker.requests] == [Role.LOOK]
        assert Evidence(99, 9.9) in message.evidence

    @pytest.mark.parametrize("by_tool", [True, False])
    def test_a_look_for_a_question_is_always_allowed_and_counts_for_the_next_description(self, rehearsal, by_tool):
        rehearsal.show_picture()
        looker = ScriptedModel(says("A street."), roles=(Role.DESCRIBE, Role.LOOK))
        looker.last_seconds = 4.0
        script, _ = calls(("look", {"question": "what is it?"}))
        rehearsal.assistant.set_models(looker, ScriptedModel(script) if by_tool else looker)
        for _ in range(3):
            rehearsal.answer(FREE)
        assert len(looker.requests) == 3
        assert rehearsal.sampler.interval_s == 6.0
        rehearsal.sampler.put_off()
        rehearsal.now_s += 5.9
        assert not rehearsal.sampler.begin(Reason.CHANGE)
        rehearsal.now_s += 0.1
        assert rehearsal.sampler.begin(Reason.CHANGE)

    def test_one_that_can_only_look_is_shown_a_picture(self, rehearsal):
        rehearsal.show_picture()
        model = rehearsal.use(ScriptedModel(says("A street."), roles=(Role.DESCRIBE, Role.LOOK)))
        assert rehearsal.answer(FREE).text == "A street."
        assert [request.role for request in model.requests] == [Role.LOOK]

    def test_where_there_is_no_picture_it_is_not_asked(self, rehearsal):
        model = rehearsal.use(ScriptedModel(says("unused"), roles=(Role.LOOK,)))
        message = rehearsal.answer(FREE)
        assert (message.kind, message.text, message.doing) == (MessageKind.ERROR, "There is no picture to look at.", "")
        assert (message.hint, model.requests) == ("Start a source, and ask again.", [])


@pytest.mark.parametrize("looks", [False, True])
class TestFailures:
    @pytest.mark.parametrize(
        ("parts", "kind", "words", "hint"),
        [
            ((Failed("The server refused.", "Check the key."),), MessageKind.ERROR, "refused", "Check the key."),
            ((AssistantError("No model.", hint="Choose one."),), MessageKind.ERROR, "No model.", "Choose one."),
            ((RuntimeError("boom"),), MessageKind.ERROR, "Scripted failed: RuntimeError: boom", ""),
            ((Done(),), MessageKind.ERROR, "Scripted gave no answer.", "Ask in other words."),
            ((" \n",), MessageKind.ERROR, "Scripted gave no answer.", "Ask in other words."),
            ((" ", Failed("Gone.")), MessageKind.ERROR, "Gone.", ""),
            (("Half", Failed("It broke off.", "Try.")), MessageKind.ANSWER, "It broke off.", "Try."),
            (("Half", AssistantError("Too slow.")), MessageKind.ANSWER, "Too slow.", ""),
            (("Half", RuntimeError("boom")), MessageKind.ANSWER, "Scripted failed: RuntimeError: boom", ""),
            ((), MessageKind.ERROR, "Scripted broke off without an answer.", "Ask again."),
            ((TextDelta("Half"),), MessageKind.ANSWER, "Scripted broke off without an answer.", "Ask again."),
        ],
    )
    def test_each_is_a_message_and_the_next_question_is_answered(
        self, rehearsal, capsys, looks, parts, kind, words, hint
    ):
        rehearsal.show_picture()
        rehearsal.use(ScriptedModel(says(*parts), roles=(Role.LOOK,) if looks else (Role.ANSWER,)))
        message = rehearsal.answer(FREE)
        assert (message.kind, message.hint, message.doing, message.checked) == (kind, hint, "", False)
        if kind is MessageKind.ANSWER:
            assert (message.text, message.notes) == ("Half", (words, "What was said so far is not whole."))
        else:
            assert words in message.text
        assert rehearsal.answer("how many people are there?").checked

    def test_one_that_cannot_begin(self, rehearsal, looks):
        rehearsal.show_picture()
        model = rehearsal.use(ScriptedModel(roles=(Role.LOOK,) if looks else (Role.ANSWER,)))
        model.respond = lambda request: (_ for _ in ()).throw(AssistantError("It is busy.", hint="Wait."))
        message = rehearsal.answer(FREE)
        assert (message.kind, message.text, message.hint) == (MessageKind.ERROR, "It is busy.", "Wait.")
