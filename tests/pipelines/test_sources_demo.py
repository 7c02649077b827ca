from __future__ import annotations

import threading
import time

import av
import cv2
import numpy as np
import pytest

from scenescope.models import SourceError
from scenescope.pipelines.sources import code_marker
from scenescope.pipelines.sources.demo import DemoCamera

pytestmark = pytest.mark.slow


def noise(width: int = 1280, height: int = 720) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("index", [0, 1, 1234, 0xAAAAAA, 0x555555, 0xFFFFFF])
@pytest.mark.parametrize("view_width", [640, 641, 853, 960, 1280, 1333, 1920])
@pytest.mark.parametrize("interpolation", [cv2.INTER_LINEAR, cv2.INTER_AREA])
def test_the_code_survives_scaling_and_jpeg(index: int, view_width: int, interpolation: int) -> None:
    image = code_marker.burn(noise(), index)
    view = cv2.resize(image, (view_width, round(view_width * 720 / 1280)), interpolation=interpolation)
    assert code_marker.read(view) == index
    assert code_marker.read(cv2.cvtColor(view, cv2.COLOR_BGR2BGRA)) == index
    _, data = cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, 60])
    assert code_marker.read(cv2.imdecode(data, cv2.IMREAD_COLOR)) == index


def test_what_cannot_be_trusted_reads_as_none() -> None:
    assert code_marker.read(noise()) is None
    assert code_marker.read(np.zeros((720, 1280, 3), np.uint8)) is None
    assert code_marker.read(np.zeros((20, 30, 3), np.uint8)) is None
    first, second = code_marker.burn(noise(), 41), code_marker.burn(noise(), 42)
    assert code_marker.read(cv2.addWeighted(first, 0.5, second, 0.5, 0)) is None
    torn = first.copy()
    torn[:, 200:] = code_marker.burn(noise(), 0xABCDEF)[:, 200:]
    assert code_marker.read(torn) is None


def test_the_number_wraps_after_24_bits() -> None:
    assert code_marker.read(code_marker.burn(noise(), (1 << 24) + 7)) == 7


def test_codes_are_readable_after_h264(tmp_path) -> None:
    path = tmp_path / "demo.mp4"
    camera = DemoCamera(size_wh=(640, 360), realtime=False, frame_limit=20)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "30", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        camera.open()
        for frame in camera:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="bgr24")))
        container.mux(stream.encode(None))
    camera.close()
    with av.open(str(path)) as container:
        numbers = [code_marker.read(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
    assert numbers == list(range(20))


def test_same_seed_and_index_give_the_same_bytes() -> None:
    first, truth = DemoCamera(seed=3).render(200)
    again = DemoCamera(seed=3, realtime=False)
    again.render(77)
    second, same_truth = again.render(200)
    assert first.tobytes() == second.tobytes()
    assert np.array_equal(truth.xyxy, same_truth.xyxy)
    assert first.tobytes() != DemoCamera(seed=4).render(200)[0].tobytes()


@pytest.mark.parametrize("size_wh", [(1280, 720), (640, 480), (1920, 1080)])
def test_truth_lies_inside_the_picture_and_above_the_strip(size_wh: tuple[int, int]) -> None:
    camera = DemoCamera(size_wh=size_wh, seed=1)
    for index in range(0, 1200, 97):
        image, truth = camera.render(index)
        assert image.shape == (size_wh[1], size_wh[0], 3)
        assert code_marker.read(image) == index
        assert truth.labels == ["person", "cat", "rocket", "cup"]
        assert (truth.xyxy[:, :2] >= 0).all()
        assert (truth.xyxy[:, 2] <= size_wh[0]).all()
        assert (truth.xyxy[:, 3] <= size_wh[1] * (1 - code_marker.STRIP_HEIGHT) + 1).all()
        assert (truth.size_wh > 10).all()


def test_truth_box_of_the_cat_is_where_its_photo_is(photos) -> None:
    image, truth = DemoCamera(seed=0).render(60)
    x1, y1, x2, y2 = truth.xyxy[truth.labels.index("cat")].round().astype(int)
    shown = cv2.cvtColor(image[y1:y2, x1:x2], cv2.COLOR_BGR2GRAY)
    photo = cv2.cvtColor(cv2.imread(str(photos / "chelsea.png"))[:, :402], cv2.COLOR_BGR2GRAY)
    photo = cv2.resize(photo, shown.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.corrcoef(shown.ravel(), photo.ravel())[0, 1] > 0.97


def test_a_film_gives_every_frame_and_seeks() -> None:
    camera = DemoCamera(size_wh=(320, 240), rate_hz=25, realtime=False, frame_limit=6)
    info = camera.open()
    assert (info.live, info.frame_count, info.duration_s) == (False, 6, 6 / 25)
    assert [(frame.index, frame.pts_s) for frame in camera] == [(i, i / 25) for i in range(6)]
    camera.seek(0.1)
    assert camera.read().index == 3
    camera.close()
    camera.open()
    assert camera.read().index == 0


def test_a_late_reader_gets_the_frame_that_is_due_and_reopening_goes_on_counting() -> None:
    camera = DemoCamera(size_wh=(320, 240), rate_hz=50)
    assert camera.open().live
    first, second = camera.read(), camera.read()
    assert (first.index, second.index) == (0, 1)
    assert second.captured_s - first.captured_s == pytest.approx(1 / 50)
    threading.Event().wait(0.2)  # the reader is busy elsewhere
    late = camera.read()
    assert late.index >= 10
    assert late.captured_s <= time.monotonic()
    camera.close()
    camera.open()
    assert camera.read().index == late.index + 1


def test_a_waiting_read_can_be_interrupted() -> None:
    camera = DemoCamera(size_wh=(320, 240), rate_hz=0.01)
    camera.open()
    assert camera.read().index == 0
    timer = threading.Timer(0.05, camera.interrupt)
    timer.start()
    assert camera.read() is None
    timer.join()


def test_nonsense_is_refused() -> None:
    with pytest.raises(SourceError) as caught:
        DemoCamera(rate_hz=0)
    assert caught.value.permanent
    assert caught.value.hint
