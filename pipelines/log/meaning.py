"""Searching the log by what words mean: vectors of what events say, and both kinds of search put together."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scenescope.models import EventKind
from scenescope.pipelines.log import queries
from scenescope.pipelines.log.changes import Changes
from scenescope.pipelines.log.readers import Readers
from scenescope.pipelines.log.records import SearchHit
from scenescope.pipelines.log.writer import LogWriter

__all__ = ["EmbedText", "Meanings", "search_by_meaning", "sentence_of"]

MOST_AT_A_TIME = 512
ALIKE = 0.25
"""Sentences whose cosine is smaller have nothing to do with each other, seen with all-MiniLM-L6-v2."""
RANK_K = 60

EmbedText = Callable[[Sequence[str]], NDArray[np.float32]]
Float = NDArray[np.float32]
Subject = tuple[str, str, str, str, str, str]

_SENTENCES = {
    EventKind.APPEAR: "a {label} appeared, came into the picture",
    EventKind.VANISH: "a {label} left, went out of the picture",
    EventKind.ZONE_ENTER: "a {label} entered the zone {zone}",
    EventKind.ZONE_LEAVE: "a {label} left the zone {zone}",
    EventKind.LINE_CROSS: "a {label} crossed the line {line} going {direction}",
    EventKind.DWELL: "a {label} stayed for long in the zone {zone}",
    EventKind.SPEED: "the speed of a {label} was measured",
    EventKind.SCENE_CHANGE: "the scene changed, a cut to another picture",
    EventKind.CODE: "a code was read: {text}",
    EventKind.TEXT: "written words: {text}",
    EventKind.MARK: "{text}",
    EventKind.CAPTION: "{text}",
}


def sentence_of(subject: Subject) -> str:
    """What events with this kind, label, zone, line, direction and text say; "" for those that say nothing."""
    kind, label, zone, line, direction, text = subject
    form = _SENTENCES.get(EventKind(kind), "")
    return form.format(label=label or "object", zone=zone, line=line, direction=direction, text=text).strip()


class Meanings:
    """Vectors of what events say, float32 (D,), one for each thing said however often it was. Any thread.

    Made by the :class:`~scenescope.pipelines.log.store.EventLog` as ``log.meanings``. All vectors are compared one by
    one (8.8 ms for 100,000 of 384 numbers); those of the network asked for last are kept in memory.
    """

    def __init__(self, writer: LogWriter, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers
        self._lock = threading.Lock()
        self._model = ""
        self._last = 0
        self._ids = np.zeros(0, np.int64)
        self._matrix = np.zeros((0, 0), np.float32)

    def missing(self, model: str, limit: int = MOST_AT_A_TIME) -> list[tuple[int, str]]:
        """Things said that have no vector of this network yet, the newest first: number and sentence."""
        with self._readers.borrowed() as db:
            rows = db.execute(
                """SELECT id, kind, label, zone, line, direction, text FROM subjects s WHERE kind <> ?
                   AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.subject_id = s.id AND v.model = ?)
                   ORDER BY id DESC LIMIT ?""",
                (EventKind.GAP.value, model, limit),
            ).fetchall()
        return [(number, sentence_of((*rest,))) for number, *rest in rows]

    def keep(self, model: str, numbers: Sequence[int], vectors: Float) -> None:
        """Keep vectors, float32 (N, D), and wait until they are written.

        Raises:
            SinkError: nothing can be written now.
        """
        rows = [
            (number, model, vector.astype("<f4").tobytes()) for number, vector in zip(numbers, vectors, strict=True)
        ]

        def apply(changes: Changes) -> None:
            changes.connection.executemany(
                """INSERT OR IGNORE INTO vectors(subject_id, model, vector)
                   SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM subjects WHERE id = ?1)""",
                rows,
            )

        self._writer.ask(apply)

    def forget(self) -> None:
        """Sessions were deleted: what was kept in memory may be of things that nothing says any more."""
        with self._lock:
            self._model = ""

    def search(self, model: str, vector: Float, session_id: int | None, limit: int) -> list[SearchHit]:
        """The newest event of each of the things said that mean most alike, the best first."""
        with self._readers.borrowed() as db:
            ids, matrix = self._loaded(db, model, len(vector))
            scores = matrix @ vector
            hits: list[SearchHit] = []
            for row in np.argsort(-scores, kind="stable"):
                if len(hits) >= limit or scores[row] < ALIKE:
                    break
                hits += queries.newest_of(db, int(ids[row]), session_id, float(scores[row]), 1)
        return hits

    def _loaded(self, db: sqlite3.Connection, model: str, dims: int) -> tuple[NDArray[np.int64], Float]:
        """All vectors of a network; only new ones are read."""
        with self._lock:
            if model != self._model or self._matrix.shape[1:] != (dims,):
                self._model, self._last = model, 0
                self._ids, self._matrix = np.zeros(0, np.int64), np.zeros((0, dims), np.float32)
            # By when the vectors came, and not by what they are of: old things may get theirs last.
            rows = db.execute(
                """SELECT id, subject_id, vector FROM vectors WHERE id > ? AND model = ? AND length(vector) = ?
                   ORDER BY id""",
                (self._last, model, 4 * dims),
            ).fetchall()
            if rows:
                self._last = rows[-1][0]
                new = np.frombuffer(b"".join(row[2] for row in rows), "<f4").reshape(-1, dims)
                self._ids = np.concatenate([self._ids, np.array([row[1] for row in rows], np.int64)])
                self._matrix = np.concatenate([self._matrix, new])
            return self._ids, self._matrix


def search_by_meaning(
    meanings: Meanings,
    words: Callable[[str, int | None, int], list[SearchHit]],
    embed: EmbedText,
    model: str,
    text: str,
    session_id: int | None = None,
    limit: int = 20,
) -> list[SearchHit]:
    """Events by their words and by their meaning, put together by reciprocal rank (Cormack et al., 2009).

    What was said since the last search is given its vector first, at most 512 things at a time, the newest first.

    Args:
        meanings: of the log.
        words: searches the log by words: ``log.search``.
        embed: gives sentences their vectors, float32 (N, D), unit length.
        model: its name; vectors of another one are not compared.
        text: what is looked for.
        session_id: of a session; None for all.
        limit: at most so many.

    Raises:
        SinkError: the log cannot be read or written.
    """
    if not text.strip():
        return []
    missing = meanings.missing(model)
    if missing:
        meanings.keep(model, [number for number, _ in missing], embed([sentence for _, sentence in missing]))
    by_meaning = meanings.search(model, embed([text])[0], session_id, limit)
    fused: dict[tuple[int, int | None], tuple[float, SearchHit]] = {}
    for hits in (by_meaning, words(text, session_id, limit)):
        for rank, hit in enumerate(hits, start=1):
            key = hit.session_id, hit.event_id
            score, known = fused.get(key, (0.0, hit))
            fused[key] = score + 1 / (RANK_K + rank), known
    ranked = sorted(fused.values(), key=lambda pair: (-pair[0], -pair[1].t_s))
    return [replace(hit, score=score) for score, hit in ranked[:limit]]
