"""Films whose sound and picture can be compared: a white picture and a beep at the same moments."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

__all__ = ["beeps_s", "flash_film", "flashes_s", "times_s"]

SOUND_RATE_HZ = 48_000
BEEP_S = 0.1
LOUD = 0.1
QUIET_BEFORE_S = 0.25


def flash_film(
    path: Path,
    pictures_s: Sequence[float],
    flashes_at: Sequence[int],
    *,
    size_wh: tuple[int, int] = (64, 48),
    sound: str = "aac",
    beeps_s: Sequence[float] | None = None,
    options: dict[str, str] | None = None,
    packed: str | None = None,
) -> Path:
    """Write a film with a sound track.

    Args:
        path: its suffix says how it is packed.
        pictures_s: when each picture is shown, to the millisecond.
        size_wh: of the pictures.
        flashes_at: numbers of the pictures that are white; the others are nearly black.
        sound: codec of the sound; empty for none.
        beeps_s: when it beeps; by default with every flash.
        options: of libx264.
        packed: format of the container, where the suffix does not say.
    """
    clock = Fraction(1, 1000)
    with av.open(str(path), "w", format=packed) as out:
        video = out.add_stream("libx264", rate=25, options={"g": "10", "bf": "0", **(options or {})})
        video.width, video.height, video.pix_fmt = *size_wh, "yuv420p"
        video.time_base = video.codec_context.time_base = clock
        audio: Any = out.add_stream(sound, rate=SOUND_RATE_HZ, layout="mono", bit_rate=128_000) if sound else None
        for number, pts_s in enumerate(pictures_s):
            level = 235 if number in flashes_at else 20
            frame = av.VideoFrame.from_ndarray(np.full((size_wh[1], size_wh[0], 3), level, np.uint8), format="bgr24")
            frame.pts, frame.time_base = round(pts_s * 1000), clock
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio is None:
            return path
        whole = np.zeros(round((pictures_s[-1] + 0.2) * SOUND_RATE_HZ), np.float32)
        wave = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(round(BEEP_S * SOUND_RATE_HZ)) / SOUND_RATE_HZ)
        for at_s in beeps_s if beeps_s is not None else [pictures_s[number] for number in flashes_at]:
            first = round(at_s * SOUND_RATE_HZ)
            whole[first : first + len(wave)] = wave[: len(whole) - first]
        for first in range(0, len(whole), 1024):
            block = av.AudioFrame.from_ndarray(whole[None, first : first + 1024], format="flt", layout="mono")
            block.sample_rate, block.pts, block.time_base = SOUND_RATE_HZ, first, Fraction(1, SOUND_RATE_HZ)
            out.mux(audio.encode(block))
        out.mux(audio.encode(None))
    return path


def times_s(path: Path) -> list[float]:
    """When each picture of a file is shown, by the file's own clock."""
    with av.open(str(path)) as container:
        return [float((frame.pts or 0) * (frame.time_base or 0)) for frame in container.decode(video=0)]


def flashes_s(path: Path) -> list[float]:
    """When pictures become white."""
    with av.open(str(path)) as container:
        white = [
            (frame.time or 0.0, frame.to_ndarray(format="gray").mean() > 128) for frame in container.decode(video=0)
        ]
    return [time for at, (time, on) in enumerate(white) if on and not (at and white[at - 1][1])]


def beeps_s(path: Path) -> list[float]:
    """When beeps begin."""
    loud_s: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray().astype(np.float32)
            if frame.format.name.startswith("s16"):
                samples /= 32768
            mixed = np.abs(samples.reshape(-1) if frame.layout.nb_channels == 1 else samples[0])
            loud_s += ((frame.time or 0.0) + np.flatnonzero(mixed > LOUD) / frame.sample_rate).tolist()
    return [at for number, at in enumerate(loud_s) if not number or at - loud_s[number - 1] > QUIET_BEFORE_S]
