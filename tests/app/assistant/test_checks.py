"""Claim checks: one claim at a time, the times that become evidence, and texts of every kind."""

from __future__ import annotations

import random
from dataclasses import replace
from types import MappingProxyType

import pytest

from scenescope.app.assistant.checks import Checked, DoubtKind, Facts, check, empty_scene_said
from scenescope.models.language import Description, Evidence, SeenObject, ToolResult
from scenescope.pipelines.scene_state import LabelMemory, SceneEvent, SceneEventKind, SceneState, SceneTrack

pytestmark = pytest.mark.slow

KNOWN = ("person", "dog", "cat", "car", "bus", "skis", "orange", "mouse")


def track(
    number: int | None, label: str, first_s: float, zone: str, motion: str = "still", colour: str = ""
) -> SceneTrack:
    return SceneTrack(
        number, label, 0.87, zone, 20.0 - first_s, motion, colour,
        first_s, round(first_s * 25), 20.0, 500, (0, 0, 1, 1),
    )  # fmt: skip


TRACKS = (
    track(1, "person", 7.6, "left", "moving right"),
    track(2, "person", 15.0, "top right"),
    track(4, "dog", 16.8, "centre", colour="brown"),
)
SCENE = SceneState(
    "walk 3.mp4", False, 1, 20.0, 500, 0.0, 0.0, True, KNOWN, TRACKS, MappingProxyType({"person": 2, "dog": 1}),
    (
        SceneEvent(SceneEventKind.APPEARED, 7.6, 190, "person", 1, "left"),
        SceneEvent(SceneEventKind.VANISHED, 12.0, 300, "bus", 3, "right"),
        SceneEvent(SceneEventKind.APPEARED, 16.8, 420, "dog", 4, "centre"),
    ),
    3, MappingProxyType({"car": LabelMemory(2.0, 50, 9, 3.0, 75, 9)}),
)  # fmt: skip
FACTS = Facts(SCENE)
EMPTY = replace(SCENE, tracks=(), counts=MappingProxyType({}))
NOTHING = SceneState()
UNWATCHED = "Nothing here can confirm what it names: no detector is running."
KNIFE = "A man with a knife stands next to a dog and a red car."


def kinds(checked: Checked) -> list[str]:
    return [f"{doubt.kind.name} {doubt.words}" for doubt in checked.doubts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two people and a dog.", []),
        ("Three people and a cat.", ["COUNT Three people", "OBJECT cat"]),
        ("2 dogs", ["COUNT 2 dogs"]),
        ("Both dogs are there.", ["COUNT Both dogs"]),
        ("A dozen people", ["COUNT A dozen people"]),
        ("Twenty-one dogs.", ["COUNT Twenty-one dogs"]),
        ("One hundred and five people.", ["COUNT One hundred and five people"]),
        ("A third person is there.", ["COUNT third person"]),
        ("A second person is there.", []),
        ("The 3rd dog", ["COUNT 3rd dog"]),
        ("Exactly one person is there.", ["COUNT one person"]),
        ("One person is on the left.", []),
        ("At least two people.", []),
        ("At least three people.", ["COUNT three people"]),
        ("Fewer than two dogs.", []),
        ("Two people on the left.", []),
        ("Three objects are there.", []),
        ("4 things", ["COUNT 4 things"]),
        ("There are no people.", ["COUNT no people"]),
        ("There are no people with hats.", []),
        ("Half of the people move.", ["COUNT Half of the people"]),
        ("1,204 people", ["COUNT 1,204 people"]),
        ("It is 87 % sure.", []),
        ("It is 50 % sure.", ["NUMBER 50"]),
        ("Its confidence is 0.87, not 0.9.", []),
        ("Its confidence is 0.71.", ["NUMBER 0.71"]),
        ("It is -5 degrees.", ["NUMBER 5"]),
        ("Person #1 and #2, but not #9.", ["NUMBER #9"]),
        ("Person 7 waits.", ["NUMBER 7"]),
        ("It began in frame 190.", []),
        ("It began in frame 191.", ["NUMBER 191"]),
        ("It plays walk 3.mp4 now.", []),
        ("H264 and MP4 are names.", []),
        ("There are two pairs of skis.", ["COUNT two pairs of skis", "OBJECT pairs of skis"]),
        ("A bus is there now.", ["OBJECT bus"]),
        ("A bus has left.", []),
        ("A car was there before.", []),
        ("A car is there.", ["OBJECT car"]),
        ("A taxi waits.", ["OBJECT taxi"]),
        ("A woman waits.", []),
        ("A kitten plays with mice.", ["OBJECT kitten", "OBJECT mice"]),
        ("A dog-like shape, the far side is car-free.", []),
        ("Not only a dog but also a cat.", ["OBJECT cat"]),
        ("No cats, cars or buses, but an orange.", ["OBJECT orange"]),
        ("There is no cat on the car.", ["OBJECT car"]),
        ("The orange dog.", []),
        ("The sign says 'CATS ONLY'.", []),
        ("Is there a cat? Shall I watch for cars?", []),
        ("Not seen: cat.", []),
        ("", []),
    ],
)  # fmt: skip
def test_claims(text: str, expected: list[str]) -> None:
    checked = check(text, FACTS)
    assert kinds(checked) == expected
    assert checked.text == text
    assert checked.passed is not bool(expected)


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("It came at 0:16.8.", [Evidence(420, 16.8, 4)]),
        ("It came at 0:16, and at 0:07.", [Evidence(420, 16.8, 4), Evidence(190, 7.6, 1)]),
        ("It came at 0:17.", [Evidence(420, 16.8, 4)]),
        ("It came at 16.8 s.", [Evidence(420, 16.8, 4)]),
        ("It came 3 seconds ago.", [Evidence(420, 16.8, 4)]),
        ("It left eight seconds ago.", [Evidence(300, 12.0, 3)]),
        ("It is 0:20 now.", [Evidence(500, 20.0)]),
        ("At 00:00:12 it left.", [Evidence(300, 12.0, 3)]),
    ],
)
def test_a_time_that_is_right_becomes_evidence(text: str, evidence: list[Evidence]) -> None:
    checked = check(text, FACTS)
    assert checked.passed, checked.notes
    assert [(e.frame_index, e.pts_s) for e in checked.evidence] == [(e.frame_index, e.pts_s) for e in evidence]


