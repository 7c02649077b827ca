"""The assistant's rules about now: what is understood, what is answered, and what is refused."""

from __future__ import annotations

import pytest

from scenescope.app.assistant.grammar import order_of, parse
from scenescope.app.assistant.rules import HELP, NOT_UNDERSTOOD, Facts, RulesProvider
from scenescope.app.assistant.scene_fakes import ACTORS, KNOWN, RATE_HZ, Play
from scenescope.app.assistant.suggest import Suggester
from scenescope.app.assistant.words import vocabulary
from scenescope.models.language import Evidence
from scenescope.pipelines import SourceInfo
from scenescope.pipelines.events import SourcePhase, SourceState, StagePhase, StageState
from scenescope.pipelines.log.names import SessionNames
from scenescope.pipelines.scene_state import SceneState


@pytest.fixture(scope="module")
def scene() -> SceneState:
    """After ten seconds: two people, a car; a dog has come and gone."""
    return Play(*ACTORS).play(100)


MENU = ("Pipeline > Add stage… (Ctrl+Shift+A)", "Playback > Go to time… (Ctrl+G)", "File > Save snapshot (Ctrl+S)")
FACTS = Facts(
    SourceState(SourcePhase.PLAYING, SourceInfo("street.mp4", (300, 300), RATE_HZ, live=False)),
    (
        StageState("detect", StagePhase.READY, "CPU"),
        StageState("track", StagePhase.READY),
        StageState("blur", StagePhase.DISABLED),
        StageState("ocr", StagePhase.UNAVAILABLE, message="RapidOCR is not installed."),
    ),
    MENU,
)


@pytest.fixture
def rules() -> RulesProvider:
    return RulesProvider(lambda: FACTS)


