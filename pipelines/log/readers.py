"""Readers: connections that read the event log, lent to one thread at a time."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scenescope.models import SinkError
from scenescope.pipelines.log.schema import explained, open_for_reading

__all__ = ["Readers"]

MOST_IDLE = 8


class Readers:
    """As many connections as threads read at once; they are kept, and closed with the log.

    Args:
        path: of the file.
        generation: a number that changes when connections from before are of no use.
    """

    def __init__(self, path: Path, generation: Callable[[], int]) -> None:
        self._path = path
        self._generation = generation
        self._lock = threading.Lock()
        self._idle: list[tuple[int, sqlite3.Connection]] = []
        self._closed = False

    @contextmanager
    def borrowed(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread, for a short while.

        Raises:
            SinkError: the file cannot be read, or the log is closed.
        """
        generation = self._generation()
        connection = self._take(generation)
        try:
            yield connection
        except sqlite3.Error as error:
            _close(connection)
            raise explained(error, self._path) from error
        except BaseException:
            _close(connection)
            raise
        self._give_back(generation, connection)

    def close(self) -> None:
        """Close all; those that are lent are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, connection in idle:
            _close(connection)

    def _take(self, generation: int) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise SinkError("The event log is closed.")
            while self._idle:
                made_for, connection = self._idle.pop()
                if made_for == generation:
                    return connection
                _close(connection)
        try:
            return open_for_reading(self._path)
        except sqlite3.Error as error:
            raise explained(error, self._path) from error

    def _give_back(self, generation: int, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and generation == self._generation() and len(self._idle) < MOST_IDLE:
                self._idle.append((generation, connection))
                return
        _close(connection)


def _close(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):
        connection.close()