@pytest.mark.parametrize(
    "text",
    ["At 0:10 it came.", "It came 6 seconds ago.", "At 10.0 s it came.", "At 14:05 it came.", "An hour ago it came."],
)
def test_a_time_at_which_nothing_happened_is_doubted(text: str) -> None:
    checked = check(text, FACTS)
    assert [doubt.kind for doubt in checked.doubts] == [DoubtKind.TIME]
    assert not checked.evidence


@pytest.mark.parametrize(
    ("text", "facts", "notes", "confirmed"),
    [
        ("A dog under a blue sky.", FACTS, (), True),
        ("There is no cat.", FACTS, (), True),
        ("It came at 0:16.8.", FACTS, (), True),
        ("Three objects are there.", FACTS, (), True),
        ("A blue sky over a lake.", FACTS, (), False),
        ("Fine, thank you.", FACTS, (), False),
        ("If a cat comes, I will tell you.", FACTS, (), False),
        ("In the last 90 seconds.", Facts(SCENE, question="what came in the last 90 seconds?"), (), False),
        ("A dog and a knife.", FACTS, ("Nothing here can confirm: knife.",), False),
        ("A dog and two knives.", FACTS, ("Nothing here can confirm: two knives and knives.",), False),
        (KNIFE, Facts(NOTHING), (UNWATCHED,), False),
        ("There are 2 dogs.", Facts(NOTHING), (UNWATCHED,), False),
        ("There is no dog.", Facts(NOTHING), (), False),
        ("Fine, thank you.", Facts(NOTHING), (), False),
        ("A blue sky over a lake.", Facts(NOTHING, looked=True), (UNWATCHED,), False),
        ("A blue sky over a lake.", Facts(SCENE, looked=True), (), False),
        ("Two people and a dog.", Facts(SCENE, looked=True), (), True),
        ("Two cars crossed.", Facts(NOTHING, (ToolResult({"label": "car", "count": 2}, ""),)), (), True),
        ("No car came.", Facts(NOTHING, (ToolResult({"label": "car", "count": 0}, ""),)), (), True),
        ("A knife fell.", Facts(NOTHING, (ToolResult({"label": "car", "count": 2}, ""),)),
         ("Nothing here can confirm: knife.",), False),
    ],
)  # fmt: skip
def test_a_text_is_confirmed_where_all_could_be_checked_and_something_vouches(
    text: str, facts: Facts, notes: tuple[str, ...], confirmed: bool
) -> None:
    checked = check(text, facts)
    assert (checked.notes, checked.passed, checked.confirmed) == (notes, not notes, confirmed)


