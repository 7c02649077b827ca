"""``scenescope ask``: one question about a picture, a film or an event log, in a process of its own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scenescope.models import EventKind
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import STALL, FaultServer, Reply, chunk, sse
from scenescope.models.language.server.memory import ProbeMemory
from scenescope.models.language.server.probe import Capabilities
from scenescope.pipelines.log.fakes import WATCHED, event
from scenescope.pipelines.log.store import EventLog

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def events_file(tmp_path_factory) -> Path:
    """Two sessions: nothing in the older one, three cars of which two crossed a line in the newer."""
    path = tmp_path_factory.mktemp("log") / "events.sqlite"
    log = EventLog(path)
    empty = log.begin(WATCHED)
    log.progress(empty, 10, 1.0)
    log.end(empty, complete=True)
    session = log.begin(WATCHED)
    crossings = [(10.0, 1), (30.0, 2), (70.0, 2)]
    log.add(
        session,
        [
            *(event(EventKind.APPEAR, 5.0 * track, "car", track_id=track) for track in (1, 2, 3)),
            *(event(EventKind.LINE_CROSS, t, "car", track_id=n, line="gate", direction="in") for t, n in crossings),
        ],
    )
    log.progress(session, 800, 80.0)
    log.end(session, complete=True)
    log.close()
    return path


def test_a_photo_is_asked_as_a_program_would(cli: Callable, bus: Path):
    done = cli("ask", bus, "how many people are there?", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "answer": "The detector sees 4 people now.",
        "evidence": [{"frame": 0, "t_s": 0.0, "event_id": None}],
        "provider": "rules",
        "checked": True,
    }


def test_a_film_is_analysed_and_asked_about_its_past(cli: Callable):
    done = cli("ask", "demo", "when did the first cat appear?", "--max-frames", "60", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    reply = json.loads(done.stdout)
    assert reply["checked"] is True
    assert "cat" in reply["answer"]
    assert reply["evidence"][0]["event_id"] is not None


@pytest.mark.parametrize(
    ("question", "answer", "frames"),
    [
        ("how many cars crossed the line gate?", "2 cars crossed 'gate' (in: 2; 3 crossings)", {100, 300, 700}),
        ("how many cars crossed gate in the last minute?", "1 car", {300, 700}),
        ("when did the first car cross gate", "at 0:10.0", {100}),
    ],
)
def test_an_event_log_answers_exactly(cli: Callable, events_file, question, answer, frames):
    done = cli("ask", events_file, question, "--json")
    reply = json.loads(done.stdout)
    assert done.returncode == 0, reply
    assert reply["checked"] is True
    assert {one["frame"] for one in reply["evidence"]} <= frames
    assert reply["evidence"][0]["event_id"] is not None


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["blur faces"], 3, "no window here"),
        (["is it going to rain"], 3, "You can ask:"),
        (["how many cars appeared?", "--session", "1"], 0, "I saw no cars"),
        (["hi", "--session", "77"], 2, "has no session 77"),
        (["hi", "--zones", "z.yaml"], 2, "--zones is for a source"),
        (["hi", "--provider", "local"], 2, "no model for descriptions on this computer"),
        (["hi", "--provider", "http://127.0.0.1:9/v1"], 2, "Nothing answers at 127.0.0.1:9"),
        (["hi", "--provider", "gopher://x"], 2, "not a way to reach a model"),
        (["hi", "--provider", "openai"], 2, "does not say how to connect"),
    ],
)
def test_what_cannot_be_answered_is_said_with_a_code(cli: Callable, events_file, options, code, said):
    done = cli("ask", events_file, *options)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("missing.mp4", [], "does not exist"),
        ("demo", [], "has no end"),
        ("demo", ["--session", "1"], "--session is for an event log"),
        ("empty.sqlite", [], "holds no session"),
        ("other.sqlite", [], "is not a video"),
    ],
)
def test_a_wrong_source_is_said_before_anything_runs(cli: Callable, tmp_path, source, options, said):
    EventLog(tmp_path / "empty.sqlite").close()
    (tmp_path / "other.sqlite").write_bytes(b"SQLite format 3\x00" + bytes(100))
    path = source if source == "demo" else tmp_path / source
    done = cli("ask", path, "how many people?", *options)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_log_is_not_changed_by_being_asked(cli: Callable, events_file, tmp_path):
    copy = tmp_path / "events.sqlite"
    shutil.copy(events_file, copy)
    assert cli("ask", copy, "how many cars appeared?").returncode == 0
    log = EventLog(copy)
    try:
        assert len(log.sessions()) == 2
        assert log.talk.conversations() == []
    finally:
        log.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_server_that_keeps_one_waiting_is_left_at_the_first_ctrl_c(environment, events_file):
    folder = Path(environment["SCENESCOPE_DATA_DIR"])
    folder.mkdir(parents=True)
    with FaultServer() as server:
        ProbeMemory(folder / "servers.json").keep(Endpoint(server.url, "m"), Capabilities(("m",)))
        server.script(Reply([sse(chunk("Two"), done=False), STALL]))
        question = [events_file, "why do they hurry so much?", "--provider", server.url, "--model", "m"]
        command = [sys.executable, "-m", "scenescope.app", "ask", *map(str, question)]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as asking:
            try:
                assert server.stalled.wait(60)
                asking.send_signal(signal.SIGINT)
                # By itself it would wait 15 s for the next word.
                stdout, stderr = asking.communicate(timeout=13)
            finally:
                asking.kill()
    assert (asking.returncode, stdout) == (130, ""), stderr
    assert stderr == "Interrupted before it was answered.\n"
