"""The conversation: when the scene is described, and how questions and answers become messages."""

from __future__ import annotations

import itertools

import pytest

from scenescope.app.assistant import MAX_MESSAGES, Assistant, Parts, facts_of
from scenescope.app.assistant.orders import Order, parse_order
from scenescope.app.assistant.orders_fakes import film_context
from scenescope.app.assistant.rules import HELP, LABEL, ORDERS, RulesProvider
from scenescope.app.assistant.scene_fakes import ACTORS, RATE_HZ, Play
from scenescope.models import AssistantError
from scenescope.models.language import (
    Done,
    Evidence,
    Failed,
    LanguageModel,
    MessageKind,
    ModelState,
    Reach,
    Request,
    Role,
    StreamEvent,
    TextDelta,
)
from scenescope.pipelines import SOURCES, PipelineSpec, SourceInfo
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import SourcePhase, SourceState, StagePhase, StageState
from scenescope.pipelines.scene import SceneObserver
from scenescope.pipelines.scene_state import SceneState


class TestDescriptions:
    def listen(self, stage: Play, **kwargs) -> tuple[Assistant, list]:
        assistant = Assistant(Parts(stage.observer, clock=lambda: stage.now_s, **kwargs))
        heard: list = []
        assistant.subscribe(heard.append)
        return assistant, heard

    def test_the_scene_is_described_as_it_changes(self):
        stage = Play(*ACTORS)
        _, heard = self.listen(stage)
        stage.play(100)
        assert [(message.pts_s, message.text) for message in heard] == [
            (0.5, "Now: 1 person."),
            (3.5, "A dog appeared at the bottom right (#2). A person appeared in the centre (#3). Now: 2 people and "
                  "1 dog."),
            (6.5, "A car appeared at the top right (#4). A dog is gone (#2). Now: 2 people and 1 car."),
        ]  # fmt: skip
        assert {message.author for message in heard} == {LABEL} == {"Rules, not AI"}
        assert {message.kind for message in heard} == {MessageKind.DESCRIPTION}
        assert heard[2].evidence == (Evidence(39, 3.9, 2), Evidence(50, 5.0, 4))

    def test_nothing_is_said_when_nothing_changes(self):
        stage = Play((1, "person", (10, 10, 90, 90), 0, 10**6))
        _, heard = self.listen(stage)
        stage.play(600)
        assert [message.text for message in heard] == ["Now: 1 person."]

    def test_flicker_makes_no_message(self):
        steady = (1, "person", (10, 10, 90, 90), 0, 10**6)
        flicker = [(2, "dog", (200, 200, 290, 290), start, start + 2) for start in range(10, 300, 7)]
        stage = Play(steady, *flicker)
        _, heard = self.listen(stage)
        stage.play(300)
        assert [message.text for message in heard] == ["Now: 1 person."]

    def test_an_empty_scene_is_said_once(self):
        stage = Play((1, "cup", (10, 10, 90, 90), 50, 100))
        _, heard = self.listen(stage)
        stage.play(200)
        assert [message.text for message in heard] == [
            "Now nothing that the detector knows is in the picture.",
            "A cup appeared at the top left (#1). Now: 1 cup.",
            "A cup is gone (#1). Now nothing that the detector knows is in the picture.",
        ]

    def test_what_came_and_went_in_between(self):
        stage = Play((1, "person", (10, 10, 90, 90), 0, 999), (2, "dog", (200, 200, 290, 290), 8, 14))
        _, heard = self.listen(stage)
        stage.play(60)
        assert heard[1].text == "A dog came and went (#2). Now: 1 person."

    def test_many_at_once_are_one_sentence(self):
        people = [(n, "person", (10 * n, 10, 10 * n + 9, 90), 10, 100) for n in range(1, 9)]
        stage = Play((9, "mouse", (10, 200, 60, 260), 0, 999), *people)
        _, heard = self.listen(stage)
        stage.play(60)
        assert (
            heard[1].text == "8 people appeared at the top left (#1, #2, #3, #4, #5, #6, …). Now: 8 people and 1 mouse."
        )
        assert len(heard[1].evidence) == 4

    def test_what_was_put_off_is_said_at_the_end(self):
        stage = Play(ACTORS[0], (2, "dog", (210, 210, 290, 290), 8, 99))
        _, heard = self.listen(stage)
        stage.play(20)
        assert len(heard) == 1
        stage.observer.close()
        assert heard[1].text == "A dog appeared at the bottom right (#2). Now: 1 person and 1 dog."

    def test_a_pause_is_caught_up(self):
        stage = Play(*ACTORS)
        assistant, heard = self.listen(stage)
        stage.play(10)
        assistant.set_paused(True)
        stage.play(70)
        assert len(heard) == 1
        assert assistant.answer("how many people").text == "The detector sees 2 people now (#1, #3)."
        assistant.set_paused(False)
        stage.play(1)
        assert heard[-1].text.endswith("Now: 2 people and 1 car.")

    def test_a_jump_and_a_lost_detector(self):
        stage = Play(ACTORS[0], (5, "person", (10, 110, 90, 190), 500, 900))
        _, heard = self.listen(stage)
        stage.play(30)
        stage.index = 600
        stage.play(40)
        stage.play(40, detecting=False)
        assert [message.text for message in heard[1:]] == [
            "The picture jumped to 1:00.0. Now nothing that the detector knows is in the picture.",
            "A person appeared on the left (#5). Now: 1 person.",
            "No stage reports objects any more, so I do not know what is in the picture.",
        ]

    def test_a_new_source_is_described_anew(self):
        stage = Play(*ACTORS)
        _, heard = self.listen(stage, min_interval_s=0.0)
        stage.play(10)
        stage.observer.open(SourceInfo("other.mp4", (300, 300), RATE_HZ, live=False))
        stage.index = 0
        stage.play(10)
        assert [message.text for message in heard] == ["Now: 1 person."] * 2

    def test_two_runs_say_the_same(self):
        said = []
        for _ in range(2):
            stage = Play(*ACTORS)
            _, heard = self.listen(stage)
            stage.play(100)
            said.append([(message.text, message.evidence) for message in heard])
        assert said[0] == said[1]


