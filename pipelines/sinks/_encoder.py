"""Encoders for pictures: which one is used and why, and pictures in, packets out."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from scenescope.models import SinkError

__all__ = [
    "BT601",
    "FINE_TIME_BASE",
    "HARDWARE",
    "LIMITED_RANGE",
    "EncoderChoice",
    "Picture",
    "PictureEncoder",
    "Quality",
    "choice_at_hand",
    "encoder_choice",
    "encoder_name",
    "encoders_tried",
    "fitted",
    "forget_encoder_choice",
    "i420_of",
    "no_encoder",
    "open_encoder",
    "software_choice",
]

Image = NDArray[np.uint8]

FINE_TIME_BASE = Fraction(1, 90_000)
KEY_FRAME_EVERY_S = 2.0

# OpenCV's I420 is BT.601 with limited range: said in the file, or players would guess BT.709 for large pictures.
BT601, LIMITED_RANGE = 6, 1

# MPEG-4 part 2 counts time in at most 65,535 parts of a second.
MPEG4_TIME_BASE = Fraction(1, 60_000)

HARDWARE = ("h264_nvenc", "h264_videotoolbox", "h264_qsv", "h264_vaapi", "h264_amf", "h264_mf")
"""Hardware encoders in the order in which they are tried."""

MAKERS = {
    "h264_nvenc": "NVIDIA",
    "h264_videotoolbox": "VideoToolbox",
    "h264_qsv": "Intel Quick Sync",
    "h264_vaapi": "VA-API",
    "h264_amf": "AMD AMF",
    "h264_mf": "Media Foundation",
}

TRY_WITHIN_S = 20.0
TRIED_SIZE_WH = (640, 480)
"""Some hardware refuses very small pictures."""


class Quality(StrEnum):
    """How much of the picture is kept: the better, the larger the file."""

    SMALL = "small"
    NORMAL = "normal"
    HIGH = "high"


# Constant quality, 0 (lossless) to 51; the scales of all H.264 encoders are alike.
CRF = {Quality.SMALL: 28, Quality.NORMAL: 23, Quality.HIGH: 18}
# Bits a pixel for encoders that know no constant quality.
BITS_PER_PIXEL = {Quality.SMALL: 0.06, Quality.NORMAL: 0.12, Quality.HIGH: 0.24}
MPEG4_QSCALE = {Quality.SMALL: 6, Quality.NORMAL: 3, Quality.HIGH: 2}


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder and why it was chosen: ``name`` as FFmpeg calls it, empty when there is none."""

    name: str
    hardware: bool
    why: str

    @property
    def words(self) -> str:
        """For people: "NVIDIA (h264_nvenc)", "software (libx264)"."""
        if not self.name:
            return "none"
        return f"{MAKERS.get(self.name, 'software')} ({self.name})"


def encoder_name() -> str | None:
    """The software encoder of this build: "libx264", else "mpeg4"; None when there is neither."""
    return next((name for name in ("libx264", "mpeg4") if _in_build(name)), None)


def _in_build(name: str) -> bool:
    if name not in av.codecs_available:
        return False
    try:
        av.Codec(name, "w")
    except (av.FFmpegError, ValueError):
        return False
    return True


def software_choice(why: str) -> EncoderChoice:
    """The encoder that needs no hardware.

    Raises:
        SinkError: this build has none.
    """
    name = encoder_name()
    if name is None:
        raise no_encoder()
    return EncoderChoice(name, False, why)


def no_encoder() -> SinkError:
    """What is said when nothing can be encoded."""
    return SinkError("This build of PyAV can encode neither H.264 nor MPEG-4 video.", hint="pip install --upgrade av")


_choice_lock = threading.Lock()
_choice: EncoderChoice | None = None


