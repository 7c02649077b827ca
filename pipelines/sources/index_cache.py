"""Timelines of files that were read through once, kept on disk by what the files hold."""

from __future__ import annotations

import contextlib
import os
import threading
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from scenescope.models import SourceError
from scenescope.pipelines.sources._fingerprint import content_fingerprint
from scenescope.pipelines.sources._timeline import Timeline
from scenescope.pipelines.sources.frame_index import FrameIndex

__all__ = ["load", "save", "use_index_folder"]

# Part of the name, so that files of another layout are never read.
LAYOUT = 1
MOST_FILES = 1000

_lock = threading.Lock()
_folder: Path | None = None


def use_index_folder(folder: Path | None) -> None:
    """Keep indices of video files in this folder from now on; None keeps none."""
    global _folder
    with _lock:
        _folder = folder


def load(path: Path, origin: int, time_base: Fraction) -> Timeline | None:
    """The timeline of a file if it is known and fits; None for an unknown one, and where the entry is damaged."""
    if _folder is None:
        return None
    try:
        with np.load(_entry(_folder, path), allow_pickle=False) as stored:
            pts, is_key, anchors = stored["pts"], stored["is_key"], stored["anchors"]
            timed, known_origin, *base = stored["facts"].tolist()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, SourceError):
        return None
    fits = (
        (known_origin, Fraction(*base)) == (origin, time_base)
        and pts.dtype == anchors.dtype == np.int64
        and is_key.dtype == np.bool_
        and pts.ndim == 1
        and pts.shape == is_key.shape
        and anchors.ndim == 2
        and anchors.shape[1] == 4
        and len(anchors) > 0
        and anchors[0, 0] == 0
        and len(pts) > 0
        and pts[0] == 0
        and bool((np.diff(pts) > 0).all())
        and bool((np.diff(anchors[:, 0]) >= 0).all())
        and anchors[-1, 0] < len(pts)
    )
    return Timeline(FrameIndex(pts, time_base, is_key, bool(timed)), origin, anchors) if fits else None


def save(path: Path, timeline: Timeline) -> None:
    """Keep a timeline; a folder that cannot be written keeps nothing, and the oldest entries give way."""
    if _folder is None:
        return
    index = timeline.index
    facts = [int(index.timed), timeline.origin, index.time_base.numerator, index.time_base.denominator]
    with contextlib.suppress(OSError, SourceError):
        _folder.mkdir(parents=True, exist_ok=True)
        entry = _entry(_folder, path)
        part = entry.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        try:
            with part.open("wb") as file:
                np.savez_compressed(
                    file,
                    pts=index.pts,
                    is_key=index.is_key,
                    anchors=timeline.anchors,
                    facts=np.array(facts, np.int64),
                )
            part.replace(entry)
        finally:
            part.unlink(missing_ok=True)
        kept = sorted(_folder.glob("*.npz"), key=lambda one: one.stat().st_mtime)
        for old in kept[:-MOST_FILES]:
            old.unlink(missing_ok=True)


def _entry(folder: Path, path: Path) -> Path:
    return folder / f"{content_fingerprint(path)}.{LAYOUT}.npz"