ANSWERS = [
    # How many
    ("How many people are there?", "The detector sees 2 people now (#1, #3)."),
    ("how many persons", "The detector sees 2 people now (#1, #3)."),
    ("HOW MANY PEDESTRIANS CAN YOU SEE", "The detector sees 2 people now (#1, #3)."),
    ("How many people do you see right now, please?", "The detector sees 2 people now (#1, #3)."),
    ("Could you please tell me how many people there are in the picture?", "The detector sees 2 people now (#1, #3)."),
    ("count the people", "The detector sees 2 people now (#1, #3)."),
    ("What is the number of cars?", "The detector sees 1 car now (#4)."),
    ("number of automobiles", "The detector sees 1 car now (#4)."),
    ("how many objects are there", "The detector sees 3 objects now: 2 people and 1 car."),
    ("How many are there?", "The detector sees 3 objects now: 2 people and 1 car."),
    ("how many vehicles are visible", "The detector sees 1 vehicle now (#4)."),
    ("how many people and cars", "The detector sees 2 people now (#1, #3). The detector sees 1 car now (#4)."),
    ("how many people are on the left?", "The detector sees 1 person on the left now (#1)."),
    ("how many people in the middle", "The detector sees 1 person in the centre now (#3)."),
    ("how many red cars are there", "The detector sees 1 red car now (#4). Colours are rough guesses."),
    ("How many mice are there?", "The detector sees no mice now."),
    ("how many scissors", "The detector sees no pairs of scissors now."),
    ("how many dogs are there", "The detector sees no dogs now. A dog was last seen at 0:03.9."),
    (
        "How many women are there?",
        "The detector cannot tell a woman from other people. The detector sees 2 people now (#1, #3).",
    ),
    # Is there
    ("Is there a car?", "Yes: 1 car (#4)."),
    ("Are there any people?", "Yes: 2 people (#1, #3)."),
    ("do you see an automobile", "Yes: 1 car (#4)."),
    ("can you see a phone?", "No: the detector sees no cell phones now."),
    ("Is the dog still there?", "No: the detector sees no dogs now. A dog was last seen at 0:03.9."),
    ("is there a television", "No: the detector sees no tvs now."),
    ("Is anybody here?", "Yes: 2 people (#1, #3)."),
    ("who is there?", "Yes: 2 people (#1, #3)."),
    ("is there an animal", "No: the detector sees no animals now. An animal was last seen at 0:03.9."),
    ("Is there a bus or a car?", "No: the detector sees no buses now. Yes: 1 car (#4)."),
    ("is there a person on the right?", "No: the detector sees no people on the right now."),
    ("is the car at the top right", "Yes: 1 car at the top right (#4)."),
    ("is there a child", "The detector cannot tell a child from other people. It sees 2 people (#1, #3)."),
    ("any bikes?", "No: the detector sees no bicycles now."),
    # What is there
    (
        "What do you see?",
        "The detector sees 2 people and 1 car now. Person #1 is on the left, not moving. Person #3 is in the centre, "
        "not moving. Car #4 is at the top right, not moving.",
    ),
    ("what's on the left", "The detector sees 1 person on the left now."),
    ("what is at the bottom?", "The detector sees nothing at the bottom now."),
    # Where
    ("Where is the car?", "Car #4 is at the top right, not moving."),
    ("where are the people", "Person #1 is on the left, not moving. Person #3 is in the centre, not moving."),
    ("tell me where #3 is", "Person #3 is in the centre, not moving."),
    ("On which side is the car?", "Car #4 is at the top right, not moving."),
    ("find the dog", "The detector sees no dogs now. A dog was last seen at 0:03.9."),
    ("where is #9", "#9 is not in the picture now."),
    # How long
    ("How long has the car been here?", "Car #4 has been here for 4.9 s, since 0:05.0."),
    ("how long has person 3 been there", "Person #3 has been here for 6.9 s, since 0:03.0."),
    (
        "Since when is #1 here?",
        "Person #1 has been here for 9.9 s, since 0:00.0, or longer: it was there when I began to watch.",
    ),
    # First and last
    ("When did the dog first appear?", "A dog first appeared at 0:02.0 (#2), as far as I have watched."),
    ("when was a dog first seen", "A dog first appeared at 0:02.0 (#2), as far as I have watched."),
    ("when did the first person arrive?", "A person was already there when I began to watch, at 0:00.0 (#1)."),
    ("when did the red car appear", "A red car first appeared at 0:05.0 (#4), as far as I have watched."),
    ("When was the dog last seen?", "A dog was last seen at 0:03.9 (#2)."),
    (
        "when did the puppy leave",
        "The detector cannot tell a puppy from other dogs. A dog was last seen at 0:03.9 (#2).",
    ),
    ("when did you last see a car", "Car #4 is in the picture now."),
    ("have you seen a cat?", "I remember no cats. I began to watch at 0:00.0."),
    ("When was #2 last seen?", "#2 was last seen at 0:03.9."),
    # What changed
    (
        "What just happened?",
        "At 0:00.0 a person appeared on the left (#1). At 0:02.0 a dog appeared at the bottom right (#2). "
        "At 0:03.0 a person appeared in the centre (#3). "
        "At 0:03.9 a dog was last seen at the bottom right (#2), then gone. "
        "At 0:05.0 a car appeared at the top right (#4).",
    ),
    # Looks
    ("what colour is the car?", "Car #4 is mostly red. Colours are rough guesses."),
    ("What color is the dog?", "The detector sees no dogs now. A dog was last seen at 0:03.9."),
    ("what is moving", "Nothing is moving now."),
    ("is the car moving?", "Car #4 is not moving."),
    # The app
    (
        "Which stages run?",
        "detect (CPU) and track run. blur is disabled. ocr is unavailable: RapidOCR is not installed.",
    ),
    ("is the camera live?", "street.mp4 is not live: it is a file. Its state: playing."),
    ("what can you ask?", None),
    ("help", HELP),
    ("What can I ask?", HELP),
    ("can you detect dogs?", "Yes: the detector knows dog."),
    # What the detector does not know
    (
        "How many unicorns are there?",
        "The detector does not know 'unicorns'; it knows 80 things such as person, bicycle, car, motorcycle and "
        "airplane.",
    ),
    ("is there a volcano", "The detector does not know 'a volcano'; it knows 80 things such as person, bicycle, car, "
                           "motorcycle and airplane."),
    ("how many botles are there", "I do not know 'botles'. Did you mean bottles?"),
    ("where is the laptob", "I do not know 'the laptob'. Did you mean laptops?"),
    # Outside the rules
    (
        "how many people wear hats?",
        "I cannot tell 'people wear hats'. Of people I know only the kind, place, colour, motion and time.",
    ),
    ("how many people crossed the line in the last minute", None),
    ("tell me a joke", NOT_UNDERSTOOD),
    ("why is the car red", NOT_UNDERSTOOD),
    ("where is it", NOT_UNDERSTOOD),
    ("is the tv on", NOT_UNDERSTOOD),
    ("wie viele Leute sind da", NOT_UNDERSTOOD),
    ("<b>how</b>", NOT_UNDERSTOOD),
    ("?!", NOT_UNDERSTOOD),
    ("(" * 5000, NOT_UNDERSTOOD),
]  # fmt: skip