def encoder_choice() -> EncoderChoice:
    """The fastest encoder that works on this computer, found once: a hardware one, else software.

    The first call takes up to a few seconds: hardware encoders are tried with real pictures, in a process of its own,
    because a driver that fails may print, hang or crash.

    Raises:
        SinkError: this build has none.
    """
    global _choice
    with _choice_lock:
        if _choice is None:
            _choice = _choose([name for name in HARDWARE if _in_build(name)], first_that_works)
        return _choice


def choice_at_hand() -> EncoderChoice:
    """What :func:`encoder_choice` has found; the software encoder while it has not, so that nobody waits for it.

    Raises:
        SinkError: this build has none.
    """
    return _choice or software_choice("Hardware encoders have not been tried yet.")


def encoders_tried() -> bool:
    """True when :func:`encoder_choice` answers at once."""
    return _choice is not None


def forget_encoder_choice() -> None:
    """Let the next :func:`encoder_choice` look again, as after a change of the graphics driver."""
    global _choice
    with _choice_lock:
        _choice = None


def _choose(candidates: Sequence[str], find: Callable[[Sequence[str]], str | None]) -> EncoderChoice:
    if not candidates:
        return software_choice("This build of PyAV has no hardware encoder.")
    found = find(candidates)
    if found is not None:
        return EncoderChoice(found, True, f"{MAKERS[found]} encodes on this computer.")
    return software_choice(f"No hardware encoder works on this computer: tried {', '.join(candidates)}.")


def first_that_works(candidates: Sequence[str]) -> str | None:
    """The first hardware encoder that encodes a few pictures; each is tried in a process of its own."""
    for name in candidates:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "scenescope.pipelines.sinks._encoder_trial", name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=TRY_WITHIN_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return name
    return None


@dataclass(frozen=True)
class Picture:
    """A picture ready for the encoder: uint8 (3/2 h, w), I420, with even w and h."""

    i420: Image
    pts_s: float

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.i420.shape[1], self.i420.shape[0] * 2 // 3


