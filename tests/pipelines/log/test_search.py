"""Search by words: what is found, in which order, and that no text can break it."""

from __future__ import annotations

import sqlite3

import pytest

from scenescope.models import EventKind
from scenescope.pipelines.log.fakes import WATCHED, event
from scenescope.pipelines.log.records import EventQuery

pytestmark = pytest.mark.slow

APPEAR, TEXT, CODE = EventKind.APPEAR, EventKind.TEXT, EventKind.CODE

HOSTILE = [
    "",
    " ",
    '"',
    '""',
    "'",
    "*",
    "a*",
    "-",
    "^person",
    "label:person",
    "label : person",
    "{label text}: person",
    "person AND",
    "AND",
    "OR OR",
    "NOT person",
    "NEAR(person dog, 2)",
    "NEAR(",
    "(person",
    "person)",
    "person + dog",
    'per"son',
    "'; DROP TABLE events; --",
    "\0",
    "per\0son",
    "\ud800",
    "%",
    "_",
    "\\",
    "%%_\\_",
    "\u202eperson",
    "\N{PILE OF POO}",
    "人" * 5000,
    "a " * 5000,
    "\n\t",
]


@pytest.fixture
def filled(log):
    number = log.begin(WATCHED)
    log.add(number, [event(APPEAR, 1.0, "person", track_id=1), event(APPEAR, 2.0, "person", track_id=2, zone="Door")])
    log.add(number, [event(APPEAR, 3.0, "café"), event(EventKind.LINE_CROSS, 4.0, "car", line="North gate")])
    log.add(number, [event(TEXT, 5.0, text="EXIT 24 north"), event(CODE, 6.0, text="https://example.org/a_b%c")])
    log.add(number, [event(TEXT, 7.0, text="出口はこちら"), event(TEXT, 8.0, text="100% wool")])
    log.add(number, [event(TEXT, 9.0, text=text) for text in HOSTILE])
    assert log.flush()
    return log, number


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("person", {1.0, 2.0}),
        ("PERSON", {1.0, 2.0}),
        ("pers", {1.0, 2.0}),
        ("person door", {2.0}),
        ("door person", {2.0}),
        ("door per", {2.0}),
        ("cafe", {3.0}),
        ("gate", {4.0}),
        ("north", {4.0, 5.0}),
        ("24 exit", {5.0}),
        ("example.org", {6.0}),
        ("a_b%c", {6.0}),
        ("出口", {7.0}),
        ("こちら", {7.0}),
        ("oor", {2.0}),
        ("00%", {8.0}),
        ("giraffe", set()),
    ],
)
def test_what_is_found(filled, text, times):
    log, number = filled
    assert {hit.t_s for hit in log.search(text, number)} - {9.0} == times
    assert {one.t_s for one in log.events(EventQuery(text=text))} - {9.0} == times


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:30]))
def test_no_text_breaks_it(filled, text):
    log, number = filled
    log.search(text)
    log.events(EventQuery(number, text=text, labels=(text,), zones=(text,)))
    log.count(EventQuery(number, text=text, lines=(text,), directions=(text,)))
    assert log.count(EventQuery(number, kinds=(APPEAR,))) == 3


def test_what_is_stored_is_what_was_read(filled):
    log, number = filled
    stored = sorted(one.text for one in log.events(EventQuery(number, start_s=9.0)))
    assert stored == sorted(text.replace("\0", "").replace("\ud800", "?") for text in HOSTILE)


def test_hits_say_where_they_are_and_the_best_and_newest_come_first(filled):
    log, number = filled
    hits = log.search("person", number)
    best = next(hit for hit in hits if hit.t_s == 1.0)
    assert (best.session_id, best.frame, best.label, best.track_id) == (number, 10, "person", 1)
    assert log.events(EventQuery(number, track_ids=(1,)))[0].id == best.event_id
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    later = log.begin(WATCHED)
    log.add(later, [event(APPEAR, float(t), "giraffe") for t in range(5)])
    log.add(number, [event(APPEAR, 99.0, "giraffe")])
    assert log.flush()
    assert [(hit.session_id, hit.t_s) for hit in log.search("giraffe", limit=3)] == [
        (later, t) for t in (4.0, 3.0, 2.0)
    ]
    assert [hit.t_s for hit in log.search("giraffe", number)] == [99.0]


def test_words_of_a_deleted_session_are_gone_from_the_file(filled, path):
    log, number = filled
    log.delete_session(number)
    assert log.flush()
    assert log.search("person") == []
    log.close()
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT count(*) FROM subjects").fetchone() == (0,)
        file.execute("INSERT INTO words(words) VALUES ('integrity-check')")
    file.close()
    assert b"example.org" not in path.read_bytes()