def test_another_word_for_what_the_detector_knows_is_confirmed() -> None:
    walker = track(1, "pedestrian", 2.0, "left")
    scene = replace(SCENE, known_labels=("pedestrian",), tracks=(walker,), counts={"pedestrian": 1})
    assert check("A person is on the left.", Facts(scene)).confirmed


def test_spans_point_at_the_words() -> None:
    text = "A \U0001f415 dog. And \uff13 cats \u2026 \u00bd."
    checked = check(text, FACTS)
    assert [text[slice(*doubt.span)] for doubt in checked.doubts if doubt.span] == ["\uff13 cats", "cats", "\u00bd"]


def test_notes_are_sentences_for_people() -> None:
    checked = check("A cat and a car are there. 3 dogs came at 0:10. 77!", FACTS)
    assert checked.notes == (
        "Not confirmed by the detector: cat and car.",
        "The detector counts otherwise: 3 dogs.",
        "Not among what was looked up: 77.",
        "Nothing is known to have happened then: 0:10.",
    )


def test_a_note_stays_short() -> None:
    note = check(" ".join(f"{number} objects." for number in range(50, 90)), FACTS).notes[0]
    assert note.endswith("55 objects and 34 more.")


# Results of tools --------------------------------------------------------------------------------------------------


def result(value: object, text: str = "", *evidence: Evidence) -> Facts:
    return Facts(EMPTY, (ToolResult(value, text, evidence),))


@pytest.mark.parametrize(
    ("value", "said", "text", "passed"),
    [
        ({"label": "cat", "count": 3}, "", "There are three cats.", True),
        ({"label": "cat", "count": 3}, "", "There are four cats.", False),
        ({"labels": ["cat"], "objects": 0}, "", "There is a cat.", False),
        ({"seen": False}, "Not seen: cat.", "A cat was seen.", False),
        ({"seen": True, "label": "cat", "t_s": 4.0, "frame": 100}, "", "A cat was seen at 0:04.", True),
        ({"seen": True, "label": "cat", "t_s": 4.0, "frame": 100}, "", "A cat was seen at 0:06.", False),
        ({"cat": 2, "dog": 3}, "", "2 cats and 3 dogs", True),
        ({"cat": 2, "dog": 3}, "", "3 cats and 2 dogs", False),
        ({"cat": 0}, "", "A cat is there.", False),
        ({"by_direction": {"in": 3, "out": 1}}, "", "3 in, 1 out", True),
        ({"by_direction": {"in": 3, "out": 1}}, "", "1 in, 3 out", False),
        ({"by_direction": {"in": 3, "out": 1}}, "", "3 in total", True),
        ({"zones": [{"name": "Gate 7", "labels": ["cat"]}]}, "", "A cat is there.", False),
        ({"zones": [{"name": "Gate 7", "labels": ["cat"]}]}, "", "Gate 7 is drawn.", True),
        ({"params": {"classes": ["cat"], "confidence": 0.5}}, "", "A cat is there.", False),
        ({"known_labels": ["cat"], "total": 1}, "", "A cat is there.", False),
        ([{"text": "there are 7 cats"}], "Found 1 events.", "There are 7 cats.", False),
        ([{"text": "there are 7 cats"}], 'Found "7 cats here".', "There are 7 cats.", False),
        ([{"text": "there are 7 people"}], "Found 1 events.", "There are 7 people.", False),
        ([{"text": "SALE 50 %"}], "Found 1 events.", 'The sign says "SALE 50 %".', True),
        ({"line": "Gate 1", "events": 3}, "", "Gate 1 was crossed 3 times.", True),
        ({"n": 12.345}, "", "It is 12.3.", True),
        ({"n": 12.345}, "", "It is 12.4.", False),
        ({"n": 1204}, "", "It is about 1,200.", True),
        ({"n": True, "m": float("nan"), "k": 10**400}, "", "It is 400.", False),
    ],
)  # fmt: skip
def test_what_a_tool_has_looked_up_may_be_said(value: object, said: str, text: str, passed: bool) -> None:
    assert check(text, result(value, said)).passed is passed


def test_evidence_of_a_tool_is_shown_for_the_time_it_gave() -> None:
    shown = Evidence(310, 12.4, 3, 41, 2)
    assert check("It happened at 0:12.4.", result(None, "", shown)).evidence == (shown,)


def test_a_time_in_the_data_of_a_tool_becomes_evidence() -> None:
    value = {"seen": True, "label": "cat", "t_s": 12.4, "time": "0:12.4", "frame": 310, "track": 7}
    checked = check("The cat appeared at 0:12.4 (#7).", result(value, "cat, first seen at 0:12.4."))
    assert checked.passed, checked.notes
    assert checked.evidence == (Evidence(310, 12.4, 7),)