class Provider:
    """A provider that says what it is told to say."""

    label = "Test"
    reach = Reach.YOUR_NETWORK
    state = ModelState()
    roles = frozenset({Role.DESCRIBE, Role.ANSWER})

    def __init__(self, *events: StreamEvent | Exception) -> None:
        self.events = events
        self.requests: list[Request] = []

    def respond(self, request: Request):
        self.requests.append(request)
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            yield event

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        pass


class TestConversation:
    def test_question_and_answer_are_messages(self):
        stage = Play(*ACTORS)
        assistant = Assistant(Parts(stage.observer))
        stage.play(100)
        heard: list = []
        stop = assistant.subscribe(heard.append)
        answer = assistant.answer("  how   many\ncars? ")
        assert [(message.kind, message.author, message.text) for message in heard] == [
            (MessageKind.QUESTION, "You", "how many cars?"),
            (MessageKind.ANSWER, LABEL, "The detector sees 1 car now (#4)."),
        ]
        assert heard[1] is answer
        assert answer.pts_s == pytest.approx(9.9)
        stop()
        assistant.answer("help")
        assert len(heard) == 2

    def test_the_conversation_is_bounded_and_can_be_cleared_and_restored(self):
        assistant = Assistant(Parts(SceneObserver()))
        for _ in range(MAX_MESSAGES):
            assistant.answer("help")
        assert len(assistant.messages) == MAX_MESSAGES
        removed = assistant.clear()
        assert not assistant.messages
        assistant.answer("help")
        assistant.restore(removed[-10:])
        assert len(assistant.messages) == 12
        numbers = [message.message_id for message in assistant.messages]
        assert numbers == sorted(set(numbers))

    @pytest.mark.parametrize(
        ("events", "text", "hint"),
        [
            ((Failed("The server refused.", "Check the key."),), "The server refused.", "Check the key."),
            ((AssistantError("No model.", hint="Choose one."),), "No model.", "Choose one."),
        ],
    )
    def test_a_failing_provider_is_an_error_message(self, events, text, hint):
        message = Assistant(Parts(SceneObserver()), answerer=Provider(*events)).answer("tell me a joke")
        assert (message.kind, message.text, message.hint) == (MessageKind.ERROR, text, hint)

    def test_another_provider_gets_the_scene_and_the_turns(self):
        stage = Play(*ACTORS)
        provider = Provider(TextDelta("Two "), TextDelta("people."), Done((Evidence(1, 0.1),), ("And cars?",)))
        assistant = Assistant(Parts(stage.observer), answerer=provider)
        stage.play(100)
        assistant.answer("how many?")
        message = assistant.answer("and now?")
        request = provider.requests[-1]
        assert (message.text, message.evidence, message.suggestions) == (
            "Two people.",
            (Evidence(1, 0.1),),
            ("And cars?",),
        )
        assert (assistant.label, assistant.reach) == ("Test", Reach.YOUR_NETWORK)
        assert request.role is Role.ANSWER
        assert request.asked_before == ("how many?",)
        assert '"person":2' in request.scene.to_json()

    def test_with_orders_help_names_them_and_an_order_that_is_not_understood_leads_to_others(self):
        assistant = Assistant(Parts(SceneObserver(), orders=film_context))
        assert assistant.answer("help").text == HELP + ORDERS
        for order, said in (
            ("blur every second hat", "The detector does not know 'every second hat'."),
            ("notify my mother", "I do not understand it whole: I have changed nothing."),
        ):
            answer = assistant.answer(order)
            assert said in answer.text
            assert any(isinstance(parse_order(one, film_context()), Order) for one in answer.suggestions), answer
        assert "questions and orders" in assistant.answer("colourless green ideas").text

    def test_one_of_the_examples_is_an_order_that_fits_the_scene(self):
        stage = Play(*ACTORS)
        assistant = Assistant(Parts(stage.observer, orders=film_context))
        before = assistant.examples()
        stage.play(100)
        assert assistant.examples()[-1] == "Tell me when a person appears"
        orders = [isinstance(parse_order(one, film_context()), Order) for one in (*before, *assistant.examples())]
        assert orders == [False] * (len(orders) - 1) + [True]

    def test_without_orders_none_is_promised(self):
        assistant = Assistant(Parts(SceneObserver()))
        assert assistant.answer("help").text == HELP
        assert "I only answer questions" in assistant.answer("blur faces").text
        for example in assistant.examples():
            assert not isinstance(parse_order(example, film_context()), Order)

    def test_closing_stops_the_descriptions(self):
        stage = Play(*ACTORS)
        assistant = Assistant(Parts(stage.observer))
        assistant.close()
        stage.play(100)
        assert not assistant.messages

    def test_rules_are_a_language_model(self):
        provider: LanguageModel = RulesProvider()
        assert (provider.label, provider.reach) == ("Rules, not AI", Reach.THIS_COMPUTER)
        assert next(provider.respond(Request(Role.ANSWER, SceneState(), "help"))) == TextDelta(HELP)
        with pytest.raises(AssistantError):
            list(provider.respond(Request(Role.ANSWER, object())))  # type: ignore[arg-type]

    def test_facts_come_from_the_engine_at_every_call(self):
        class Engine:
            source_state = SourceState(SourcePhase.STOPPED)
            stage_states = ()

        engine, menus = Engine(), itertools.count()
        facts = facts_of(engine, lambda: (f"Menu {next(menus)}",))
        assert facts().menu == ("Menu 0",)
        engine.stage_states = (StageState("detect", StagePhase.READY),)
        assert facts().stages == engine.stage_states


def test_a_real_picture_through_the_real_engine(bus):
    observer = SceneObserver()
    engine = Engine(PipelineSpec().added("detect", {}), sinks=[observer])
    assistant = Assistant(Parts(observer, facts=facts_of(engine)))
    try:
        engine.start(SOURCES.get("images")(bus))
        assert engine.wait(60)
        assert assistant.answer("is it live").text == "bus.jpg is not live: it is a file. Its state: ended."
    finally:
        engine.stop()
    counts = observer.state.counts
    assert counts["person"] >= 3
    assert counts["bus"] == 1
    assert assistant.messages[0].text.startswith(f"Now: {counts['person']} people")
    assert assistant.answer("how many people are there").text == f"The detector sees {counts['person']} people now."
    assert (
        assistant.answer("when did you last see a person").text == f"{counts['person']} people are in the picture now."
    )