def i420_of(image: Image) -> Image:
    """BGR (h, w, 3) as I420, made even by repeating the last column or row."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    converted: Image = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)  # type: ignore[assignment]
    return converted


def fitted(i420: Image, size_wh: tuple[int, int]) -> Image:
    """The picture as large as it fits into ``size_wh``, centred on black."""
    image = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)
    scale = min(size_wh[0] / image.shape[1], size_wh[1] / image.shape[0])
    width, height = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    canvas = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    left, top = (size_wh[0] - width) // 2, (size_wh[1] - height) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return i420_of(canvas)


class PictureEncoder:
    """Pictures with times in, packets out, in the same order: no picture depends on a later one.

    Args:
        name: of the encoder.
        size_wh: of the pictures, even; others are fitted into it.
        rate_hz: about how many come in a second.
        time_base: seconds per tick; a coarser one is taken where the codec demands it, see ``time_base``.
        quality: of the pictures.
        preset: of libx264. Measured at 1080p: ultrafast takes 15 ms a picture, superfast 27, veryfast 40.
        key_every_s: longest time between two key frames, at which a file can be begun, or taken up after a break.
        immediate: True to give every packet at once, at some cost in size.

    Raises:
        av.FFmpegError, ValueError: there is no such encoder here, or it does not take such pictures.
    """

    def __init__(
        self,
        name: str,
        size_wh: tuple[int, int],
        rate_hz: float,
        time_base: Fraction = FINE_TIME_BASE,
        *,
        quality: Quality = Quality.NORMAL,
        preset: str = "ultrafast",
        key_every_s: float = KEY_FRAME_EVERY_S,
        immediate: bool = False,
    ) -> None:
        self.name = name
        self.size_wh = size_wh
        self.time_base = max(time_base, MPEG4_TIME_BASE) if name == "mpeg4" else time_base
        self._key_every = max(round(key_every_s / self.time_base), 1)
        self._last_key: int | None = None
        accel = HWAccel("vaapi", allow_software_fallback=False) if name == "h264_vaapi" else None
        context = av.CodecContext.create(name, "w", accel)
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = size_wh
        context.pix_fmt = "nv12" if name in ("h264_qsv", "h264_vaapi", "h264_mf") else "yuv420p"
        context.time_base = self.time_base
        context.framerate = Fraction(rate_hz).limit_denominator(1001)
        context.gop_size = max(round(key_every_s * rate_hz), 1)
        context.max_b_frames = 0
        context.colorspace = context.color_primaries = context.color_trc = BT601
        context.color_range = LIMITED_RANGE
        context.options = _options(name, quality, preset, immediate)
        if name in ("h264_videotoolbox", "h264_mf"):
            context.bit_rate = round(size_wh[0] * size_wh[1] * rate_hz * BITS_PER_PIXEL[quality])
        context.open()
        self._context = context

    @property
    def codec(self) -> str:
        """What it makes: "h264" or "mpeg4"."""
        return self._context.codec.canonical_name

    def encode(self, picture: Picture, ticks: int, key: bool = False) -> list[av.Packet[Any]]:
        """Take a picture at ``ticks``, which must be later than the one before; ``key`` asks for a key frame."""
        i420 = picture.i420 if picture.size_wh == self.size_wh else fitted(picture.i420, self.size_wh)
        frame = VideoFrame.from_ndarray(i420, format="yuv420p")
        frame.pts, frame.time_base = ticks, self.time_base
        # By time, not by number: a camera may be slower than it says, and after a gap the file shall be whole again.
        if key or self._last_key is None or ticks - self._last_key >= self._key_every:
            frame.pict_type = PictureType.I
            self._last_key = ticks
        return self._context.encode(frame)

    def finish(self) -> list[av.Packet[Any]]:
        """What it still holds."""
        return self._context.encode(None)


def _options(name: str, quality: Quality, preset: str, immediate: bool) -> dict[str, str]:
    crf = str(CRF[quality])
    match name:
        case "libx264":
            # Without B-frames pictures come out in the order in which they go in, which keeps every time exact.
            made = {"preset": preset, "crf": crf, "bf": "0"}
            return {**made, "tune": "zerolatency"} if immediate else made
        case "mpeg4":
            scale = MPEG4_QSCALE[quality]
            return {"qscale": str(scale), "flags": "+qscale", "global_quality": str(scale * 118)}
        case "h264_nvenc":
            return {"preset": "p4", "rc": "vbr", "cq": crf, "b:v": "0", "forced-idr": "1", "delay": "0"}
        case "h264_qsv":
            return {"global_quality": crf, "forced_idr": "1", "async_depth": "1"}
        case "h264_vaapi":
            return {"rc_mode": "CQP", "qp": crf}
        case "h264_amf":
            return {"rc": "cqp", "qp_i": crf, "qp_p": crf, "forced_idr": "1"}
        case "h264_videotoolbox":
            return {"realtime": "1", "allow_sw": "0"}
        case "h264_mf":
            return {"hw_encoding": "1"}
    return {}


def open_encoder(
    choice: EncoderChoice, size_wh: tuple[int, int], rate_hz: float, time_base: Fraction, **more: Any
) -> tuple[PictureEncoder, EncoderChoice]:
    """An encoder for pictures of ``size_wh``, and which: software where the hardware does not take them.

    Raises:
        SinkError: nothing here can encode them.
    """
    try:
        return PictureEncoder(choice.name, size_wh, rate_hz, time_base, **more), choice
    except (av.FFmpegError, ValueError, OSError) as error:
        if not choice.hardware:
            raise SinkError(
                f"{choice.words} cannot encode pictures of {size_wh[0]}x{size_wh[1]}: {error}.",
                hint="Choose a smaller size for the source.",
            ) from error
        why = f"{choice.words} does not take pictures of {size_wh[0]}x{size_wh[1]}: {error}."
        return open_encoder(software_choice(why), size_wh, rate_hz, time_base, **more)
