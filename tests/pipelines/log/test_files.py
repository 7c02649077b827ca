"""The file itself: damaged, newer, foreign, cut off, full, moved away, too old, too large."""

from __future__ import annotations

import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from scenescope.models import EventKind, SinkError
from scenescope.pipelines.log import schema, writer
from scenescope.pipelines.log.fakes import LIVE, WATCHED, event
from scenescope.pipelines.log.records import EventQuery, FrameRecord, NewSession, SessionKind, TrackRecord
from scenescope.pipelines.log.schema import MIGRATIONS

pytestmark = pytest.mark.slow

APPEAR = EventKind.APPEAR
DAY_S = 86_400.0


def filled(make, path, count: int = 3000) -> int:
    log = make()
    number = log.begin(WATCHED)
    log.add(number, [event(APPEAR, n / 10, f"label {n % 50}") for n in range(count)])
    assert log.flush()
    log.close()
    return number


def truncated(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 2 // 3)


def garbled(path):
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))


def no_header(path):
    with path.open("r+b") as file:
        file.write(b"not a database at all")


class TestDamage:
    @pytest.mark.parametrize("break_it", [truncated, garbled, no_header])
    def test_a_damaged_file_is_set_aside_and_a_new_one_begun(self, make, path, break_it):
        for attempt in (1, 2):
            filled(make, path)
            break_it(path)
            broken = path.read_bytes()
            log = make()
            assert log.notice == (
                f"The event log was damaged. It was set aside as events.db.damaged-{attempt}, and a new one begun."
            )
            assert path.with_name(f"events.db.damaged-{attempt}").read_bytes() == broken
            assert log.sessions() == []
            assert log.begin(WATCHED) == 1
            log.close()

    def test_an_empty_file_is_a_new_one(self, make, path):
        path.parent.mkdir()
        path.touch()
        log = make()
        assert (log.notice, log.begin(WATCHED)) == ("", 1)

    def test_a_file_that_breaks_while_it_is_used_is_set_aside_and_the_session_goes_on(self, make, path):
        log = make()
        number = log.begin(replace(WATCHED, title="Evening"))
        log.add(number, [event(APPEAR, n / 10, f"label {n}") for n in range(3000)])
        assert log.flush()
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA writable_schema = ON")
            other.execute("UPDATE sqlite_master SET rootpage = 99999 WHERE name = 'events_by_time'")
            other.execute("PRAGMA schema_version = 1000")
        other.close()
        log.add(number, [event(APPEAR, 400.0, "later")])
        assert log.flush()
        assert "set aside as events.db.damaged-1" in log.notice
        assert log.session(number).title == "Evening"
        assert log.search("later")

    @pytest.mark.parametrize(
        ("prepare", "sentence"),
        [
            (lambda path: path.mkdir(parents=True), "is a folder"),
            (lambda path: path.parent.write_text("a file where the folder should be"), "cannot be made"),
        ],
    )
    def test_where_no_file_can_be(self, make, path, prepare, sentence):
        prepare(path)
        with pytest.raises(SinkError, match=sentence) as caught:
            make()
        assert caught.value.hint

    def test_a_newer_file_is_refused_and_left_as_it_is(self, make, path):
        filled(make, path)
        with sqlite3.connect(path) as file:
            file.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        file.close()
        before = path.read_bytes()
        with pytest.raises(SinkError, match="newer version") as caught:
            make()
        assert "Update" in caught.value.hint
        assert path.read_bytes() == before

    def test_a_database_of_another_program_is_refused(self, make, path):
        path.parent.mkdir()
        with sqlite3.connect(path) as file:
            file.execute("CREATE TABLE recipes(name)")
        file.close()
        with pytest.raises(SinkError, match="another program"):
            make()

    def test_an_older_file_gets_the_tables_that_came_later(self, make, path, monkeypatch):
        number = filled(make, path, 10)
        monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE captions(id INTEGER); SELECT 1;"))
        log = make()
        assert log.count(EventQuery(number)) == 10
        log.close()
        with sqlite3.connect(path) as file:
            assert file.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
            assert file.execute("SELECT count(*) FROM captions").fetchone() == (0,)
        file.close()

    def test_a_migration_that_fails_changes_nothing(self, make, path, monkeypatch):
        number = filled(make, path, 10)
        monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE captions(id INTEGER); SELECT nonsense;"))
        with pytest.raises(SinkError, match="nonsense"):
            make()
        monkeypatch.setattr(schema, "MIGRATIONS", MIGRATIONS)
        assert make().count(EventQuery(number)) == 10


