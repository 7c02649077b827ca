"""Searching the log by what words mean, with the real sentence network, beside searching by the words alone."""

from __future__ import annotations

import numpy as np
import pytest

from scenescope.models import EventKind
from scenescope.models.language.sentences import SentenceEmbedder
from scenescope.pipelines.log.fakes import WATCHED, event
from scenescope.pipelines.log.meaning import MOST_AT_A_TIME, search_by_meaning, sentence_of
from scenescope.pipelines.log.store import EventLog

APPEAR, CAPTION, TEXT, MARK = EventKind.APPEAR, EventKind.CAPTION, EventKind.TEXT, EventKind.MARK
CROSS, ENTER, LEAVE, DWELL = EventKind.LINE_CROSS, EventKind.ZONE_ENTER, EventKind.ZONE_LEAVE, EventKind.DWELL

# What happened, and how somebody who was not there asks for it.
EVENTS = [
    (
        CAPTION,
        {"text": "A man in a red jacket opens the back door."},
        "somebody in red comes in at the rear",
    ),
    (CAPTION, {"text": "Two children are playing football on the lawn."}, "kids kicking a ball on the grass"),
    (CAPTION, {"text": "A delivery van stops in front of the house."}, "a parcel courier arrives by vehicle"),
    (CAPTION, {"text": "The cat jumps onto the kitchen counter."}, "feline climbing on the worktop"),
    (CAPTION, {"text": "An elderly woman waits at the bus stop."}, "old lady waiting for public transport"),
    (CAPTION, {"text": "A cyclist falls on the wet road."}, "bicycle accident in the rain"),
    (CAPTION, {"text": "Smoke rises from the bin behind the shop."}, "is something burning near the store"),
    (CAPTION, {"text": "Three workers carry a ladder across the yard."}, "people moving equipment for climbing"),
    (CAPTION, {"text": "The lights in the office go out."}, "it gets dark in the workplace"),
    (CAPTION, {"text": "A dog barks at the postman."}, "an angry pet and the mail carrier"),
    (CAPTION, {"text": "A woman leaves her umbrella on the bench."}, "lady forgot something against rain"),
    (CAPTION, {"text": "The truck backs into the loading dock."}, "lorry reversing to unload"),
    (CAPTION, {"text": "A bird lands on the camera."}, "animal with wings sits on the lens"),
    (CAPTION, {"text": "Somebody paints graffiti on the wall."}, "vandalism with spray can"),
    (CAPTION, {"text": "The waiter drops a tray of glasses."}, "broken dishes in the restaurant"),
    (CAPTION, {"text": "Snow covers the parked cars."}, "vehicles white from winter weather"),
    (
        CAPTION,
        {"text": "A couple takes a selfie at the fountain."},
        "tourists photograph themselves by the water",
    ),
    (CAPTION, {"text": "The elevator is out of order."}, "lift not working"),
    (CAPTION, {"text": "A child cries next to the swing."}, "unhappy kid at the playground"),
    (CAPTION, {"text": "The security guard checks a bag."}, "inspection of luggage by staff"),
    (APPEAR, {"label": "motorcycle"}, "when did a motorbike show up"),
    (APPEAR, {"label": "airplane"}, "aircraft coming into view"),
    (APPEAR, {"label": "refrigerator"}, "a fridge came into the picture"),
    (CROSS, {"label": "car", "line": "gate", "direction": "in"}, "automobile passing the gate"),
    (ENTER, {"label": "truck", "zone": "loading bay"}, "lorry drove into the loading bay"),
    (LEAVE, {"label": "person", "zone": "kitchen"}, "someone walked out of the kitchen"),
    (DWELL, {"label": "person", "zone": "cash desk"}, "somebody hanging around at the checkout"),
    (TEXT, {"text": "NO SMOKING"}, "sign that forbids cigarettes"),
    (TEXT, {"text": "PLATFORM 9"}, "train station number written"),
    (MARK, {"text": "goal for the home team"}, "moment when they scored"),
]


