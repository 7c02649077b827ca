"""Colours: what colour the objects of the log are, by track number."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from scenescope.models import SinkError
from scenescope.pipelines.log import queries
from scenescope.pipelines.log.changes import Changes
from scenescope.pipelines.log.readers import Readers
from scenescope.pipelines.log.records import EventQuery
from scenescope.pipelines.log.writer import Job, LogWriter
from scenescope.pipelines.scene_look import colour_name

__all__ = ["MOST_LOOKS", "Colours"]

# About two seconds.
MOST_LOOKS = 5000

_PUT = """INSERT OR {} INTO colours(session_id, track_id, colour)
          SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM sessions WHERE id = ?1)"""


class Colours:
    """Names of colours, as the scene tells them from the pictures after all stages. Any thread.

    Made by the :class:`~scenescope.pipelines.log.store.EventLog` as ``log.colours``. For objects of which the scene
    told none, as in logs of earlier versions, the pictures of the tracks are looked at, once.
    """

    def __init__(self, writer: LogWriter, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    def keep(self, session_id: int, colours: Mapping[int, str]) -> None:
        """Keep the colours of objects, by track number; each takes the place of an earlier one. Returns at once.

        Raises:
            SinkError: the log is closed.
        """
        rows = [(session_id, track_id, colour) for track_id, colour in colours.items()]

        def apply(changes: Changes) -> None:
            changes.connection.executemany(_PUT.format("REPLACE"), rows)

        self._writer.put(Job(apply, records=len(rows), may_drop=True), may_wait=False)

    def tracks(self, session_id: int, colour: str) -> tuple[int, ...]:
        """Numbers of the tracks of a colour.

        Raises:
            SinkError: the log cannot be read.
        """
        with self._readers.borrowed() as db:
            rows = db.execute("SELECT track_id FROM colours WHERE (session_id, colour) = (?, ?)", (session_id, colour))
            return tuple(row[0] for row in rows)

    def unknown(self, query: EventQuery, since_s: float | None = None) -> int:
        """How many of the objects of a session that fit have no known colour; events without a number count each.

        Args:
            query: which events they are in.
            since_s: objects that were not seen any more since then do not count.

        Raises:
            SinkError: the log cannot be read.
        """
        with self._readers.borrowed() as db:
            return queries.count_without_colour(db, query, -math.inf if since_s is None else since_s)

    def look(self, session_id: int, labels: Sequence[str] = (), most: int = MOST_LOOKS) -> None:
        """Look at the pictures of tracks without a colour, at most so many, and keep what they show.

        Raises:
            SinkError: the log cannot be read.
        """
        with self._readers.borrowed() as db:
            rows = db.execute(
                """SELECT track_id, picture_jpeg FROM tracks t WHERE session_id = ?1 AND length(picture_jpeg) > 0
                   AND (?2 = '[]' OR label IN (SELECT value FROM json_each(?2)))
                   AND NOT EXISTS (SELECT 1 FROM colours c WHERE (c.session_id, c.track_id) = (?1, t.track_id))
                   ORDER BY first_s LIMIT ?3""",
                (session_id, json.dumps(list(labels)), most),
            )
            found = [(session_id, track_id, _colour_of(picture)) for track_id, picture in rows]
        if found:
            # Where nothing can be written they stay unknown, and are said to be.
            with contextlib.suppress(SinkError):
                self._writer.ask(lambda changes: changes.connection.executemany(_PUT.format("IGNORE"), found).rowcount)


def _colour_of(jpeg: bytes) -> str:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return "" if picture is None else colour_name(np.asarray(picture, np.uint8), (0.0, 0.0, 1.0, 1.0))