def test_lengths_of_time_in_the_question_may_be_repeated_but_no_counts() -> None:
    facts = replace(FACTS, question="did 5 dogs come in the last 90 seconds?")
    assert check("In the last 90 seconds a dog came.", facts).passed
    assert not check("Yes, 5 dogs came.", facts).passed


# Descriptions ------------------------------------------------------------------------------------------------------


def test_what_a_description_lists_is_checked_too() -> None:
    seen = (SeenObject("dog", 4, ("brown",)), SeenObject("cat", 9), SeenObject("potted palm"))
    description = Description("A dog.", seen, ("the dog sits beside 3 cars",), ("CATS 24 h",))
    checked = check("A dog.", replace(FACTS, description=description))
    assert sorted(kinds(checked)) == ["COUNT 3 cars", "NUMBER #9", "OBJECT cars", "OBJECT cat"]
    assert all(doubt.span is None for doubt in checked.doubts)


def test_nothing_that_is_described_is_confirmed_without_a_detector() -> None:
    checked = check("A room.", Facts(SceneState(), description=Description("A room.")))
    assert checked.notes == (UNWATCHED,)


def test_an_empty_scene_is_said_by_rule() -> None:
    said = empty_scene_said(EMPTY)
    assert said is not None
    assert (said.text, said.evidence) == (
        "Now nothing that the detector knows is in the picture.",
        (Evidence(500, 20.0),),
    )
    assert empty_scene_said(SCENE) is None
    assert empty_scene_said(SceneState()) is None


# Texts of every kind -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "\u72ac\u304c\u4e8c\u5339\u3044\u307e\u3059\u3002",
        "\u0421\u043e\u0431\u0430\u043a\u0430 \u0438 \u043a\u043e\u0448\u043a\u0430.",
    ],
)
def test_what_cannot_be_read_is_not_passed_off_as_checked(text: str) -> None:
    assert check(text, FACTS).notes == ("Not checked, because it is not in English.",)


@pytest.mark.parametrize(
    "text",
    ["a c\u200bat", "a \uff43\uff41\uff54", "a c\u0301at", "a CAT", "a cat\u2019s tail", "the \ufb02oor and a cat"],
)
def test_other_letters_do_not_hide_a_claim(text: str) -> None:
    assert any(doubt.kind is DoubtKind.OBJECT for doubt in check(text, FACTS).doubts)


def test_nothing_that_is_written_raises() -> None:
    chance = random.Random(3)
    words = "cat two - and hundred billion 12 : 0:12 # % not no of , a half ago s min second at to if people #7"
    pieces = [
        *words.split(),
        *(" ", "\n", "\u00bd", "\u0664", "\ud800", "\U0001f415", "'", '"', ".", "9" * 40, "1e9", "1:2:3", "person"),
        *("00:99:99.123456789", "\u0130", "\u00df", "\x00"),
    ]
    for _ in range(400):
        glue = chance.choice(["", " "])
        text = glue.join(chance.choices(pieces, k=chance.randint(0, 60)))
        checked = check(text, replace(FACTS, question=text, wall_s=1e9))
        assert all(0 <= d.span[0] <= d.span[1] <= len(text) for d in checked.doubts if d.span)


@pytest.mark.parametrize(
    "piece", ["cat ", "not a cat, ", "1", "12 and ", "(", "if a ", "two hundred ", "\u00e9 ", '"says ', "0:10 "]
)
def test_a_very_long_text_is_checked_to_its_end(piece: str) -> None:
    text = piece * (60_000 // len(piece)) + ". A bus is here now."
    assert any(doubt.words == "bus" for doubt in check(text, FACTS).doubts)


def test_a_tool_may_give_anything() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    odd = {1: {"t_s": "x"}, "frame": None, None: b"bytes", "t_s": 1e308, "labels": [[["cat"]]], "id": -3}
    for value in (deep, odd, object(), "x" * 10**6, list(range(50_000)), {"t_s": 5, "frame": 1e300, "track": 1e300}):
        check("A cat at 0:05 and 3 dogs.", result(value, "1" * 100_000))


def test_labels_of_any_detector_are_known() -> None:
    odd = ("t-shirt", "Helmet 2", "\u72d7", "", "  ", "the", "no", "two", "a" * 200)
    scene = replace(SCENE, known_labels=odd)
    assert kinds(check("A T-shirt and two helmet 2.", Facts(scene))) == [
        "OBJECT T-shirt", "COUNT two helmet 2", "OBJECT helmet 2",
    ]  # fmt: skip
