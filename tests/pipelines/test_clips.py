from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from scenescope.models import Detections, SinkError, SourceError
from scenescope.pipelines.clips import (
    ClipMode,
    CutProgress,
    Span,
    clip_path,
    save_clip,
    save_clips,
    save_frames,
    spans_around,
)
from scenescope.pipelines.recording_fakes import beeps_s, flash_film, flashes_s, times_s

pytestmark = pytest.mark.slow

AAC_PACKET_S = 1024 / 48_000
UNEVEN_S = tuple(sorted({round(0.04 * i + (0.013 if i % 3 else 0.0), 3) for i in range(150)}))
FLASHES = (30, 80, 120)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds with uneven times, a key frame every ten pictures, and beeps with the flashes."""
    return flash_film(tmp_path_factory.mktemp("film") / "street.mp4", UNEVEN_S, FLASHES)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_an_exact_clip_has_exactly_its_pictures_times_and_sound(film: Path, tmp_path: Path, suffix: str) -> None:
    told: list[CutProgress] = []
    clip = save_clip(film, tmp_path / f"new/clip{suffix}", 1.0, 4.0, progress=told.append)
    inside = [at for at in UNEVEN_S if 1.0 <= at < 4.0]
    assert clip is not None
    assert (clip.start_s, clip.frames, clip.note) == (inside[0], len(inside), "")
    assert times_s(clip.path) == pytest.approx(
        [at - inside[0] for at in inside], abs=0.0005 if suffix == ".mkv" else 1e-9
    )
    assert flashes_s(clip.path) == pytest.approx([UNEVEN_S[n] - inside[0] for n in FLASHES[:2]], abs=0.0005)
    assert beeps_s(clip.path) == pytest.approx(flashes_s(clip.path), abs=AAC_PACKET_S)
    assert told[-1].done == 1.0
    assert told[-1].frames == len(inside)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [clip.path.name]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_copy_begins_with_the_key_frame_before(film: Path, tmp_path: Path, suffix: str) -> None:
    clip = save_clip(film, tmp_path / f"clip{suffix}", 1.0, 4.0, mode=ClipMode.COPY)
    first = max(at for at in UNEVEN_S[::10] if at <= 1.0)
    inside = [at for at in UNEVEN_S if first <= at < 4.0]
    assert clip is not None
    assert (clip.start_s, clip.frames) == (pytest.approx(first), len(inside))
    assert times_s(clip.path) == pytest.approx([at - first for at in inside], abs=0.0005)
    assert beeps_s(clip.path) == pytest.approx(flashes_s(clip.path), abs=AAC_PACKET_S)


def test_a_copy_of_reordered_pictures_keeps_all_of_them(tmp_path: Path) -> None:
    times = [0.04 * i for i in range(100)]
    film = flash_film(tmp_path / "a.mp4", times, [30], options={"bf": "3"})
    clip = save_clip(film, tmp_path / "b.mp4", 0.9, 3.0, mode=ClipMode.COPY)
    assert clip is not None
    found = [at + clip.start_s for at in times_s(clip.path)]
    inside = [at for at in times if clip.start_s - 1e-6 <= at < 3.0 - 1e-6]
    assert found[: len(inside)] == pytest.approx(inside, abs=1e-3)
    # What the last ones are coded from is shown after them.
    assert len(found) <= len(inside) + 4
    assert flashes_s(clip.path) == pytest.approx([1.2 - clip.start_s], abs=1e-3)


def test_what_was_found_is_drawn_from_a_log(film: Path, tmp_path: Path) -> None:
    asked: list[int] = []

    def log(number: int) -> dict[str, Detections] | None:
        asked.append(number)
        box = Detections(xyxy=[(10, 10, 50, 40)], confidence=[0.9], class_id=[0], class_names=("car",))
        return {"detect": box} if number == 5 else None

    plain = save_clip(film, tmp_path / "plain.mp4", 0.0, 0.5)
    drawn = save_clip(film, tmp_path / "drawn.mp4", 0.0, 0.5, overlay=log)
    assert plain is not None
    assert drawn is not None
    assert asked == list(range(drawn.frames))

    def levels(path: Path) -> list[float]:
        with av.open(str(path)) as container:
            return [frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]

    apart = np.abs(np.subtract(levels(plain.path), levels(drawn.path)))
    assert apart[5] > 5
    assert np.delete(apart, 5).max() < 3


@pytest.mark.parametrize("mode", list(ClipMode))
def test_what_is_cancelled_leaves_no_file(film: Path, tmp_path: Path, mode: ClipMode) -> None:
    told: list[int] = []

    def cancelled() -> bool:
        told.append(1)
        return len(told) > 20

    assert save_clip(film, tmp_path / "clip.mp4", 0.0, 5.0, mode=mode, cancelled=cancelled) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("times_s", "before_s", "after_s", "spans"),
    [
        ([], 1, 1, []),
        ([5.0], 2, 3, [(3, 8)]),
        ([1.0], 2, 3, [(0, 4)]),
        ([9.5], 2, 3, [(7.5, 10)]),
        ([8.0, 2.0, 3.5, 5.0], 1, 1, [(1, 6), (7, 9)]),
        ([2.0, 2.0], 0, 1, [(2, 3)]),
        ([4.0], 0, 0, []),
        ([50.0], 1, 1, []),
    ],
)
def test_clips_around_events_become_one_where_they_meet(times_s, before_s, after_s, spans) -> None:
    assert [(span.start_s, span.end_s) for span in spans_around(times_s, before_s, after_s, 10.0)] == spans


def test_several_clips_are_cut_and_named(film: Path, tmp_path: Path) -> None:
    spans = [Span(0.5, 1.0, "car: in"), Span(2.0, 2.5)]
    clips = save_clips(film, spans, lambda span, number: clip_path(tmp_path, film, span, number))
    assert [clip.path.name for clip in clips] == [
        "street clip 001 at 0-00-00.500 car in.mp4",
        "street clip 002 at 0-00-02.000.mp4",
    ]
    assert [clip.frames for clip in clips] == [sum(s.start_s <= at < s.end_s for at in UNEVEN_S) for s in spans]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_frames_are_saved_by_their_numbers(film: Path, tmp_path: Path, suffix: str) -> None:
    import cv2

    made = save_frames(film, tmp_path / "new", [80, 31, 80, 30], suffix=suffix)
    assert [path.name for path in made] == [f"street frame {n:06d}.{suffix}" for n in (30, 31, 80)]
    assert [cv2.imread(str(path)).mean() > 128 for path in made] == [True, False, True]


def test_frames_can_be_cancelled(film: Path, tmp_path: Path) -> None:
    cancel = []
    made = save_frames(
        film, tmp_path, [1, 2, 3], progress=cancel.append, cancelled=lambda: bool(list(tmp_path.iterdir()))
    )
    assert len(made) <= 1


@pytest.mark.parametrize(
    ("start_s", "end_s", "out", "error", "words"),
    [
        (2.0, 2.0, "a.mp4", SinkError, "cannot go from 2 s to 2 s"),
        (-1.0, 2.0, "a.mp4", SinkError, "cannot go from -1 s"),
        (60.0, 70.0, "a.mp4", SourceError, "no pictures between 60 s and 70 s"),
        (1.0, 2.0, "a.gif", SinkError, "cannot be written as 'a.gif'"),
        (1.0, 2.0, "file/a.mp4", SinkError, "Cannot write"),
    ],
)
@pytest.mark.parametrize("mode", list(ClipMode))
def test_bad_wishes_are_answered_in_words(film, tmp_path: Path, start_s, end_s, out, error, words, mode) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(error, match=words) as caught:
        save_clip(film, tmp_path / out, start_s, end_s, mode=mode)
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("mode", list(ClipMode))
@pytest.mark.parametrize("content", [None, b"", b"not a film at all" * 100])
def test_what_is_no_film_is_said(tmp_path: Path, mode: ClipMode, content: bytes | None) -> None:
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r"bad\.mp4"):
        save_clip(path, tmp_path / "out.mp4", 0.0, 1.0, mode=mode)
    assert not (tmp_path / "out.mp4").exists()
    if mode is ClipMode.EXACT:
        with pytest.raises(SourceError, match=r"bad\.mp4"):
            save_frames(path, tmp_path / "frames", [0])


def test_nothing_is_written_over_the_film(film: Path) -> None:
    before = film.read_bytes()
    with pytest.raises(SinkError, match="over itself"):
        save_clip(film, film, 0.0, 1.0)
    assert film.read_bytes() == before


def test_other_refusals(film: Path, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot have an overlay"):
        save_clip(film, tmp_path / "a.mp4", 0, 1, mode=ClipMode.COPY, overlay=lambda number: None)
    with pytest.raises(SinkError, match="as 'bmp'"):
        save_frames(film, tmp_path, [0], suffix="bmp")
    for number in (-1, 10_000):
        with pytest.raises(SourceError, match=f"no picture number {number}") as caught:
            save_frames(film, tmp_path, [number])
        assert f"0 to {len(UNEVEN_S) - 1}" in caught.value.hint
