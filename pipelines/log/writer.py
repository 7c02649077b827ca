"""LogWriter: the one thread that writes the event log, in large transactions, from a bounded queue."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scenescope.models import SinkError
from scenescope.pipelines.log.changes import Changes
from scenescope.pipelines.log.records import NewSession
from scenescope.pipelines.log.schema import explained, is_damage, make_folder, open_file

__all__ = ["Job", "LogWriter"]

GATHER_S = 0.1
MOST_RECORDS, MOST_BYTES = 200_000, 256 << 20
RECORDS_AT_ONCE, BYTES_AT_ONCE = 20_000, 32 << 20
RETRY_S = 1.0
CLOSE_WITHIN_S = 30.0

Apply = Callable[[Changes], Any]


@dataclass(eq=False)
class Job:
    """Something to write.

    Attributes:
        apply: writes it, inside a transaction; may be called again after one that failed.
        records, size: how many records it holds, and about how many bytes.
        may_drop: True when it may give way to newer records.
        answer: of whoever waits for it; it fails when nothing can be written.
    """

    apply: Apply
    records: int = 0
    size: int = 0
    may_drop: bool = False
    answer: Future[Any] | None = None
    number: int = field(default=0, init=False)


class LogWriter:
    """Takes jobs from any thread and writes them in order.

    Full is the queue at ``MOST_RECORDS`` records or ``MOST_BYTES`` bytes. Then whoever may wait waits, and for the
    others the oldest jobs that may be dropped give way; they are counted. While the file cannot be written nobody
    waits: the newest records stay in memory, and are written once it can be written again.

    Args:
        path: of the file.
        on_commit: called after each transaction with the sessions that have changed.
        on_problem: called with what keeps it from writing, and with None once that is over.

    Attributes:
        problem: what keeps it from writing now; None when all is well.
        notice: a sentence about a damaged file that was set aside, or "".
        dropped: records that were lost because nothing could be written for long, or not fast enough.
        active: sessions that go on; should the file be lost, they go on in a new one.
        connections: counts how often the file was opened: connections of readers from before are of no use.

    Raises:
        SinkError: as :func:`~scenescope.pipelines.log.schema.open_file`.
    """

    def __init__(
        self,
        path: Path,
        on_commit: Callable[[set[int]], None],
        on_problem: Callable[[SinkError | None], None] | None = None,
    ) -> None:
        self.path = path
        self.dropped = 0
        self.problem: SinkError | None = None
        self.active: dict[int, NewSession] = {}
        self.connections = 0
        self.notice = ""
        self._on_commit = on_commit
        self._on_problem = on_problem
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._records = self._size = 0
        self._number = 0
        self._taken: list[Job] = []
        self._careful = 0
        self._hurry = self._closing = False
        self._changes: Changes | None = None
        make_folder(path)
        self._open()
        self._thread = threading.Thread(target=self._run, name="event-log", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """True once it takes nothing any more."""
        return self._closing

    # Callers -----------------------------------------------------------------------------------------------------

    def put(self, job: Job, *, may_wait: bool) -> None:
        """Hand over a job; waits for room where it may.

        Raises:
            SinkError: the log is closed.
        """
        with self._changed:
            if may_wait:
                self._changed.wait_for(lambda: self._has_room(job) or self.problem is not None or self._closing)
            if self._closing:
                raise SinkError("The event log is closed.")
            self._number += 1
            job.number = self._number
            self._jobs.append(job)
            self._records += job.records
            self._size += job.size
            self._hurry |= job.answer is not None
            self._make_room()
            self._changed.notify_all()

    def ask(self, apply: Apply, timeout_s: float = 30.0) -> Any:
        """Write something and wait for its answer.

        Raises:
            SinkError: it cannot be written, or the log is closed.
        """
        job = Job(apply, answer=Future())
        self.put(job, may_wait=False)
        assert job.answer is not None
        try:
            return job.answer.result(timeout_s)
        except TimeoutError:
            with self._changed:
                if job in self._jobs:
                    self._jobs.remove(job)
            raise SinkError(
                f"The event log {self.path} took longer than {timeout_s:g} s.", hint="See whether its disk is busy."
            ) from None

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put is in the file; False when that takes longer, or cannot be done now."""
        with self._changed:
            number, self._hurry = self._number, True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_done(number) or self.problem or self._closing, timeout_s)
            return self._is_done(number)

    def close(self) -> None:
        """Write what waits, if that can be done, and close the file."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(CLOSE_WITHIN_S)

    def _is_done(self, number: int) -> bool:
        waiting = self._taken or self._jobs
        return not waiting or waiting[0].number > number

    def _has_room(self, job: Job) -> bool:
        fits = self._records + job.records <= MOST_RECORDS and self._size + job.size <= MOST_BYTES
        return fits or not self._jobs

    def _make_room(self) -> None:
        """Let the oldest go that may be dropped; with a problem, the oldest of all that nobody waits for."""
        while len(self._jobs) > 1 and (self._records > MOST_RECORDS or self._size > MOST_BYTES):
            droppable = (job for job in self._jobs if job.records and (job.may_drop or self.problem is not None))
            oldest = next(droppable, None)
            if oldest is None:
                return
            self._jobs.remove(oldest)
            self._forget(oldest)
            self.dropped += oldest.records

    def _forget(self, job: Job) -> None:
        self._records -= job.records
        self._size -= job.size

    # The thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                error = self._write(batch)
                if error is None:
                    continue
                last_try = self._closing
                self._put_back(batch, explained(error, self.path))
                if last_try:
                    break
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, RETRY_S)
        finally:
            with self._changed:
                self._closing = True
                self.dropped += sum(job.records for job in self._jobs)
            self._fail_waiting(SinkError("The event log is closed."))
            self._close_file()

    def _next_batch(self) -> list[Job]:
        """Jobs to write together, after a moment in which more may come; none when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closing)
            self._changed.wait_for(
                lambda: self._hurry or self._closing or self._records >= RECORDS_AT_ONCE, timeout=GATHER_S
            )
            batch: list[Job] = []
            records = size = 0
            while self._jobs and records < RECORDS_AT_ONCE and size < BYTES_AT_ONCE:
                job = self._jobs.popleft()
                batch.append(job)
                records, size = records + job.records, size + job.size
                if self._careful:
                    self._careful -= 1
                    break
            self._hurry = bool(self._careful or (self._hurry and self._jobs))
            self._taken = batch
            return batch

    def _write(self, batch: list[Job], anew: bool = False) -> Exception | None:
        """One transaction for all; the error when the file cannot be written now."""
        try:
            if self._is_elsewhere():
                self._close_file()
            if self._changes is None:
                self._open(anew)
            assert self._changes is not None
            answers = self._apply(self._changes, batch)
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError) as error:
            self._refuse(batch, error)
        except (sqlite3.Error, SinkError, OSError) as error:
            self._close_file()
            # The file broke while it was used: a new one begins with what is still in memory.
            return self._write(batch, anew=True) if is_damage(error) and not anew else error
        except Exception as error:
            self._refuse(batch, error)
        else:
            self._finish(batch, answers)
        return None

    def _apply(self, changes: Changes, batch: list[Job]) -> list[Any]:
        changes.begin()
        try:
            answers = [job.apply(changes) for job in batch]
            changes.commit()
        except BaseException:
            changes.undo()
            raise
        return answers

    def _refuse(self, batch: list[Job], error: Exception) -> None:
        """A record that cannot be stored must not take others along: they are tried again one by one."""
        if len(batch) > 1:
            with self._changed:
                self._jobs.extendleft(reversed(batch))
                self._taken = []
                self._careful = len(batch)
            return
        (job,) = batch
        self._count_as_done(batch)
        self.dropped += job.records
        if job.answer is not None:
            job.answer.set_exception(error)
        else:
            traceback.print_exception(error)

    def _finish(self, batch: list[Job], answers: list[Any]) -> None:
        assert self._changes is not None
        for job, answer in zip(batch, answers, strict=True):
            if job.answer is not None:
                job.answer.set_result(answer)
        self._tell(None)
        # Who waits in flush finds that the listeners know.
        if self._changes.touched:
            self._on_commit(self._changes.touched)
        self._count_as_done(batch)

    def _count_as_done(self, batch: list[Job]) -> None:
        with self._changed:
            for job in batch:
                self._forget(job)
            self._taken = []
            self._changed.notify_all()

    def _put_back(self, batch: list[Job], problem: SinkError) -> None:
        with self._changed:
            self._jobs.extendleft(reversed(batch))
            self._taken = []
        self._fail_waiting(problem)
        self._tell(problem)
        with self._changed:
            self._make_room()
            self._changed.notify_all()

    def _fail_waiting(self, problem: SinkError) -> None:
        """Who waits for an answer is told, and what they wanted is not done later."""
        with self._changed:
            waiting = [job for job in self._jobs if job.answer is not None]
            for job in waiting:
                self._jobs.remove(job)
                self._forget(job)
        for job in waiting:
            assert job.answer is not None
            job.answer.set_exception(problem)

    def _tell(self, problem: SinkError | None) -> None:
        changed = str(problem) != str(self.problem)
        self.problem = problem
        if changed and self._on_problem is not None:
            try:
                self._on_problem(problem)
            except Exception as error:
                traceback.print_exception(error)

    # The file ----------------------------------------------------------------------------------------------------

    def _open(self, anew: bool = False) -> None:
        connection, notice = open_file(self.path, anew)
        self._changes = Changes(connection)
        self._file = self._identity()
        self.notice = notice or self.notice
        self.connections += 1
        if self.active:
            # The file may be another one than before: what goes on goes on there.
            self._changes.begin()
            for session_id, new in self.active.items():
                self._changes.put_session(new, session_id)
            self._changes.commit()

    def _identity(self) -> tuple[int, int] | None:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_dev, stat.st_ino

    def _is_elsewhere(self) -> bool:
        """True when the file was moved away: SQLite would go on writing where nobody looks."""
        return self._changes is not None and self._identity() != self._file

    def _close_file(self) -> None:
        changes, self._changes = self._changes, None
        if changes is not None:
            with contextlib.suppress(sqlite3.Error):
                changes.undo()
            with contextlib.suppress(sqlite3.Error):
                changes.connection.close()
