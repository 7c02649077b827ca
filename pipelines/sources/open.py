"""From what a person types to a source."""

from __future__ import annotations

import glob
import inspect
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from scenescope.models import PluginError, SourceError
from scenescope.pipelines.registry import SOURCES
from scenescope.pipelines.source import Source
from scenescope.pipelines.sources.images import IMAGE_SUFFIXES

__all__ = ["VIDEO_SUFFIXES", "open_source"]

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".ts", ".mts", ".m2ts", ".wmv", ".asf"}
    | {".flv", ".ogv", ".3gp", ".mxf", ".gif", ".vob", ".y4m", ".h264", ".264", ".h265", ".hevc", ".dv"}
)
"""Endings, in lower case, by which the videos of a folder are known; a file that is named may have any."""

HINT = "Give a video or image file, a folder, an address such as rtsp://host/path, 'webcam', or 'demo'."


def open_source(text: str, **options: Any) -> Source:
    """The source that a text means; it is made, not opened yet.

    ========================================  ======================================
    ``demo``, ``demo:seed=3&rate_hz=60``      the demo camera, with its parameters
    ``webcam``, ``webcam:ID``                 the default camera, or the one with that stable id, name or number
    ``scheme://...``                          a stream
    an image, a folder, a pattern with ``*``  images
    any other path                            a video file
    ========================================  ======================================

    Args:
        text: as above; a name registered by a plugin works like ``demo``.
        options: keyword arguments for the source, such as ``start_s``; those it does not take are left out.

    Raises:
        SourceError: the text is empty, names nothing, or an option has no sensible value.
    """
    text = text.strip()
    if not text:
        raise SourceError("No source is given.", hint=HINT, permanent=True)
    path = Path(text)
    if "://" in text:
        return _make("stream", text, options=options)
    head, _, tail = text.partition(":")
    if not path.exists() and re.fullmatch(r"[a-z][a-z0-9_-]+", head):
        if head == "webcam":
            return _make(head, tail or None, options=options)
        if head in SOURCES.names() and head not in ("video", "images", "stream"):
            return _make(head, options=options, parameters=_parameters(tail))
    pattern = not path.exists() and glob.has_magic(text)
    if path.is_dir() or pattern or path.suffix.lower() in IMAGE_SUFFIXES:
        return _make("images", path, options=options)
    if not path.exists() and not path.suffix:
        raise SourceError(f"'{text}' is neither a file nor a source that is known.", hint=HINT, permanent=True)
    return _make("video", path, options=options)


def _make(name: str, *arguments: Any, options: dict[str, Any], parameters: dict[str, Any] | None = None) -> Source:
    try:
        cls = SOURCES.get(name)
        known = inspect.signature(cls).parameters
        chosen = {key: value for key, value in options.items() if key in known and value is not None}
        for key in parameters or {}:
            if key not in known:
                raise SourceError(
                    f"The source '{name}' has no parameter '{key}'.", hint=f"It has {', '.join(known)}.", permanent=True
                )
        return cls(*arguments, **{**chosen, **(parameters or {})})
    except PluginError as error:
        raise SourceError(error.user_message, hint=error.hint, permanent=True) from error
    except (TypeError, ValueError) as error:
        raise SourceError(f"The source '{name}' does not accept this: {error}.", hint=HINT, permanent=True) from error


def _parameters(tail: str) -> dict[str, Any]:
    """Parameters such as ``seed=3&size_wh=640x480``."""
    return {key: _value(value) for key, value in parse_qsl(tail.replace(",", "&"), keep_blank_values=True)}


def _value(text: str) -> Any:
    """A number, a size such as 640x480, a truth value, or the text itself."""
    if size := re.fullmatch(r"(\d+)x(\d+)", text):
        return int(size[1]), int(size[2])
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