@pytest.fixture
def log(tmp_path):
    log = EventLog(tmp_path / "events.sqlite")
    session = log.begin(WATCHED)
    log.add(session, [event(kind, float(second), **more) for second, (kind, more, _) in enumerate(EVENTS)])
    assert log.flush()
    yield log
    log.close()


def mean_reciprocal_rank(search) -> float:
    """Of the right event among the first five."""
    ranks = []
    for second, (_, _, asked) in enumerate(EVENTS):
        times = [hit.t_s for hit in search(asked)[:5]]
        ranks.append(1 / (times.index(second) + 1) if second in times else 0.0)
    return float(np.mean(ranks))


@pytest.mark.slow
def test_paraphrases_find_their_event(log, capsys):
    embedder = SentenceEmbedder()
    assert embedder.available() is None
    with_meaning = mean_reciprocal_rank(
        lambda text: search_by_meaning(log.meanings, log.search, embedder.embed, embedder.name, text, limit=5)
    )
    words_alone = mean_reciprocal_rank(lambda text: log.search(text, limit=5))
    with capsys.disabled():
        print(
            f"\nMRR@5 over {len(EVENTS)} paraphrases: {with_meaning:.3f} by meaning, {words_alone:.3f} by words alone"
        )
    assert with_meaning >= 0.85
    assert with_meaning > words_alone


def fake_embed(sentences):
    """Vectors by the letters of a sentence: enough to tell the same from another."""
    rows = np.array(
        [[sentence.casefold().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for sentence in sentences]
    )
    rows = rows.astype(np.float32) + 1e-6
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def search(log, text, **more):
    return search_by_meaning(log.meanings, log.search, fake_embed, "letters", text, **more)


def test_every_thing_said_gets_one_vector_and_what_is_new_is_found_too(log):
    assert len(log.meanings.missing("letters", 1000)) == len(EVENTS)
    assert search(log, "The elevator is out of order.")[0].text == "The elevator is out of order."
    assert log.meanings.missing("letters") == []
    session = log.sessions()[0].id
    log.add(session, [event(MARK, 50.0, text="zebra crossing"), event(MARK, 51.0, text="zebra crossing")])
    log.flush()
    assert len(log.meanings.missing("letters")) == 1
    assert search(log, "zebra crossing")[0].t_s == 51.0


def test_what_gets_its_vector_late_is_found_too(log, monkeypatch):
    session = log.begin(WATCHED)
    log.add(session, [event(CAPTION, 0.0, text="zebra crossing")])
    log.add(session, [event(CAPTION, 1.0 + number, text=f"nobody {number}") for number in range(MOST_AT_A_TIME)])
    log.flush()
    monkeypatch.setattr(log, "search", lambda *_: [])
    assert "zebra crossing" not in [hit.text for hit in search(log, "zebra crossing", session_id=session)]
    assert search(log, "zebra crossing", session_id=session)[0].text == "zebra crossing"


def test_vectors_of_another_network_and_deleted_sessions_are_not_found(log):
    search(log, "lift")
    assert log.meanings.search("another", fake_embed(["lift"])[0], None, 5) == []
    log.delete_session(log.sessions()[0].id)
    log.flush()
    assert search(log, "The elevator is out of order.") == []
    assert log.meanings.missing("letters") == []
    session = log.begin(WATCHED)
    log.add(session, [event(MARK, 1.0, text="quite another thing")])
    log.flush()
    assert [hit.text for hit in search(log, "quite another thing")] == ["quite another thing"]


def test_only_the_wanted_session_is_searched_and_nothing_finds_nothing(log):
    other = log.begin(WATCHED)
    log.add(other, [event(MARK, 1.0, text="lift")])
    log.flush()
    assert {hit.session_id for hit in search(log, "lift", session_id=other)} == {other}
    assert search(log, "   ") == []
    assert len(search(log, "\ud800 half a character", limit=3)) <= 3


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_of_event_says_something_but_gaps(kind):
    said = sentence_of((kind.value, "dog", "zone A", "door", "in", "words"))
    assert bool(said) == (kind is not EventKind.GAP)
    assert "{" not in said