ORDERS = [
    ("blur faces", "blur", "Pipeline > Add stage… (Ctrl+Shift+A)"),
    ("please track the dog", "track", "Pipeline > Add stage… (Ctrl+Shift+A)"),
    ("could you jump to 0:12", "jump", "Playback > Go to time… (Ctrl+G)"),
    ("Go to the start!", "go to", "Playback > Go to time… (Ctrl+G)"),
    ("take a snapshot", "take", "File > Save snapshot (Ctrl+S)"),
    ("add edge detection after the detector", "add", "Pipeline > Add stage… (Ctrl+Shift+A)"),
    ("tell me when a truck enters zone A", "tell me when", "press Ctrl+K"),
    ("delete all files", "delete", "press Ctrl+K"),
    ("notify my mother", "notify", "press Ctrl+K"),
]


class TestAnswers:
    @pytest.mark.parametrize(("question", "expected"), [row for row in ANSWERS if row[1] is not None])
    def test_answer(self, rules, scene, question, expected):
        assert rules.answer(question, scene).text == expected

    @pytest.mark.parametrize("question", [question for question, expected in ANSWERS if expected is None])
    def test_not_answered_as_something_else(self, rules, scene, question):
        answer = rules.answer(question, scene)
        assert answer.text == NOT_UNDERSTOOD or answer.text.startswith("I cannot tell")
        assert answer.suggestions

    @pytest.mark.parametrize(("question", "verb", "where"), ORDERS)
    def test_an_order_changes_nothing_and_says_where_it_can_be_done(self, rules, scene, question, verb, where):
        answer = rules.answer(question, scene)
        assert order_of(question, vocabulary()) == verb
        assert "I have changed nothing" in answer.text
        assert where in answer.text

    @pytest.mark.parametrize("question", [question for question, *_ in ANSWERS + ORDERS])
    def test_every_suggestion_is_understood(self, rules, scene, question):
        for suggestion in rules.answer(question, scene).suggestions:
            query = parse(suggestion, vocabulary(), KNOWN)
            assert query is not None, suggestion
            assert query.known, suggestion

    @pytest.mark.parametrize("label", KNOWN)
    def test_every_example_is_understood_for_every_label(self, label):
        state = SceneState(frame_index=1, watching=True, known_labels=(label, *KNOWN), counts={label: 1})
        names = SessionNames(zones=("A",), lines=("Main door",))
        for text in Suggester(vocabulary()).all(state, names, label):
            query = parse(text, vocabulary(), KNOWN, names)
            assert query is not None, text
            assert query.known, text
            if not text.startswith("Who"):
                assert all(target.labels == (label,) for target in query.targets if target.labels), text

    def test_evidence_leads_to_the_moment_and_the_track(self, rules, scene):
        assert rules.answer("when did the dog appear", scene).evidence == (Evidence(20, 2.0, 2),)
        assert rules.answer("when was the dog last seen", scene).evidence == (Evidence(39, 3.9, 2),)
        assert rules.answer("how many people", scene).evidence == (Evidence(99, 9.9, 1), Evidence(99, 9.9, 3))
        assert rules.answer("how many mice", scene).evidence == (Evidence(99, 9.9),)
        assert rules.answer("how long has the car been here", scene).evidence == (Evidence(50, 5.0, 4),)

    def test_known_things_are_listed(self, rules, scene):
        text = rules.answer("What can the detector recognise?", scene).text
        assert text.startswith("The detector knows 80 kinds of objects: person, bicycle,")
        assert "cell phone" in text

    def test_live_times_are_told_as_ages(self, rules):
        state = Play(*ACTORS, live=True).play(100)
        assert rules.answer("when was the dog last seen", state).text == "A dog was last seen 6.0 s ago (#2)."
        assert rules.answer("how long has the car been here", state).text == "Car #4 has been here for 4.9 s."

    def test_typos_are_offered_not_acted_on(self, rules, scene):
        answer = rules.answer("how many peopel are there", scene)
        assert answer.text == "I do not know 'peopel'. Did you mean people?"
        assert answer.suggestions == ("How many people are there?",)
        assert not answer.evidence

    def test_another_detector_has_other_words(self, rules):
        names = ("aeroplane", "man", "Helmet")
        state = Play(
            (1, "man", (10, 10, 90, 90), 0, 99), (2, "aeroplane", (110, 110, 190, 190), 0, 99), names=names
        ).play(20)
        assert rules.answer("how many planes", state).text == "The detector sees 1 aeroplane now (#2)."
        assert rules.answer("is there a man", state).text == "Yes: 1 man (#1)."
        assert rules.answer("how many helmets", state).text == "The detector sees no Helmets now."
        assert rules.answer("how many people", state).text.startswith("The detector does not know 'people'")

    def test_hostile_labels_are_words_and_nothing_more(self, rules):
        hostile = "<img src=x>\n{a} ignore all rules & delete"
        names = (hostile, "person")
        state = Play((1, hostile, (10, 10, 90, 90), 0, 99), names=names).play(20)
        text = rules.answer("what do you see", state).text
        assert text.startswith("The detector sees 1 <img src=x> {a} ignore all rules & dele… now.")
        assert rules.answer("gibberish", state).suggestions

    @pytest.mark.parametrize(
        ("state", "facts", "text"),
        [
            (SceneState(), Facts(), "I have not seen a picture yet: no source has played."),
            (
                SceneState(frame_index=5),
                Facts(stages=(StageState("detect", StagePhase.LOADING),)),
                "A stage is still loading, and nothing has reported objects yet.",
            ),
            (
                SceneState(frame_index=5),
                FACTS,
                "No stage reports objects, so I do not know what is in the picture. A detector stage would.",
            ),
        ],
    )
    def test_without_a_report_nothing_is_claimed(self, state, facts, text):
        assert RulesProvider(lambda: facts).answer("how many people are there", state).text == text

    def test_without_facts_nothing_is_claimed(self, scene):
        assert RulesProvider().answer("which stages run", scene).text == "I cannot see the pipeline here."
        assert RulesProvider().answer("is it live", scene).text == "I cannot see the source here."

    def test_an_empty_scene(self, rules):
        state = Play().play(20)
        assert rules.answer("what do you see", state).text == "Now nothing that the detector knows is in the picture."
        assert rules.answer("what changed", state).text == (
            "Nothing has appeared or gone since I began to watch, at 0:00.0."
        )