CHILD = """
import sys
from pathlib import Path
from scenescope.pipelines.log.fakes import WATCHED, event
from scenescope.pipelines.log.store import EventLog
from scenescope.models import EventKind

log = EventLog(Path(sys.argv[1]))
number = log.begin(WATCHED)
for n in range(100_000):
    log.add(number, [event(EventKind.APPEAR, n / 10, "person", track_id=n)])
    if n % 100 == 0:
        log.progress(number, n, n / 10)
        log.flush()
        print(n + 1, flush=True)
"""


def test_a_killed_process_leaves_all_that_was_written(make, path):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        written = 0
        while written < 1001:
            written = int(child.stdout.readline())
    finally:
        os.kill(child.pid, signal.SIGKILL)
        rest = child.communicate()[0].split()
    written = int(rest[-1]) if rest else written
    log = make()
    assert log.notice == ""
    (session,) = log.sessions()
    assert (session.complete, session.ended_wall_s) == (False, None)
    events = log.events(EventQuery(session.id))
    assert len(events) >= written
    assert [one.track_id for one in events] == list(range(len(events)))
    assert log.count(EventQuery(session.id)) == len(events)
    assert session.frames <= len(events)


class Problems:
    """Waits for what a log says of its problems."""

    def __init__(self) -> None:
        self._told: queue.Queue[SinkError | None] = queue.Queue()

    def __call__(self, problem: SinkError | None) -> None:
        self._told.put(problem)

    def next(self) -> SinkError | None:
        return self._told.get(timeout=10)


class TestDisk:
    @pytest.fixture
    def problems(self, monkeypatch) -> Problems:
        monkeypatch.setattr(writer, "RETRY_S", 0.05)
        return Problems()

    def test_a_full_disk_is_said_and_nothing_is_lost_once_there_is_room(self, make, problems, path, monkeypatch):
        log = make(on_problem=problems)
        number = log.begin(LIVE)
        log.add(number, [event(APPEAR, 0.0)])
        assert log.flush()
        real, room = writer.open_file, threading.Event()

        def cramped(*args):
            connection, notice = real(*args)
            if not room.is_set():
                connection.execute("PRAGMA max_page_count = 1")  # SQLite's own full disk.
            return connection, notice

        monkeypatch.setattr(writer, "open_file", cramped)
        log._writer._changes.connection.execute("PRAGMA max_page_count = 1")
        later = [event(APPEAR, 1.0 + n, text="a long text " * 20 + str(n)) for n in range(200)]
        log.add(number, later)
        problem = problems.next()
        assert problem.user_message == f"There is no room on the disk for the event log {path}."
        assert log.problem is problem
        assert not log.flush()
        with pytest.raises(SinkError, match="no room"):
            log.add_now(number, event(EventKind.MARK, 1.0, text="x" * 5000))
        room.set()
        assert problems.next() is None
        assert log.problem is None
        assert log.flush()
        assert [one.t_s for one in log.events(EventQuery(number))] == [0.0, *(one.t_s for one in later)]
        assert log.dropped == 0

    def test_while_nothing_can_be_written_the_newest_records_are_kept(self, make, problems, monkeypatch):
        monkeypatch.setattr(writer, "MOST_RECORDS", 100)
        log = make(on_problem=problems)
        number = log.begin(WATCHED)
        read_only, real = threading.Event(), writer.open_file

        def opened(*args):
            connection, notice = real(*args)
            connection.execute(f"PRAGMA query_only = {'OFF' if read_only.is_set() else 'ON'}")
            return connection, notice

        monkeypatch.setattr(writer, "open_file", opened)
        log._writer._changes.connection.execute("PRAGMA query_only = ON")
        log.add(number, [event(APPEAR, -1.0)])
        assert "cannot be written" in problems.next().user_message
        for n in range(500):  # Nobody waits, though this is the session of a file.
            log.add(number, [event(APPEAR, float(n))])
        read_only.set()
        assert problems.next() is None
        assert log.flush()
        times = [one.t_s for one in log.events(EventQuery(number))]
        assert times == [float(n) for n in range(500 - len(times), 500)]
        assert 50 <= len(times) <= 101
        assert log.dropped == 501 - len(times)

    def test_a_folder_that_is_gone_for_a_while(self, make, problems, path):
        log = make(on_problem=problems)
        number = log.begin(LIVE)
        log.add(number, [event(APPEAR, 1.0)])
        assert log.flush()
        away = path.parent.with_name("unplugged")
        path.parent.rename(away)
        log.add(number, [event(APPEAR, 2.0)])
        assert "cannot be opened" in problems.next().user_message
        away.rename(path.parent)
        assert problems.next() is None
        assert log.flush()
        assert [one.t_s for one in log.events(EventQuery(number))] == [1.0, 2.0]

    def test_a_file_that_somebody_deletes_is_begun_anew(self, make, path):
        log = make()
        number = log.begin(LIVE)
        log.add(number, [event(APPEAR, 1.0)])
        assert log.flush()
        for file in path.parent.iterdir():
            file.unlink()
        log.add(number, [event(APPEAR, 2.0)])
        assert log.flush()
        assert [one.t_s for one in log.events(EventQuery(number))] == [2.0]
        assert log.session(number).source == "camera"


