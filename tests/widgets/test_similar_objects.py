"""Finding similar objects: those that the network has not seen yet are shown to it, and what it says is kept."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from scenescope.models import StageError
from scenescope.models.vision.embedding import ImageEmbedder
from scenescope.pipelines.log.records import NewSession, SessionKind, TrackRecord
from scenescope.pipelines.log.store import EventLog
from scenescope.widgets import similar_objects
from scenescope.widgets.event_reader import EventReader
from scenescope.widgets.event_search import EventSearch
from scenescope.widgets.similar_objects import AT_ONCE, embedding_of_picture, embedding_of_track, look_alike

WAIT_MS = 10_000
COLOURS = {"red": (30, 30, 220), "green": (30, 220, 30), "blue": (220, 30, 30)}


def coloured(name: str) -> np.ndarray:
    return np.full((40, 30, 3), COLOURS[name], np.uint8)


def jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture)[1].tobytes()


class Eye:
    """A network that sees colours alone; it counts what it was shown."""

    def __init__(self, length: int = 3) -> None:
        self.length = length
        self.shown: list[int] = []

    def __call__(self, pictures: list[Any]) -> np.ndarray:
        self.shown.append(len(pictures))
        means = np.array([picture.mean((0, 1)) for picture in pictures], np.float32)
        return np.pad(means, ((0, 0), (0, self.length - 3)))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog(tmp_path / "events.db")
    yield made
    made.close()


@pytest.fixture
def session_id(log: EventLog) -> int:
    """Twenty objects of three colours, none of which a network has seen."""
    number = log.begin(NewSession(SessionKind.WATCHED, "street.mp4"))
    names = [list(COLOURS)[n % 3] for n in range(20)]
    pictures = [jpeg(coloured(name)) for name in names]
    log.add(
        number,
        tracks=[
            TrackRecord(n, names[n], n, 25 * n, n + 1.0, 0, best_frame=n, picture_jpeg=pictures[n]) for n in range(20)
        ],
    )
    assert log.flush()
    return number


def like(name: str, embed: Eye) -> Callable[[bool], np.ndarray]:
    return lambda _anew: embedding_of_picture(coloured(name), embed)


def go_on(_counts: tuple[int, int]) -> bool:
    return True


def test_objects_that_were_never_looked_at_are_found(log: EventLog, session_id: int):
    eye, told = Eye(), []

    def report(counts: tuple[int, int]) -> bool:
        told.append(counts)
        return True

    hits, note = look_alike(log, like("green", eye), session_id, 7, eye, report)
    assert [hit.label for hit in hits] == ["green"] * 7
    assert hits[0].score == pytest.approx(1.0, abs=0.01)
    assert note == ""
    assert told == [(0, 20), (8, 20), (16, 20)]
    assert eye.shown == [1, AT_ONCE, AT_ONCE, 4]
    look_alike(log, like("red", eye), session_id, 7, eye, report)
    assert eye.shown[4:] == [1], "what is known is not looked at again"
    assert log.track(session_id, 3).label == "red"
    assert log.track(session_id, 3).embedding.shape == (3,)


def test_only_sessions_that_are_searched_are_looked_at(log: EventLog, session_id: int):
    other, eye = log.begin(NewSession(SessionKind.LIVE, "camera")), Eye()
    log.add(other, tracks=[TrackRecord(1, "red", 0.0, 0, 1.0, 9, picture_jpeg=jpeg(coloured("red")))])
    hits, _ = look_alike(log, like("red", eye), other, 50, eye, go_on)
    assert [(hit.session_id, hit.track_id) for hit in hits] == [(other, 1)]
    assert eye.shown == [1, 1]
    hits, _ = look_alike(log, like("red", eye), None, 50, eye, go_on)
    assert len(hits) == 21
    assert [hit.label for hit in hits[:8]] == ["red"] * 8


def test_what_another_network_said_is_replaced(log: EventLog, session_id: int):
    old, new = Eye(3), Eye(5)
    look_alike(log, like("red", old), session_id, 7, old, go_on)
    log.add(session_id, tracks=[TrackRecord(99, "blue", 0.0, 0, 1.0, 9, picture_jpeg=jpeg(coloured("blue")))])
    selected = partial(embedding_of_track, log, session_id, 2, new)
    hits, note = look_alike(log, selected, session_id, 8, new, go_on)
    assert (len(hits), note) == (8, "")
    assert sum(hit.label == "blue" for hit in hits) == 7, "six of the twenty, and the one that came later"
    assert log.without_embedding(session_id, 5, 10) == []


def test_the_newest_are_looked_at_first_and_no_more_than_a_bound(log: EventLog, session_id: int, monkeypatch: Any):
    monkeypatch.setattr(similar_objects, "MOST_LOOKED_AT", 5)
    eye = Eye()
    hits, _ = look_alike(log, like("red", eye), session_id, 50, eye, go_on)
    assert sorted(hit.track_id for hit in hits) == [15, 16, 17, 18, 19]


def test_a_search_that_is_not_wanted_any_more_ends(log: EventLog, session_id: int):
    eye = Eye()
    look_alike(log, like("red", eye), session_id, 50, eye, lambda counts: counts[0] < AT_ONCE)
    assert eye.shown == [1, AT_ONCE]
    assert len(log.without_embedding(session_id, 3, 50)) == 12, "what was done is kept"


def test_damaged_pictures_are_passed_over(log: EventLog, session_id: int):
    for number, picture in enumerate((b"\xff\xd8 no picture", b"x", jpeg(np.zeros((5, 5000, 3), np.uint8)))):
        log.add(session_id, tracks=[TrackRecord(50 + number, "red", 0.0, 0, 90.0, 9, picture_jpeg=picture)])
    eye = Eye()
    hits, note = look_alike(log, like("red", eye), session_id, 50, eye, go_on)
    assert (len(hits), note) == (20, "")


def broken(_pictures: list[Any]) -> Any:
    raise RuntimeError("out of memory")


@pytest.mark.parametrize(
    ("embed", "words"),
    [
        (broken, "out of memory"),
        ("Install a network.", "Not all objects could be compared. Install a network."),
        (lambda _: np.zeros((3, 2)), "failed"),
    ],
)
def test_without_a_network_what_is_known_is_compared(log: EventLog, session_id: int, embed: Any, words: str):
    log.add(session_id, tracks=[TrackRecord(99, "van", 0.0, 0, 1.0, 9, embedding=np.array([0.0, 1.0, 0.0]))])
    hits, note = look_alike(log, lambda _anew: np.array([0.0, 1.0, 0.0]), session_id, 5, embed, go_on)
    assert [hit.label for hit in hits] == ["van"]
    assert words in note


@pytest.mark.parametrize("answer", [None, np.zeros((8, 3)), np.full((8, 3), np.nan)])
def test_answers_that_say_nothing_are_not_kept(log: EventLog, session_id: int, answer: Any):
    def embed(pictures: list[Any]) -> Any:
        return None if answer is None else answer[: len(pictures)]

    hits, _ = look_alike(log, lambda _anew: np.ones(3, np.float32), session_id, 5, embed, go_on)
    assert hits == []
    assert log.track(session_id, 3).embedding is None


def test_a_log_that_cannot_be_written_is_said(log: EventLog, session_id: int, monkeypatch: Any):
    monkeypatch.setattr(log, "flush", lambda: False)
    _, note = look_alike(log, like("red", Eye()), session_id, 5, Eye(), go_on)
    assert note.startswith("Not all objects could be compared.")


# In the panel ------------------------------------------------------------------------------------------------------


class Slow(Eye):
    """Waits before its second batch."""

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.may_go_on = threading.Event(), threading.Event()

    def __call__(self, pictures: list[Any]) -> np.ndarray:
        if len(self.shown) == 2:
            self.waits.set()
            self.may_go_on.wait(10)
        return super().__call__(pictures)


@pytest.fixture
def reader(qapp: Any) -> Iterator[EventReader]:
    made = EventReader("test-reader")
    yield made
    made.close()


@pytest.fixture
def search(log: EventLog, session_id: int, reader: EventReader, qtbot: Any) -> EventSearch:
    made = EventSearch(reader)
    qtbot.addWidget(made)
    made.set_log(log)
    made.set_session(session_id)
    return made


def test_how_far_it_is_is_said(search: EventSearch, qtbot: Any):
    eye = Slow()
    search.find_similar(like("blue", eye), "blue van", eye)
    qtbot.waitUntil(lambda: search.said.text() == "8 of 20 objects looked at…", timeout=WAIT_MS)
    eye.may_go_on.set()
    qtbot.waitUntil(lambda: len(search.results.found) == 20, timeout=WAIT_MS)
    assert search.said.text() == "20 results like blue van."
    assert search.results.found[0].hit.label == "blue"
    assert search.results.found[0].picture is not None


@pytest.mark.parametrize("close", [False, True])
def test_another_search_or_closing_ends_the_looking(search: EventSearch, reader: EventReader, close: bool, qtbot: Any):
    eye = Slow()
    search.find_similar(like("blue", eye), "blue van", eye)
    assert eye.waits.wait(10)
    if close:
        threading.Timer(0.01, eye.may_go_on.set).start()
        reader.close()
    else:
        search.line.setText("nothing like it")
        search.search()
        eye.may_go_on.set()
        qtbot.waitUntil(lambda: "Nothing was found" in search.said.text(), timeout=WAIT_MS)
    assert eye.shown == [1, AT_ONCE, AT_ONCE]
    assert search.results.found == []


# A real network ----------------------------------------------------------------------------------------------------


def drawn(kind: str, number: int) -> np.ndarray:
    """Round things on grey, and stripes, of many sizes and colours."""
    rng = np.random.default_rng(number)
    picture = np.full((120, 90, 3), 128, np.uint8)
    colour = tuple(int(one) for one in rng.integers(0, 255, 3))
    if kind == "round":
        cv2.circle(picture, (45, 60), 20 + 3 * number, colour, -1, cv2.LINE_AA)
    else:
        picture[:: 6 + number] = colour
        picture[1 :: 6 + number] = colour
    return picture


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="The network needs PyTorch.")
def test_the_bundled_network_tells_things_apart(log: EventLog):
    number = log.begin(NewSession(SessionKind.WATCHED, "things.mp4"))
    for track_id in range(12):
        kind = ("round", "striped")[track_id % 2]
        picture = jpeg(drawn(kind, track_id // 2))
        log.add(number, tracks=[TrackRecord(track_id, kind, 0.0, 0, 1.0, 9, picture_jpeg=picture)])
    embedder = ImageEmbedder()
    try:
        for kind in ("round", "striped"):
            selected = partial(embedding_of_picture, drawn(kind, 9), embedder.embed)
            hits, note = look_alike(log, lambda _anew, ask=selected: ask(), number, 6, embedder.embed, go_on)
            assert note == ""
            assert [hit.label for hit in hits] == [kind] * 6
    finally:
        embedder.close()


def test_an_object_without_a_picture_says_so(log: EventLog, session_id: int):
    log.add(session_id, tracks=[TrackRecord(99, "van", 0.0, 0, 1.0, 9)])
    with pytest.raises(StageError, match="no picture"):
        look_alike(log, partial(embedding_of_track, log, session_id, 99, Eye()), session_id, 5, Eye(), go_on)
