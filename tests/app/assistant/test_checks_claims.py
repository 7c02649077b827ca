"""The claim checks find what was planted in true sentences, and leave true sentences alone."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from time import mktime

import pytest
import yaml

from scenescope.app.assistant.checks import DoubtKind, Facts, check
from scenescope.app.assistant.words import vocabulary
from scenescope.models.language import Evidence, ToolResult, media_time
from scenescope.pipelines.scene_state import LabelMemory, SceneEvent, SceneEventKind, SceneState, SceneTrack

TEXTS = Path(__file__).parent
FPS = 25
KNOWN = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light", "bench",
    "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "skis", "kite", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl",
    "banana", "apple", "sandwich", "orange", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed",
    "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "oven", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "toothbrush",
)  # fmt: skip


def track(
    number: int, label: str, first_s: float, now_s: float, zone: str = "left", motion: str = "still", colour: str = ""
) -> SceneTrack:
    frames = round(first_s * FPS), round(now_s * FPS)
    confidence = 0.5 + number * 41 % 50 / 100
    return SceneTrack(
        number, label, confidence, zone, now_s - first_s, motion, colour,
        first_s, frames[0], now_s, frames[1], (0.1, 0.1, 0.3, 0.4),
    )  # fmt: skip


def scene_of(
    now_s: float, tracks: list[SceneTrack], gone: tuple[SceneTrack, ...] = (), *, live: bool = False
) -> SceneState:
    """The scene with the events and the memory that its tracks leave behind."""
    events = [
        SceneEvent(SceneEventKind.APPEARED, t.first_s, t.first_frame, t.label, t.track_id, t.zone)
        for t in (*tracks, *gone)
    ]
    events += [SceneEvent(SceneEventKind.VANISHED, t.last_s, t.last_frame, t.label, t.track_id, t.zone) for t in gone]
    events.sort(key=lambda event: event.pts_s)
    memory = {
        t.label: LabelMemory(t.first_s, t.first_frame, t.track_id, t.last_s, t.last_frame, t.track_id)
        for t in (*gone, *tracks)
    }
    counts = {label: sum(t.label == label for t in tracks) for label in dict.fromkeys(t.label for t in tracks)}
    return SceneState(
        "yard" if live else "street1.mp4", live, 1, now_s, round(now_s * FPS), 0.0, 0.0, True, KNOWN,
        tuple(tracks), counts, tuple(events), len(events), memory, gone,
    )  # fmt: skip


def street() -> SceneState:
    dog = track(7, "dog", 52.4, 60.0, "bottom right", "still", "brown")
    dog = SceneTrack(**{**{name: getattr(dog, name) for name in dog.__dataclass_fields__}, "confidence": 0.91})
    return scene_of(
        60.0,
        [
            track(1, "person", 18.0, 60.0, "left", "moving right"),
            track(2, "person", 33.2, 60.0, "right", "still"),
            track(3, "car", 5.0, 60.0, "left", "still", "red"),
            track(4, "car", 5.0, 60.0, "top right", "still", "blue"),
            track(5, "car", 9.6, 60.0, "right", "still", "white"),
            dog,
        ],
        (track(6, "bus", 24.8, 31.5),),
    )


def yard() -> SceneState:
    return scene_of(
        300.0,
        [track(12, "cat", 288.0, 300.0, "centre", "moving left", "black")],
        (track(11, "dog", 240.0, 260.0),),
        live=True,
    )


def crossings() -> tuple[ToolResult, ...]:
    value = {"events": 5, "objects": 4, "by_direction": {"in": 3, "out": 1}, "labels": ["person"], "line": "Gate 1"}
    evidence = (Evidence(310, 12.4, 3, 41), Evidence(1200, 48.0, 9, 44))
    return (ToolResult({**value, "span": "in the last minute"}, "4 people crossed 'Gate 1', 3 in, 1 out.", evidence),)


WALL_S = mktime((2026, 3, 14, 15, 0, 0, 0, 0, -1))
FACTS = {
    "street": Facts(street()),
    "results": Facts(scene_of(60.0, []), crossings(), question="how many people crossed Gate 1 in the last 60 s?"),
    "yard": Facts(yard(), wall_s=WALL_S),
}


def truths(name: str) -> list[tuple[str, str]]:
    content = yaml.safe_load((TEXTS / name).read_text(encoding="utf-8"))
    return [(scene, text) for scene, texts in content.items() for text in texts]


def wrongly_doubted(name: str) -> tuple[list[str], int]:
    cases = truths(name)
    return [f"{text} {c.notes}" for scene, text in cases if not (c := check(text, FACTS[scene])).passed], len(cases)


def test_true_sentences_are_left_alone() -> None:
    alarms, number = wrongly_doubted("claims_true.yaml")
    assert number >= 100
    assert len(alarms) <= 0.02 * number, alarms


def test_true_sentences_that_were_not_used_to_make_the_checks_are_left_alone() -> None:
    alarms, number = wrongly_doubted("claims_true_held_out.yaml")
    assert number >= 50
    assert len(alarms) <= 0.05 * number, alarms


# What is planted ---------------------------------------------------------------------------------------------------


def scenes(count: int, seed: int) -> Iterator[SceneState]:
    """Scenes as an observer leaves them behind, of many kinds."""
    chance = random.Random(seed)
    for _ in range(count):
        now_s = round(chance.uniform(30, 4000), 2)
        labels = chance.sample(KNOWN, chance.randint(1, 4))
        numbers = itertools.count(chance.randint(1, 60))
        tracks = [
            track(
                next(numbers), label, round(now_s - chance.uniform(1, 29), 2), now_s,
                chance.choice(["left", "right", "top", "bottom left", "centre"]),
                chance.choice(["still", "moving left", "moving away"]), chance.choice(["", "red", "white"]),
            )
            for label in labels
            for _ in range(chance.randint(1, 5))
        ]  # fmt: skip
        yield scene_of(now_s, tracks, (track(next(numbers), "horse", now_s - 28, now_s - 14),))


WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
COUNTED = (
    "There are {n} {things}.", "I see {n} {things} in the picture.", "The picture shows {n} {things}.",
    "{N} {things} are there now.", "Now {n} {things} can be seen.", "A wall, and {n} large {things} stand by it.",
    "Altogether {n} of the {things} are visible.",
)  # fmt: skip
TIMED = (
    "It appeared at {clock}.", "{clock}: a new object came into the picture.", "Something happened at {at} s.",
    "The last change was {ago} seconds ago.", "Since {clock} nothing has changed.", "It came at {at} seconds.",
)  # fmt: skip
THINGS = (
    "There is {a} on the left.", "I see {a}.", "{A} is standing in the background.", "{A} can be seen.",
    "Next to it is {a}.", "No truck is there, but {a} is.", "It shows a room with {a}.",
    "The picture shows several {things}.", "Two {things} are close to the camera.", "There might be {a} as well.",
    "Not only the wall but also {a} is visible.", "Without doubt this is {a}.", "{A}, partly hidden, is at the edge.",
    "It looks empty; {a} sits in the corner.", "Somewhere behind, {a} moves slowly.", "{A} near the door.",
)  # fmt: skip


HELD_OUT_THINGS = (
    "{A} is visible at the far end.", "Someone left {a} on the floor.", "A person holding {a} stands in front of it.",
    "Besides the others, {a} came into view.", "I can make out {a} and some boxes.",
    "The scene includes {things} of different sizes.", "There are no windows; there is {a}.",
    "I don't see a wall, just {a}.", "This is not a drawing, it is {a}.", "{A} and a wall.", "A close-up of {a}.",
    "Behind the wall stands {a}, which is not moving.", "If I am right, that is all; {a} stands there.",
    "The {things} are in the foreground.", "{A} appeared a moment ago.", "What a lovely view with {a}!",
    "Three {things}, all new.", "The wall is not painted, and {a} hangs there.", "You asked about walls: there is {a}.",
)  # fmt: skip
HELD_OUT_COUNTS = (
    "Exactly {n} {things} are tracked.", "{N} of them are {things}.", "The count of {things} is {n}.", "{things}: {n}",
    "In view: {n} {things}, nothing else.", "At the back, {n} different {things} wait.", "No wall, but {n} {things}.",
    "Counting again gives {n} {things}.",
)  # fmt: skip


def planted_numbers(forms: tuple[str, ...]) -> Iterator[tuple[str, str, SceneState]]:
    """Counts that are wrong, whether or not the number is that of something else."""
    words = vocabulary()
    for index, scene in enumerate(scenes(120, seed=5)):
        for form, (label, number) in itertools.product(forms, scene.counts.items()):
            wrong = 2 + (number + index % 9) % 10
            if wrong == number:
                continue
            said = str(wrong) if index % 2 else WORDS[wrong]
            yield form.format(n=said, N=said.capitalize(), things=words.plural(label)), said, scene


def planted_times() -> Iterator[tuple[str, str, SceneState]]:
    """Times at which nothing happened, by two seconds and more."""
    for index, scene in enumerate(scenes(120, seed=6)):
        known = {event.pts_s for event in scene.events} | {scene.pts_s, scene.began_s}
        known |= {m for memory in scene.memory.values() for m in (memory.first_s, memory.last_s)}
        wrong = next(
            t for step in itertools.count()
            if min(abs((t := 3.0 + index + step * 1.7) - k) for k in known) > 2 and t < scene.pts_s + 500
        )  # fmt: skip
        for form in TIMED:
            ago = scene.pts_s - wrong
            text = form.format(clock=media_time(wrong), at=f"{wrong:.1f}", ago=f"{ago:.1f}")
            yield text, f"{ago:.1f}" if "ago" in form else f"{wrong:.1f}", scene


def planted_objects(forms: tuple[str, ...], seed: int) -> Iterator[tuple[str, str, SceneState]]:
    """Things of all the detector's classes that no track has shown."""
    words = vocabulary()
    for index, scene in enumerate(scenes(40, seed)):
        absent = [label for label in KNOWN if label not in scene.memory]
        for step, label in enumerate(absent):
            form = forms[(index + step) % len(forms)]
            one = words.one(label)
            yield form.format(a=one, A=one.capitalize(), things=words.plural(label)), label, scene


