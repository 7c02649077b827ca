"""Similar: which tracks look like another, by comparing embeddings one by one."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.log.records import SearchHit

__all__ = ["Similar", "without_embedding"]

MOST_CACHED_BYTES = 256 << 20

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Looks:
    """Embeddings of a session: ``matrix`` float32 (N, D), and for every row its track."""

    track_ids: NDArray[np.int64]
    matrix: Float


class Similar:
    """Cosine of an embedding with all of a session. The matrices of the sessions asked for last are kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int], _Looks] = OrderedDict()
        self._changes = 0

    def forget(self, session_id: int) -> None:
        """A session has changed."""
        with self._lock:
            self._changes += 1
            for key in [key for key in self._kept if key[0] == session_id]:
                del self._kept[key]

    def search(self, db: sqlite3.Connection, embedding: Float, session_id: int | None, limit: int) -> list[SearchHit]:
        """Tracks of a session, or of all, most alike first. Embeddings of another length are of another network."""
        wanted = np.asarray(embedding, np.float32).reshape(-1)
        norm = float(np.linalg.norm(wanted))
        if not norm or not np.isfinite(norm):
            return []
        rows = db.execute("SELECT id FROM sessions ORDER BY id").fetchall()
        session_ids = [row[0] for row in rows] if session_id is None else [session_id]
        best: list[tuple[float, int, int]] = []
        for number in session_ids:
            looks = self._looks(db, number, len(wanted))
            scores = looks.matrix @ (wanted / norm)
            chosen = np.argsort(-scores, kind="stable")[:limit]
            found = zip(scores[chosen].tolist(), looks.track_ids[chosen].tolist(), strict=True)
            best += [(score, number, track_id) for score, track_id in found]
        best.sort(key=lambda row: (-row[0], -row[1], row[2]))
        return [hit for row in best[:limit] if (hit := _hit(db, *row)) is not None]

    def _looks(self, db: sqlite3.Connection, session_id: int, dims: int) -> _Looks:
        key = session_id, dims
        with self._lock:
            changes = self._changes
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        rows = db.execute(
            "SELECT track_id, embedding FROM tracks WHERE session_id = ? AND length(embedding) = ? ORDER BY track_id",
            (session_id, 4 * dims),
        ).fetchall()
        matrix = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(-1, dims)
        looks = _Looks(np.array([row[0] for row in rows], np.int64), matrix)
        with self._lock:
            # What was written while it was read may be missing in it.
            if changes == self._changes:
                self._kept[key] = looks
                while (
                    len(self._kept) > 1 and sum(kept.matrix.nbytes for kept in self._kept.values()) > MOST_CACHED_BYTES
                ):
                    self._kept.popitem(last=False)
        return looks


def without_embedding(db: sqlite3.Connection, session_id: int | None, length: int, limit: int) -> list[tuple[int, int]]:
    """(session, track) of those with a picture and no embedding of this length, the newest first."""
    where, values = ("", []) if session_id is None else ("AND t.session_id = ?", [session_id])
    return db.execute(
        f"""SELECT t.session_id, t.track_id FROM tracks t JOIN sessions s ON s.id = t.session_id
            WHERE length(t.picture_jpeg) > 0 AND coalesce(length(t.embedding), 0) <> ? {where}
            ORDER BY s.began_wall_s DESC, t.session_id DESC, t.last_s DESC, t.track_id LIMIT ?""",
        [4 * length, *values, limit],
    ).fetchall()


def _hit(db: sqlite3.Connection, score: float, session_id: int, track_id: int) -> SearchHit | None:
    row = db.execute(
        "SELECT best_s, best_frame, label FROM tracks WHERE session_id = ? AND track_id = ?", (session_id, track_id)
    ).fetchone()
    if row is None:
        return None
    best_s, best_frame, label = row
    return SearchHit(score, session_id, best_s, best_frame, track_id=track_id, label=label)
