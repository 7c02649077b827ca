from __future__ import annotations

import os
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from scenescope.models import Detections, SinkError
from scenescope.pipelines import Frame, SourceInfo
from scenescope.pipelines.sinks import video
from scenescope.pipelines.sinks.video import AnnotatedVideo

pytestmark = pytest.mark.slow

# Uneven on purpose, and not beginning at zero.
UNEVEN_S = (5.0, 5.08, 5.2, 5.21, 5.5, 6.5, 6.54, 7.0, 8.0, 8.04, 9.9, 10.0)


def info(size_wh: tuple[int, int] = (64, 48), rate_hz: float = 12.5) -> SourceInfo:
    return SourceInfo("clip", size_wh, rate_hz, live=False)


def picture(level: int, size_wh: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.full((size_wh[1], size_wh[0], 3), level, np.uint8)


def record(path: Path, frames: list[Frame], time_base: Fraction | None = None, rate_hz: float = 12.5) -> None:
    sink = AnnotatedVideo(path, time_base=lambda: time_base)
    sink.open(info(frames[0].size_wh if frames else (64, 48), rate_hz))
    for frame in frames:
        sink.write(sink.prepare(frame))
    sink.close()


def decoded(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(path) as container:
        return [(frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("time_base", "tolerance_s"),
    [(None, 6e-6), (Fraction(1, 25000), 0), (Fraction(1, 200000), 0), (Fraction(1, 1000), 0)],
)
def test_every_picture_keeps_its_own_time(tmp_path: Path, time_base: Fraction | None, tolerance_s: float) -> None:
    path = tmp_path / "annotated.mp4"
    record(path, [Frame(picture(20 * i), i, pts_s) for i, pts_s in enumerate(UNEVEN_S)], time_base)
    found = decoded(path)
    assert [time for time, _ in found] == pytest.approx(UNEVEN_S, abs=tolerance_s or 1e-9)
    assert [round(image.mean() / 20) for _, image in found] == list(range(len(UNEVEN_S)))


def test_ntsc_times_are_exact_in_the_clock_of_the_source(tmp_path: Path) -> None:
    clock = Fraction(1001, 30000)
    record(tmp_path / "a.mp4", [Frame(picture(90), i, float(i * clock)) for i in range(90)], clock, rate_hz=29.97)
    with av.open(tmp_path / "a.mp4") as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [i * clock for i in range(90)]


def test_the_last_picture_is_shown_as_long_as_the_one_before(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", [Frame(picture(90), i, pts_s) for i, pts_s in enumerate((0.0, 0.1, 0.35))])
    with av.open(tmp_path / "a.mp4") as container:
        stream = container.streams.video[0]
        assert float(stream.duration * stream.time_base) == pytest.approx(0.6, abs=1e-4)
        assert stream.frames == 3


def test_a_single_picture_is_shown_for_one_frame(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", [Frame(picture(90), 0, 0.0)], rate_hz=4)
    with av.open(tmp_path / "a.mp4") as container:
        stream = container.streams.video[0]
        assert float(stream.duration * stream.time_base) == pytest.approx(0.25, abs=1e-4)


def test_a_jump_back_in_time_does_not_break_the_file(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", [Frame(picture(90), i, pts_s) for i, pts_s in enumerate((0.0, 0.1, 0.05, 0.05, 0.2))])
    times = [time for time, _ in decoded(tmp_path / "a.mp4")]
    assert len(times) == 5
    assert times == sorted(times)


def test_boxes_are_painted_and_the_frame_is_not(tmp_path: Path) -> None:
    found = Detections(xyxy=[(20, 20, 100, 80)], confidence=[0.9], class_id=[0], class_names=("car",))
    frame = Frame(picture(30, (128, 96)), 0, 0.0).with_result("detect", found)
    record(tmp_path / "a.mp4", [frame])
    ((_, image),) = decoded(tmp_path / "a.mp4")
    assert np.abs(image[80, 60].astype(int) - 30).max() > 60
    assert np.abs(image[50, 60].astype(int) - 30).max() < 12
    assert (frame.image == 30).all()


def test_colours_survive(tmp_path: Path) -> None:
    image = picture(0)
    image[:] = (200, 60, 20)
    record(tmp_path / "a.mp4", [Frame(image, 0, 0.0)])
    ((_, shown),) = decoded(tmp_path / "a.mp4")
    assert np.abs(shown.astype(int) - image).max() <= 6
    with av.open(tmp_path / "a.mp4") as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (video.BT601, video.LIMITED_RANGE)


@pytest.mark.parametrize("size_wh", [(65, 48), (64, 49), (65, 49), (33, 17)])
def test_odd_sizes_get_one_more_column_or_row(tmp_path: Path, size_wh: tuple[int, int]) -> None:
    record(tmp_path / "a.mp4", [Frame(picture(120, size_wh), 0, 0.0)])
    ((_, image),) = decoded(tmp_path / "a.mp4")
    assert image.shape[:2] == (size_wh[1] + size_wh[1] % 2, size_wh[0] + size_wh[0] % 2)
    assert np.abs(image.astype(int) - 120).max() <= 4


def test_a_picture_of_another_size_is_fitted_into_the_first(tmp_path: Path) -> None:
    frames = [Frame(picture(200, (64, 48)), 0, 0.0), Frame(picture(200, (40, 80)), 1, 0.1)]
    record(tmp_path / "a.mp4", frames)
    (_, first), (_, second) = decoded(tmp_path / "a.mp4")
    assert first.shape == second.shape
    assert second[24, 32].mean() > 180
    assert second[24, 4].mean() < 20


def test_painting_runs_on_several_threads_at_once(tmp_path: Path) -> None:
    found = Detections(xyxy=[(5, 5, 50, 40)], confidence=[0.9], class_id=[0], class_names=("car",))
    sink = AnnotatedVideo(tmp_path / "a.mp4")
    made: dict[int, object] = {}

    def paint(index: int) -> None:
        made[index] = sink.prepare(Frame(picture(50), index, index / 10).with_result("detect", found))

    threads = [threading.Thread(target=paint, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.open(info())
    for index in range(8):
        sink.write(made[index])
    sink.close()
    assert [round(time, 3) for time, _ in decoded(tmp_path / "a.mp4")] == [i / 10 for i in range(8)]
    assert len({made[index].i420.tobytes() for index in range(8)}) == 1


def test_mpeg4_serves_where_h264_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "encoder_name", lambda: "mpeg4")
    record(tmp_path / "a.mp4", [Frame(picture(20 * i), i, t) for i, t in enumerate(UNEVEN_S)], Fraction(1, 200000))
    assert [time for time, _ in decoded(tmp_path / "a.mp4")] == pytest.approx(UNEVEN_S, abs=1e-5)


def test_without_any_encoder_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "encoder_name", lambda: None)
    with pytest.raises(SinkError, match=r"neither H\.264 nor MPEG-4") as caught:
        record(tmp_path / "a.mp4", [Frame(picture(1), 0, 0.0), Frame(picture(1), 1, 0.1)])
    assert "av" in caught.value.hint


def test_no_frame_at_all_leaves_no_broken_thread_or_exception(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", [])


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkError, match=r"Cannot write .*annotated\.mp4: .+\.") as caught:
        AnnotatedVideo(tmp_path / "file" / "annotated.mp4").open(info())
    assert caught.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is simulated with /dev/full")
def test_a_full_disk_is_a_sink_error(tmp_path: Path) -> None:
    (tmp_path / "annotated.mp4").symlink_to("/dev/full")
    rng = np.random.default_rng(0)
    frames = [Frame(rng.integers(0, 255, (240, 320, 3), dtype=np.uint8), i, i / 10) for i in range(60)]
    with pytest.raises(SinkError, match="No space left"):
        record(tmp_path / "annotated.mp4", frames)


KILLED = """
import os, sys
import numpy as np
from pathlib import Path
from scenescope.pipelines import Frame, SourceInfo
from scenescope.pipelines.sinks.video import AnnotatedVideo
sink = AnnotatedVideo(Path(sys.argv[1]))
sink.open(SourceInfo("clip", (64, 48), 10.0, live=False))
for i in range(100):
    sink.write(sink.prepare(Frame(np.full((48, 64, 3), 2 * i, np.uint8), i, 3 + i / 10)))
os._exit(9)
"""


def test_a_killed_process_leaves_a_file_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "annotated.mp4"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=os.environ, timeout=60, check=False)
    assert done.returncode == 9
    found = decoded(path)
    # All but what came after the last key frame, two seconds at most.
    assert 80 <= len(found) <= 100
    assert [time for time, _ in found] == pytest.approx([3 + i / 10 for i in range(len(found))], abs=1e-5)
    assert [round(image.mean() / 2) for _, image in found] == pytest.approx(list(range(len(found))), abs=1)
