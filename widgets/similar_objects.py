"""What an object looks like, as an embedding, for "find similar". No Qt; called on a helper thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import ScenescopeError, StageError
from scenescope.pipelines import Frame
from scenescope.pipelines.log.records import SearchHit, TrackRecord
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.tracks import Embed

__all__ = [
    "MOST_LOOKED_AT",
    "NOT_INSTALLED",
    "Like",
    "Picture",
    "cut_out",
    "embedding_of_picture",
    "embedding_of_track",
    "look_alike",
]

Picture = NDArray[np.uint8]
Float = NDArray[np.float32]

Like = Callable[[bool], Float]
"""Gives the embedding of the object that others shall be like; with True, one that the network makes now."""
Report = Callable[[tuple[int, int]], bool]
"""Takes how many of how many objects have been looked at; False when the search is not wanted any more."""

NOT_INSTALLED = "There is no network here that tells how alike two objects look."
MOST_LOOKED_AT = 2000
"""So many objects of one search at most are looked at by the network: the newest that it has not seen yet."""
AT_ONCE = 8
LEAST_SIDE_PX = 4
MOST_SIDE_PX = 4096


def cut_out(frame: Frame, xyxy: tuple[float, float, float, float]) -> Picture:
    """A copy of the part of a frame that a box holds, in pixels of the frame.

    Raises:
        StageError: the box is too small, or not in the picture.
    """
    height, width = frame.image.shape[:2]
    x1, y1, x2, y2 = xyxy
    left, top = max(int(x1), 0), max(int(y1), 0)
    right, bottom = min(int(np.ceil(x2)), width), min(int(np.ceil(y2)), height)
    if right - left < LEAST_SIDE_PX or bottom - top < LEAST_SIDE_PX:
        raise StageError("The object is too small to look for similar ones.", hint="Choose it where it is larger.")
    return frame.image[top:bottom, left:right].copy()


def embedding_of_picture(picture: Picture, embed: Embed) -> Float:
    """What the network says of a picture: float32 (D,), unit length.

    Raises:
        StageError: it says nothing that can be compared.
    """
    made = _embedded([picture], embed)[0]
    if made is None:
        raise StageError("The network that compares objects gave nothing that can be compared.")
    return made


def embedding_of_track(log: EventLog, session_id: int, track_id: int, embed: Embed | str, anew: bool = False) -> Float:
    """What is known of a track's looks, or what the network says of its picture; without one, ``embed`` says why.

    Args:
        log: where the track is.
        session_id: its session.
        track_id: its number there.
        embed: the network, or why there is none.
        anew: ask the network whatever is known.

    Raises:
        StageError: neither is there.
        SinkError: the log cannot be read.
    """
    track = log.track(session_id, track_id)
    if track is not None and track.embedding is not None and len(track.embedding) and not anew:
        return track.embedding
    if isinstance(embed, str):
        raise StageError(f"How object #{track_id} looks was not kept.", hint=embed)
    picture = _picture_of(track)
    if picture is None:
        raise StageError(f"There is no picture of object #{track_id} in the log.", hint="Choose another object.")
    return embedding_of_picture(picture, embed)


def look_alike(
    log: EventLog, like: Like, session_id: int | None, limit: int, embed: Embed | str, report: Report
) -> tuple[list[SearchHit], str]:
    """Objects of a session, or of all, that look most like one.

    Those that the network has not seen yet are shown to it first, the newest ``MOST_LOOKED_AT`` of them, and what it
    says is kept in the log. Embeddings of another network have another length, and are replaced.

    Returns:
        What was found, and a sentence about what could not be looked at, or "".

    Raises:
        StageError: nothing can be said of the object itself.
        SinkError: the log cannot be read.
    """
    log.flush()
    wanted = like(False)
    if isinstance(embed, str):
        left = bool(log.without_embedding(session_id, len(wanted), 1))
        return log.similar(wanted, session_id, limit), f"Not all objects could be compared. {embed}" * left
    note = ""
    try:
        length = _look_at_all(log, session_id, len(wanted), embed, report)
        if length != len(wanted):
            # What was known of the object came from a network that is not used any more.
            wanted = like(True)
            _look_at_all(log, session_id, len(wanted), embed, report)
    except ScenescopeError as error:
        note = f"Not all objects could be compared. {error}"
    if not log.flush():
        note = f"Not all objects could be compared. {log.problem or 'The event log is busy: search again.'}"
    return log.similar(wanted, session_id, limit), note


def _look_at_all(log: EventLog, session_id: int | None, length: int, embed: Embed, report: Report) -> int:
    """Show objects to the network that have no embedding of this length; the length of what it says.

    It ends at the first answer of another length.
    """
    missing = log.without_embedding(session_id, length, MOST_LOOKED_AT)
    for start in range(0, len(missing), AT_ONCE):
        if not report((start, len(missing))):
            return length
        tracks, pictures = [], []
        for track, picture in _pictures(log, missing[start : start + AT_ONCE]):
            tracks.append(track)
            pictures.append(picture)
        answers = _embedded(pictures, embed) if pictures else []
        made = [(track, one) for track, one in zip(tracks, answers, strict=True) if one is not None]
        log.keep_embeddings(replace(track, embedding=one) for track, one in made)
        if made and len(made[0][1]) != length:
            return len(made[0][1])
    return length


def _pictures(log: EventLog, numbers: list[tuple[int, int]]) -> Iterator[tuple[TrackRecord, Picture]]:
    for session_id, track_id in numbers:
        track = log.track(session_id, track_id)
        picture = _picture_of(track)
        if track is not None and picture is not None:
            yield track, picture


def _picture_of(track: TrackRecord | None) -> Picture | None:
    """The cut-out that was kept; None without one, or when it is damaged or far too large."""
    if track is None or not track.picture_jpeg:
        return None
    # A damaged picture is None, and a warning on stderr.
    picture = cv2.imdecode(np.frombuffer(track.picture_jpeg, np.uint8), cv2.IMREAD_COLOR)
    if picture is None or max(picture.shape[:2]) > MOST_SIDE_PX:
        return None
    return picture.astype(np.uint8, copy=False)


def _embedded(pictures: list[Picture], embed: Embed) -> list[Float | None]:
    """Unit-length float32 (D,) for every picture; None for those of which the network says nothing.

    Raises:
        StageError: the network fails.
    """
    try:
        found = embed(pictures)
        rows = np.zeros((len(pictures), 0)) if found is None else np.asarray(found, np.float32)
        rows = rows.reshape(len(pictures), -1)
    except ScenescopeError:
        raise
    except Exception as error:
        raise StageError(f"The network that compares objects failed: {type(error).__name__}: {error}") from error
    lengths = np.linalg.norm(rows, axis=1)
    good = np.isfinite(lengths) & (lengths > 0)
    return [(row / size).astype(np.float32) if ok else None for row, size, ok in zip(rows, lengths, good, strict=True)]
