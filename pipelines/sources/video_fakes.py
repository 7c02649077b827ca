"""Video files of every kind that makes exact seeking hard, with the number of each picture burnt into it.

For tests, and for trying out a player: ``python -m scenescope.pipelines.sources.video_fakes FOLDER`` writes them all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.sources import code_marker

__all__ = ["KINDS", "Kind", "Made", "numbered", "write_video"]

MILLISECOND = Fraction(1, 1000)
SIZE_WH = (320, 180)


@dataclass(frozen=True)
class Made:
    """A file that was written, and the truth about it.

    Attributes:
        path: the file.
        codes: the number burnt into each picture, in order of presentation.
        times_s: when each is shown, 0 for the first.
        exact: True when ``times_s`` are what the container can hold; else it rounds them to a millisecond or so.
    """

    path: Path
    codes: list[int]
    times_s: list[float]
    exact: bool = True


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: what to call a file of it; the ending is that of the container.
        about: what is special about it.
        make: writes one with about as many pictures as asked for.
        whole: False when the file is damaged on purpose.
    """

    name: str
    about: str
    make: Callable[[Path, int], Made] = field(repr=False)
    whole: bool = True


def numbered(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """A picture, uint8 (H, W, 3), that changes all over from frame to frame, with its number burnt in."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    grey = 110 + 80 * np.sin(x / 23 + index / 3) * np.cos(y / 17 - index / 5)
    return code_marker.burn(np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2), index)


def write_video(
    path: Path,
    count: int = 40,
    size_wh: tuple[int, int] = (400, 300),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times_ms: Iterable[int] | None = None,
    rate: Fraction | int | None = None,
    rotation: tuple[float, bool, bool] | None = None,
    pixel_aspect: Fraction | None = None,
    container_options: dict[str, str] | None = None,
    picture: Callable[[int, int, int], NDArray[np.uint8]] = numbered,
    **options: str,
) -> Path:
    """Write numbered pictures.

    Args:
        path: where to; its ending chooses the container.
        count: how many pictures.
        size_wh: of the stored picture.
        codec: FFmpeg's name of the encoder.
        pix_fmt: FFmpeg's name of the pixel format.
        times_ms: when each is shown; 25 a second by default.
        rate: a constant rate, for encoders and containers that know no other, instead of ``times_ms``.
        rotation: degrees and mirroring for the display matrix.
        pixel_aspect: width of a stored pixel over its height.
        container_options: for the muxer.
        picture: draws picture number, width, height.
        options: for the encoder.
    """
    times = list(times_ms) if times_ms is not None else [40 * number for number in range(count)]
    if codec == "mpeg4" and rate is None:
        rate = 25
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate or 25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size_wh, pix_fmt
        base = MILLISECOND if rate is None else 1 / Fraction(rate)
        stream.time_base = stream.codec_context.time_base = base
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation is not None:
            stream.set_display_rotation(*rotation)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number, *size_wh), format="bgr24")
            frame.time_base, frame.pts = base, times[number] if rate is None else number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def uneven_ms(count: int) -> list[int]:
    """Times of a recording with a variable rate: bursts, gaps, and everything between."""
    steps = np.random.default_rng(7).choice([5, 17, 33, 40, 41, 80, 250, 700], count - 1)
    return [0, *np.cumsum(steps).tolist()]


def _plain(
    times_ms: Callable[[int], Sequence[int]] | None = None,
    exact: bool = True,
    more: Mapping[str, str] | None = None,
    **how: Any,
) -> Callable[[Path, int], Made]:
    """A maker of whole files whose pictures are numbered from 0; ``more`` are options with names that are not words."""

    def make(path: Path, count: int) -> Made:
        given = [40 * number for number in range(count)] if times_ms is None else list(times_ms(count))
        times = [(t - given[0]) / 1000 for t in given]
        if rate := how.get("rate"):
            times = [float(number / Fraction(rate)) for number in range(count)]
        write_video(path, count, **{"size_wh": SIZE_WH, "times_ms": given, **how, **(more or {})})
        return Made(path, list(range(count)), times, exact)

    return make


def _turned(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Stored lying on its side."""
    return np.ascontiguousarray(np.rot90(numbered(number, height, width), -1))


def _edited(path: Path, count: int) -> Made:
    """Cut without coding anew: decoding begins 7 pictures before the first that is shown, at negative times."""
    whole = write_video(path.with_name("whole-" + path.name), count, SIZE_WH, g="12", bf="2")
    first_ms = 7 * 40
    with av.open(str(whole)) as source, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        assert stream.time_base is not None
        shift = round(Fraction(first_ms, 1000) / stream.time_base)
        for packet in source.demux(stream):
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copy
                out.mux(packet)
    whole.unlink()
    return Made(path, list(range(7, count)), [0.04 * number for number in range(count - 7)])


def _spliced(path: Path, count: int) -> Made:
    """Two recordings put end to end as bytes: the times begin again in the middle."""
    half = count // 2
    write_video(path, half, SIZE_WH, g="10", bf="0", tune="zerolatency")
    path.write_bytes(2 * path.read_bytes())
    return Made(path, 2 * list(range(half)), [0.04 * number for number in range(2 * half)], exact=False)


def _without_tail(path: Path, count: int) -> Made:
    """Copied to two thirds."""
    write_video(path, count, SIZE_WH, g="20", bf="2")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    return _as_decoded(path)


def _holed(path: Path, count: int) -> Made:
    """400 bytes in the middle are lost; what is around it is whole."""
    write_video(path, count, SIZE_WH, g="20", bf="0")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(1).bytes(400)
    path.write_bytes(bytes(data))
    return _as_decoded(path)


def _as_decoded(path: Path) -> Made:
    """The truth about a damaged file: what a plain decoder makes of it; -1 for a number that cannot be read."""
    codes, times = [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if packet.is_corrupt:
                continue
            try:
                pictures = packet.decode()
            except av.FFmpegError:
                continue
            for picture in pictures:
                code = code_marker.read(picture.to_ndarray(format="bgr24"))
                codes.append(-1 if code is None else code)
                times.append(float(picture.time))
    return Made(path, codes, [t - times[0] for t in times], exact=False)


def _kinds() -> list[Kind]:
    ntsc, film = Fraction(30000, 1001), Fraction(24000, 1001)
    open_gop = {"x264-params": "open-gop=1:bframes=3:keyint=12:min-keyint=12:scenecut=0"}
    return [
        Kind("constant.mp4", "25 pictures a second", _plain(g="15")),
        Kind("ntsc.mp4", "30000/1001 pictures a second", _plain(rate=ntsc, g="30")),
        Kind("film.mkv", "24000/1001, times rounded to milliseconds", _plain(rate=film, g="24", bf="2", exact=False)),
        Kind("variable.mp4", "variable rate", _plain(uneven_ms, g="10")),
        Kind("variable.mkv", "variable rate, B-frames", _plain(uneven_ms, g="10", bf="2")),
        Kind(
            "b_frames.mp4",
            "B-frames that others refer to",
            _plain(g="30", bf="4", more={"x264-params": "b-pyramid=normal"}),
        ),
        Kind("open_gop.mp4", "H.264 with open groups of pictures", _plain(more=open_gop)),
        Kind(
            "open_gop.mkv",
            "H.265 with open groups of pictures",
            _plain(
                codec="libx265",
                exact=False,
                more={"x265-params": "open-gop=1:bframes=3:keyint=15:crf=16:log-level=none"},
            ),
        ),
        Kind("long_gop.mp4", "a key frame every 250 pictures", _plain(g="250", bf="3", sc_threshold="0")),
        Kind(
            "rotated.mp4",
            "stored lying on its side",
            _plain(size_wh=(180, 320), rotation=(90, False, False), picture=_turned, g="12"),
        ),
        Kind("anamorphic.mp4", "pixels wider than high", _plain(pixel_aspect=Fraction(4, 3), g="12", bf="2")),
        Kind("odd_size.mkv", "321x181", _plain(size_wh=(321, 181), pix_fmt="yuv444p", g="10", exact=False)),
        Kind("ten_bit.mkv", "10 bits, 4:2:0", _plain(pix_fmt="yuv420p10le", g="10", bf="2", exact=False)),
        Kind("four_two_two.mov", "10 bits, 4:2:2", _plain(pix_fmt="yuv422p10le", g="10", bf="2")),
        Kind(
            "interlaced.ts",
            "two fields a picture, MPEG-2",
            _plain(codec="mpeg2video", rate=25, flags="+ilme+ildct", g="12", bf="2", b="4000000", exact=False),
        ),
        Kind(
            "interlaced.mp4",
            "two fields a picture, H.264",
            _plain(flags="+ilme+ildct", g="12", bf="2", more={"x264-params": "tff=1"}),
        ),
        Kind(
            "motion_jpeg.avi",
            "every picture on its own",
            _plain(codec="mjpeg", pix_fmt="yuvj420p", rate=25, qmin="2", qmax="3", b="8000000"),
        ),
        Kind(
            "fragmented.mp4",
            "in fragments, without a table of contents",
            _plain(g="10", bf="2", container_options={"movflags": "frag_keyframe+empty_moov"}),
        ),
        Kind("transport.ts", "MPEG transport stream", _plain(g="12", bf="2", exact=False)),
        Kind(
            "program.mpg",
            "MPEG program stream",
            _plain(codec="mpeg2video", rate=25, g="12", bf="2", b="4000000", exact=False),
        ),
        Kind(
            "vp9.webm",
            "VP9",
            _plain(codec="libvpx-vp9", g="20", exact=False, deadline="realtime", more={"cpu-used": "8"}),
        ),
        Kind(
            "vp8.webm",
            "VP8",
            _plain(
                codec="libvpx",
                g="20",
                exact=False,
                deadline="realtime",
                more={"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16", "b": "1000000"},
            ),
        ),
        Kind(
            "no_times.avi",
            "H.264 with B-frames in AVI, which has no presentation times",
            _plain(rate=25, g="10", bf="2"),
        ),
        Kind("packed.avi", "MPEG-4 part 2 with B-frames", _plain(codec="mpeg4", rate=25, g="10", bf="2", b="4000000")),
        Kind("bare.h264", "no container at all", _plain(rate=25, g="10", bf="2")),
        Kind(
            "late_start.mkv",
            "begins at 5 s",
            _plain(lambda count: [5000 + 40 * n for n in range(count)], g="10", bf="2", exact=False),
        ),
        Kind("edited.mp4", "an edit list hides the first pictures, whose times are negative", _edited),
        Kind("prores.mov", "ProRes, 4:2:2, 10 bits", _plain(codec="prores_ks", pix_fmt="yuv422p10le", rate=25)),
        Kind("animation.gif", "GIF, one key frame", _plain(codec="gif", pix_fmt="gray", rate=25)),
        Kind("lossless.mkv", "FFV1, 4:4:4", _plain(codec="ffv1", pix_fmt="yuv444p", rate=25, exact=False)),
        Kind("spliced.ts", "two recordings end to end, so times begin again", _spliced),
        Kind("broken_tail.mkv", "the last third is missing", _without_tail, whole=False),
        Kind("holed.mkv", "400 bytes in the middle are lost", _holed, whole=False),
    ]


KINDS: dict[str, Kind] = {kind.name: kind for kind in _kinds()}
"""Every kind by its name."""


def main(folder: str) -> None:
    """Write one file of every kind."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for kind in KINDS.values():
        made = kind.make(target / kind.name, 200)
        print(f"{kind.name}: {len(made.codes)} pictures, {kind.about}")


if __name__ == "__main__":
    main(sys.argv[1])