class Held:
    """Keeps the writer busy until it is let go."""

    def __init__(self, log) -> None:
        self._go = threading.Event()
        self._busy = threading.Event()
        self._thread = threading.Thread(target=lambda: log._writer.ask(self._wait))
        self._thread.start()
        assert self._busy.wait(10)

    def _wait(self, changes) -> None:
        self._busy.set()
        self._go.wait(10)

    def let_go(self) -> None:
        self._go.set()
        self._thread.join()


class TestFullQueue:
    def test_a_camera_never_waits_and_loses_its_oldest_records(self, make, monkeypatch):
        monkeypatch.setattr(writer, "MOST_RECORDS", 50)
        log = make()
        number = log.begin(LIVE)
        held = Held(log)
        for n in range(120):
            log.add(number, [event(APPEAR, float(n))])
        held.let_go()
        assert log.flush()
        assert [one.t_s for one in log.events(EventQuery(number))] == [float(n) for n in range(70, 120)]
        assert log.dropped == 70

    def test_a_file_waits_and_loses_nothing(self, make, monkeypatch):
        monkeypatch.setattr(writer, "MOST_RECORDS", 50)
        log = make()
        number = log.begin(WATCHED)
        held = Held(log)
        reached: list[int] = []

        def add() -> None:
            for n in range(120):
                log.add(number, [event(APPEAR, float(n))])
                reached.append(n)

        adding = threading.Thread(target=add)
        adding.start()
        deadline = time.monotonic() + 10
        while len(reached) < 50 and time.monotonic() < deadline:
            threading.Event().wait(0.001)
        assert len(reached) == 50
        held.let_go()
        adding.join(10)
        assert log.flush()
        assert log.count(EventQuery(number)) == 120
        assert log.dropped == 0


class TestRetention:
    def test_a_deleted_session_gives_its_room_back(self, make, path):
        log = make()
        empty = path.stat().st_size
        keep, drop = log.begin(WATCHED), log.begin(WATCHED)
        for number in (keep, drop):
            picture = TrackRecord(1, "dog", 0.0, 0, 1.0, 10, picture_jpeg=os.urandom(500_000))
            log.add(number, [event(APPEAR, 1.0, "dog")], [picture], [FrameRecord(0, 0.0, os.urandom(500_000))])
        assert log.flush()
        log.delete_session(drop)
        log.add(drop, [event(APPEAR, 2.0)])
        assert log.flush()
        assert empty + 1_000_000 < path.stat().st_size < empty + 1_200_000
        assert [session.id for session in log.sessions()] == [keep]
        assert log.track(drop, 1) is log.frame(drop, 0) is None
        assert log.count(EventQuery(drop)) == log.count(EventQuery(keep)) - 1 == 0
        assert log.begin(WATCHED) not in (keep, drop)

    def test_old_sessions_go_then_the_oldest_until_the_rest_fits(self, make, path):
        log = make()
        now = time.time()
        ages = [100, 40, 30, 20, 10]
        numbers = []
        for days in ages:
            numbers.append(log.begin(NewSession(SessionKind.LIVE, "camera", began_wall_s=now - days * DAY_S)))
            log.add(numbers[-1], frames=[FrameRecord(0, 0.0, os.urandom(200_000))])
            if days != 40:
                log.end(numbers[-1], complete=True)
        log.prune(max_age_days=35)
        assert log.flush()
        # The second one still goes on.
        assert [session.id for session in reversed(log.sessions())] == numbers[1:]
        log.prune(max_age_days=1, max_bytes=0, kinds=[SessionKind.WATCHED])
        log.prune(max_bytes=780_000)
        assert log.flush()
        assert [session.id for session in reversed(log.sessions())] == [numbers[1], *numbers[3:]]
        assert path.stat().st_size < 900_000
        log.prune()
        assert log.flush()
        assert len(log.sessions()) == 3
