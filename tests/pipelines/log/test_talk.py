"""Conversations, actions and what was sent, in the file of the log."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from scenescope.models import EventKind, LogEvent, SinkError
from scenescope.models.language import (
    Change,
    DiffLine,
    Evidence,
    Message,
    MessageKind,
    Picture,
    Proposal,
    ProposalState,
)
from scenescope.pipelines.log import talk
from scenescope.pipelines.log.fakes import WATCHED
from scenescope.pipelines.log.schema import APPLICATION_ID, MIGRATIONS
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.talk import ActionRecord, EgressRecord, EgressTotal

QUESTION = Message(1, MessageKind.QUESTION, "You", "How many zebras crossed?", 100.0, 3.2)
ANSWER = Message(
    2,
    MessageKind.ANSWER,
    "Rules, not AI",
    "2 zebras crossed <b>'door'</b>.",
    101.0,
    3.2,
    evidence=(Evidence(32, 3.2, 7, 11, 1),),
    suggestions=("And now?",),
    pictures=(Picture(b"jpeg", 32, 3.2, (64, 48)),),
    changes=(Change(1, "Add 'Blur'", (DiffLine("+", "Blur"),)),),
    proposals=(Proposal(2, "Record", "It writes a file."), Proposal(3, "Export", "", state=ProposalState.ACCEPTED)),
    notes=("Not confirmed by the detector: dog.",),
    checked=True,
)


@pytest.fixture
def log(tmp_path):
    log = EventLog(tmp_path / "events.sqlite")
    yield log
    log.close()


def begun(log: EventLog, *messages: Message, source: str = "clip.mp4") -> int:
    number = log.talk.begin(source)
    log.talk.keep(number, messages)
    assert log.flush()
    return number


def test_what_was_said_comes_back_without_pictures_and_with_nothing_left_to_click(log):
    number = begun(log, QUESTION, ANSWER)
    question, answer = log.talk.messages(number)
    assert question == QUESTION
    assert (answer.text, answer.evidence, answer.notes, answer.checked) == (
        ANSWER.text,
        ANSWER.evidence,
        ANSWER.notes,
        True,
    )
    assert answer.pictures == answer.suggestions == ()
    assert not answer.changes[0].undoable
    assert [proposal.state for proposal in answer.proposals] == [ProposalState.DISMISSED, ProposalState.ACCEPTED]
    (kept,) = log.talk.conversations()
    assert (kept.title, kept.source, kept.messages) == ("How many zebras crossed?", "clip.mp4", 2)


def test_a_message_that_grows_takes_its_own_place(log):
    number = begun(log, QUESTION, Message(2, MessageKind.ANSWER, "A", "Tw", 101.0))
    log.talk.keep(number, [Message(2, MessageKind.ANSWER, "A", "Two giraffes.", 101.0)])
    log.flush()
    assert [message.text for message in log.talk.messages(number)][1:] == ["Two giraffes."]
    assert [hit.message.text for hit in log.talk.search("giraffe")] == ["Two giraffes."]
    assert log.talk.search("Two giraf")
    assert not log.talk.search("Tw zebra")


@pytest.mark.parametrize("query", ['"', "AND", "NEAR(", "*", "", "   ", "a" * 5000, "\x00", "\ud800", "né'"])
def test_a_search_takes_any_words(log, query):
    begun(log, QUESTION, ANSWER)
    assert isinstance(log.talk.search(query), list)


def test_what_is_forgotten_is_not_in_the_file_any_more(log, tmp_path):
    first, second = begun(log, QUESTION), begun(log, Message(1, MessageKind.QUESTION, "You", "okapi", 200.0))
    said_s = {first: 101.0, second: 201.0}
    for number, word in ((first, "gnu"), (second, "tapir")):
        log.talk.keep(number, [Message(2, MessageKind.QUESTION, "You", word, said_s[number])])
        log.talk.add_action(ActionRecord("add_watch", word, "automatic", "ran", said_s[number] + 1))
    log.talk.delete(first)
    log.flush()
    assert [kept.id for kept in log.talk.conversations()] == [second]
    assert [action.args for action in log.talk.actions()] == ["tapir"]
    assert not log.talk.search("zebras")
    log.talk.keep(first, [QUESTION])  # It may be under way still; a forgotten conversation does not come back.
    log.talk.forget_all()
    log.flush()
    assert not log.talk.conversations()
    log.close()
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not [word for word in (b"zebras", b"okapi", b"gnu", b"tapir") if word in raw]


def test_what_was_replaced_before_it_was_forgotten_is_gone_too(log, tmp_path):
    log.talk.forget_all()
    number = log.talk.begin()
    for _ in range(3):
        said = (Message(n, MessageKind.QUESTION, "You", f"okapi{n} " * 20, n) for n in range(300))
        log.talk.keep(number, said)
        log.flush()
        log.talk.keep(number, [Message(n, MessageKind.QUESTION, "You", "gnu", n) for n in range(0, 300, 2)])
    log.talk.forget_all()
    log.close()
    assert b"okapi" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_forgetting_everything_says_so_when_it_cannot(log):
    begun(log, QUESTION)
    log.close()
    with pytest.raises(SinkError, match="closed"):
        log.talk.forget_all()


def test_conversations_are_exported_as_json_and_as_markdown_without_markup_from_pictures(log, tmp_path):
    begun(log, QUESTION, ANSWER)
    log.talk.export(tmp_path / "talk.json")
    (talk,) = json.loads((tmp_path / "talk.json").read_text())
    assert [message["text"] for message in talk["messages"]] == [QUESTION.text, ANSWER.text]
    log.talk.export(tmp_path / "talk.md")
    text = (tmp_path / "talk.md").read_text()
    assert "2 zebras crossed" in text
    assert "<b>" not in text
    assert "0:03.2" in text
    with pytest.raises(SinkError, match="cannot be written"):
        log.talk.export(Path(tmp_path / "missing" / "talk.md"))


def test_actions_and_what_was_sent_are_noted_newest_first(log, tmp_path):
    sent = EgressRecord(5.0, "vision.example", "internet", 2, 4096, "look", ("aa", "bb"))
    log.talk.add_egress(EgressRecord(4.0, "vision.example", "internet", 1, 10, "describe"))
    log.talk.add_egress(sent)
    done = ActionRecord("add_stage", '{"kind": "blur"}', "automatic with undo", "ran", 6.0)
    log.talk.add_action(done)
    log.flush()
    assert log.talk.egress()[0] == sent
    assert log.talk.egress(1) == [sent]
    assert log.talk.actions() == [done]
    log.talk.clear_egress()
    assert log.talk.egress() == log.talk.actions() == []
    log.close()
    assert b"vision.example" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_all_that_was_sent_is_read_little_by_little(log, monkeypatch):
    monkeypatch.setattr(talk, "ROWS_AT_ONCE", 2)
    rows = [EgressRecord(float(second), "vision.example", "internet", 2, 100, "look") for second in range(5)]
    for row in rows:
        log.talk.add_egress(row)
    assert list(log.talk.all_egress()) == rows[::-1]
    assert log.talk.egress(3) == rows[:1:-1]
    assert log.talk.egress_total() == EgressTotal(5, 10, 500)


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_a_file_of_a_version_before_keeps_what_it_holds(tmp_path, version):
    path = tmp_path / "events.sqlite"
    db = sqlite3.connect(path)
    for script in MIGRATIONS[:version]:
        db.executescript(script)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {version}")
    db.execute(
        "INSERT INTO sessions(kind, source, fingerprint, width, height, rate_hz, pipeline, began_wall_s, title) "
        "VALUES ('watched', 'old.mp4', '', 1, 1, 1, '', 1, '')"
    )
    db.execute("INSERT INTO subjects(kind, label, zone, line, direction, text) VALUES ('mark', '', '', '', '', 'goal')")
    db.execute("INSERT INTO events(session_id, subject_id, t_s, frame) VALUES (1, 1, 2, 3)")
    if version >= 2:
        db.execute("INSERT INTO meanings VALUES (1, 'letters', ?)", (np.eye(2, dtype="<f4")[0].tobytes(),))
    db.commit()
    db.close()
    log = EventLog(path)
    try:
        assert [session.source for session in log.sessions()] == ["old.mp4"]
        begun(log, QUESTION)
        assert len(log.talk.conversations()) == 1
        assert log.colours.tracks(1, "red") == ()
        hits = log.meanings.search("letters", np.eye(2, dtype=np.float32)[0], None, 5)
        assert [hit.text for hit in hits] == ["goal"] * (version >= 2)
        log.delete_session(1)
        log.flush()
        assert log.meanings.search("letters", np.eye(2, dtype=np.float32)[0], None, 5) == []
    finally:
        log.close()


def test_words_that_no_file_can_hold_do_no_harm(log):
    number = begun(log, Message(1, MessageKind.QUESTION, "You", "half \ud83d a character", 1.0))
    assert log.talk.messages(number)[0].text == "half ? a character"
    session = log.begin(WATCHED)
    log.add(session, [LogEvent(EventKind.MARK, 0.0, 0, text="after")])
    assert log.flush()
    log.end(session, complete=True)