def doubted(text: str, scene: SceneState, *kinds: DoubtKind) -> bool:
    return any(doubt.kind in kinds for doubt in check(text, Facts(scene)).doubts)


@pytest.mark.slow
@pytest.mark.parametrize("forms", [COUNTED, HELD_OUT_COUNTS], ids=["known", "held out"])
def test_every_planted_number_is_doubted(forms: tuple[str, ...]) -> None:
    cases = list(planted_numbers(forms))
    missed = [text for text, _, scene in cases if not doubted(text, scene, DoubtKind.COUNT, DoubtKind.NUMBER)]
    assert len(cases) > 1000
    assert not missed


def test_every_planted_time_is_doubted() -> None:
    cases = list(planted_times())
    missed = [text for text, _, scene in cases if not doubted(text, scene, DoubtKind.TIME)]
    assert len(cases) > 500
    assert not missed


@pytest.mark.slow
@pytest.mark.parametrize("forms", [THINGS, HELD_OUT_THINGS], ids=["known", "held out"])
def test_planted_objects_are_doubted(forms: tuple[str, ...]) -> None:
    cases = list(planted_objects(forms, seed=7))
    missed = [text for text, _, scene in cases if not doubted(text, scene, DoubtKind.OBJECT)]
    assert len(cases) > 1500
    assert len(missed) <= 0.05 * len(cases), missed
