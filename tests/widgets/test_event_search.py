"""The search: by words, by looks, in one session or all; only the newest question counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from scenescope.models import ScenescopeError, SinkError, StageError
from scenescope.models.log_events import EventKind, LogEvent
from scenescope.pipelines import Frame
from scenescope.pipelines.log.records import NewSession, SearchHit, SessionKind, TrackRecord
from scenescope.pipelines.log.store import EventLog
from scenescope.widgets.event_reader import CommitBell, EventReader
from scenescope.widgets.event_results import Found, thumbnail
from scenescope.widgets.event_search import EventSearch
from scenescope.widgets.similar_objects import cut_out, embedding_of_picture, embedding_of_track
from scenescope.widgets.timeline_fakes import street_log

pytestmark = pytest.mark.slow

WAIT_MS = 10_000
ONE_HOT = np.eye(8, dtype=np.float32)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[tuple[EventLog, int]]:
    log, session_id = street_log(tmp_path / "events.db", "/films/street.mp4")
    yield log, session_id
    log.close()


@pytest.fixture
def reader(qapp: Any) -> Iterator[EventReader]:
    made = EventReader("test-reader")
    yield made
    made.close()


@pytest.fixture
def search(street: tuple[EventLog, int], reader: EventReader, qtbot: Any) -> Iterator[EventSearch]:
    made = EventSearch(reader)
    made.set_log(street[0])
    made.set_session(street[1])
    made.resize(300, 400)
    made.show()
    yield made
    reader.close()
    made.close()
    made.deleteLater()


# By words -----------------------------------------------------------------------------------------------------------


def test_words_are_found_with_pictures_and_enter_goes_there(search: EventSearch, qtbot: Any):
    search.begin()
    QTest.keyClicks(search.line, "truck")
    qtbot.waitUntil(lambda: bool(search.results.found), timeout=WAIT_MS)
    assert all(found.title.startswith("truck #") for found in search.results.found)
    assert all(found.picture is not None and found.picture.height() <= 48 for found in search.results.found)
    QTest.keyClick(search.line, Qt.Key.Key_Down)
    assert search.results.hasFocus() or not search.isActiveWindow()
    with qtbot.waitSignal(search.hit_chosen) as told:
        QTest.keyClick(search.results, Qt.Key.Key_Return)
    assert isinstance(told.args[0], SearchHit)
    assert not search.grab().isNull()
    search.line.clear()
    assert search.results.found == []


def test_other_sessions_are_searched_when_asked(search: EventSearch, street: tuple[EventLog, int], qtbot: Any):
    log, _ = street
    other = log.begin(NewSession(SessionKind.LIVE, "Yard camera"))
    log.add(other, [LogEvent(EventKind.TEXT, 3.0, 75, text="rare word")])
    log.flush()
    search.line.setText("rare")
    qtbot.waitUntil(lambda: "Nothing was found" in search.said.text(), timeout=WAIT_MS)
    search.everywhere.setChecked(True)
    qtbot.waitUntil(lambda: len(search.results.found) == 1, timeout=WAIT_MS)
    (found,) = search.results.found
    assert found.hit.session_id == other
    assert "Yard camera" in found.facts
    assert "rare word" in found.title


@pytest.mark.parametrize("text", ['"', "* OR *", "a" * 5000, "\x00", "قف", "NEAR(", "'; DROP TABLE events;"])
def test_strange_words_are_no_error(search: EventSearch, qtbot: Any, text: str):
    search.line.setText(text)
    search.search()
    qtbot.waitUntil(lambda: "Searching" not in search.said.text(), timeout=WAIT_MS)
    assert "failed" not in search.said.text()


def test_a_log_that_cannot_be_read_is_said(search: EventSearch, street: tuple[EventLog, int], qtbot: Any):
    street[0].close()
    search.line.setText("car")
    qtbot.waitUntil(lambda: "closed" in search.said.text(), timeout=WAIT_MS)


# By looks -----------------------------------------------------------------------------------------------------------


def test_objects_that_look_alike_come_first(search: EventSearch, qtbot: Any):
    search.find_similar(lambda _anew: ONE_HOT[3], "truck <b>")
    qtbot.waitUntil(lambda: bool(search.results.found), timeout=WAIT_MS)
    first = search.results.found[0]
    assert first.hit.track_id % 8 == 3
    assert "100% alike" in first.facts
    assert "like truck <b>" in search.said.text()


def test_why_nothing_can_be_compared_is_said(search: EventSearch, qtbot: Any):
    def no_network(_anew: bool) -> Any:
        raise StageError("No network is installed.", hint="Install one.")

    search.find_similar(no_network, "car")
    qtbot.waitUntil(lambda: "Install one." in search.said.text(), timeout=WAIT_MS)


def test_the_embedding_of_a_track_is_known_or_made(street: tuple[EventLog, int]):
    log, session_id = street
    assert embedding_of_track(log, session_id, 3, "no network").tolist() == ONE_HOT[3].tolist()
    jpeg = cv2.imencode(".jpg", np.full((20, 20, 3), 200, np.uint8))[1].tobytes()
    for number, picture in ((900, jpeg), (901, b""), (902, b"\xff\xd8 no picture")):
        log.add(session_id, tracks=[TrackRecord(number, "car", 1.0, 25, 2.0, 50, picture_jpeg=picture)])
    log.flush()
    seen: list[tuple[int, ...]] = []

    def embed(pictures: list[Any]) -> Any:
        seen.extend(one.shape for one in pictures)
        return np.full((len(pictures), 4), 2.0)

    assert embedding_of_track(log, session_id, 900, embed).tolist() == [0.5] * 4
    assert seen == [(20, 20, 3)]
    for number in (901, 902, 12345):
        with pytest.raises(StageError, match="no picture"):
            embedding_of_track(log, session_id, number, embed)
    with pytest.raises(StageError, match="was not kept") as told:
        embedding_of_track(log, session_id, 900, "Install a network.")
    assert told.value.hint == "Install a network."


@pytest.mark.parametrize("answer", [None, np.zeros((1, 4)), np.full((1, 4), np.nan), np.zeros((1, 0))])
def test_an_answer_that_says_nothing_is_an_error(answer):
    with pytest.raises(ScenescopeError, match="compare"):
        embedding_of_picture(np.zeros((8, 8, 3), np.uint8), lambda _: answer)


def test_a_network_that_fails_is_an_error():
    def broken(_: Any) -> Any:
        raise RuntimeError("out of memory")

    with pytest.raises(StageError, match="out of memory"):
        embedding_of_picture(np.zeros((8, 8, 3), np.uint8), broken)


def test_an_object_is_cut_out_where_it_is():
    image = np.zeros((100, 200, 3), np.uint8)
    image[40:60, 30:80] = 255
    frame = Frame(image)
    assert cut_out(frame, (30.0, 40.0, 79.5, 60.0)).min() == 255
    assert cut_out(frame, (-50.0, -50.0, 20.0, 20.0)).shape == (20, 20, 3)
    for box in ((10.0, 10.0, 12.0, 12.0), (500.0, 500.0, 600.0, 600.0), (50.0, 50.0, 10.0, 10.0)):
        with pytest.raises(StageError, match="too small"):
            cut_out(frame, box)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"GIF89a", b"\x89PNG\r\n"])
def test_a_damaged_picture_is_none(qapp: Any, data: bytes):
    assert thumbnail(data) is None


def test_results_say_what_when_and_where():
    hit = SearchHit(0.5, 1, 62.0, 1550, 3, 7, "a\n<i>b</i>", "")
    assert Found(hit).title == "a <i>b</i> #7"
    assert Found(hit, session="film.mp4").facts == "1:02.00  ·  film.mp4"
    assert Found(hit, words="car appears").title == "car appears"


# The thread ---------------------------------------------------------------------------------------------------------


def test_only_the_newest_question_is_answered(reader: EventReader, qtbot: Any):
    begun, go_on = threading.Event(), threading.Event()
    answers: list[str] = []

    def slow() -> str:
        begun.set()
        go_on.wait(10)
        return "first"

    reader.ask("t", slow, answers.append, pytest.fail)
    assert begun.wait(10)
    for n in range(50):
        reader.ask("t", lambda n=n: str(n), answers.append, pytest.fail)
        reader.ask("", lambda n=n: f"kept {n}", answers.append, pytest.fail)
    reader.ask("other", lambda: "other", answers.append, pytest.fail)
    reader.cancel("other")
    go_on.set()
    qtbot.waitUntil(lambda: len(answers) == 51, timeout=WAIT_MS)
    assert [one for one in answers if one.startswith("kept")] == [f"kept {n}" for n in range(50)]
    assert [one for one in answers if not one.startswith("kept")] == ["49"]


def test_a_reader_that_closes_does_what_must_be_done(qapp: Any):
    reader = EventReader("test-closing")
    done: list[int] = []
    held = threading.Event()
    reader.ask("", lambda: held.wait(10), pytest.fail, pytest.fail)
    for n in range(3):
        reader.ask("", lambda n=n: done.append(n), pytest.fail, pytest.fail)
        reader.ask("t", lambda: done.append(-1), pytest.fail, pytest.fail)
    held.set()
    reader.close()
    assert done == [0, 1, 2] or done[-1] in (2, -1)
    assert [n for n in done if n >= 0] == [0, 1, 2]
    reader.ask("", lambda: done.append(9), pytest.fail, pytest.fail)
    qapp.processEvents()
    assert 9 not in done


def test_failures_come_back_as_they_are(reader: EventReader, qtbot: Any):
    def fail() -> None:
        raise SinkError("no")

    errors: list[Exception] = []
    reader.ask("t", fail, pytest.fail, errors.append)
    qtbot.waitUntil(lambda: bool(errors), timeout=WAIT_MS)
    assert isinstance(errors[0], SinkError)


def test_a_thousand_commits_are_one_ring(qapp: Any):
    listeners: list[Any] = []
    rung: list[frozenset[int]] = []

    def subscribe(listener: Any) -> Any:
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    bell = CommitBell(subscribe)
    bell.rung.connect(rung.append)
    writer = threading.Thread(target=lambda: [listeners[0](n % 3) for n in range(1000)])
    writer.start()
    writer.join()
    qapp.processEvents()
    assert rung == [frozenset({0, 1, 2})]
    late = listeners[0]
    bell.close()
    assert listeners == []
    late(1)
    qapp.processEvents()
    assert len(rung) == 1
