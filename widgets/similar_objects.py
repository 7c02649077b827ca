"""What an object looks like, as an embedding, for "find similar". No Qt; called on a helper thread."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import ScenescopeError, StageError
from scenescope.pipelines import Frame
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.tracks import Embed

__all__ = ["NOT_INSTALLED", "Picture", "cut_out", "embedding_of_picture", "embedding_of_track"]

Picture = NDArray[np.uint8]

NOT_INSTALLED = "There is no network here that tells how alike two objects look."
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


def embedding_of_picture(picture: Picture, embed: Embed) -> NDArray[np.float32]:
    """What the network says of a picture.

    Raises:
        StageError: it says nothing that can be compared.
    """
    try:
        found = embed([picture])
        made = np.zeros(0, np.float32) if found is None else np.asarray(found, np.float32).reshape(-1)
    except ScenescopeError:
        raise
    except Exception as error:
        raise StageError(f"The network that compares objects failed: {type(error).__name__}: {error}") from error
    length = float(np.linalg.norm(made))
    if not len(made) or not np.isfinite(length) or length == 0:
        raise StageError("The network that compares objects gave nothing that can be compared.")
    return made / np.float32(length)


def embedding_of_track(log: EventLog, session_id: int, track_id: int, embed: Embed | str) -> NDArray[np.float32]:
    """What is known of a track's looks, or what the network says of its picture; without one, ``embed`` says why.

    Raises:
        StageError: neither is there.
        SinkError: the log cannot be read.
    """
    track = log.track(session_id, track_id)
    if track is not None and track.embedding is not None and len(track.embedding):
        return track.embedding
    if isinstance(embed, str):
        raise StageError(f"How object #{track_id} looks was not kept.", hint=embed)
    picture = None
    if track is not None and track.picture_jpeg:
        # A damaged picture is None, and a warning on stderr.
        picture = cv2.imdecode(np.frombuffer(track.picture_jpeg, np.uint8), cv2.IMREAD_COLOR)
    if picture is None or max(picture.shape[:2]) > MOST_SIDE_PX:
        raise StageError(f"There is no picture of object #{track_id} in the log.", hint="Choose another object.")
    return embedding_of_picture(picture.astype(np.uint8, copy=False), embed)
