from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models import SourceError
from scenescope.pipelines.source import DeviceInfo
from scenescope.pipelines.sources import webcam
from scenescope.pipelines.sources.fakes import FakeCapture, Step
from scenescope.pipelines.sources.webcam import Webcam, list_cameras, opencv_handle, stable_id_of_node

DESK = DeviceInfo("desk-id", "Desk camera", is_default=True)
DOOR = DeviceInfo("door-id", "Door camera")


def pictures(first: int, count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    return [np.full((height, width, 3), first + number, np.uint8) for number in range(count)]


class Bench:
    """A shelf of cameras that can be plugged and unplugged, and what was opened."""

    def __init__(self, *captures: FakeCapture, listed: tuple[DeviceInfo, ...] = (DESK, DOOR)) -> None:
        self.listed = listed
        self.captures = list(captures)
        self.opened: list[object] = []

    def lister(self) -> tuple[DeviceInfo, ...]:
        return self.listed

    def opener(self, handle: object, backend: int) -> FakeCapture:
        self.opened.append(handle)
        return self.captures[len(self.opened) - 1]

    def camera(self, device: object = None, **settings: object) -> Webcam:
        return Webcam(device, lister=self.lister, opener=self.opener, **settings)

    def clear(self) -> None:
        for capture in self.captures:
            capture.let_go()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter patience, so that a silent camera is given up on soon."""
    monkeypatch.setattr(webcam, "SILENCE_S", 0.2)
    monkeypatch.setattr(webcam, "FIRST_PICTURE_S", 0.3)


def read_until(camera: Webcam, value: int) -> list:
    """Frames up to the one that shows ``value``."""
    frames = []
    while not frames or frames[-1].image[0, 0, 0] != value:
        frames.append(camera.read())
    return frames


def test_unplugged_and_back_it_is_the_same_camera_with_the_same_settings() -> None:
    first = FakeCapture([*pictures(1, 3, 128, 96), Step.UNPLUG])
    second = FakeCapture(pictures(50, 2, 128, 96))
    bench = Bench(first, second)
    camera = bench.camera("door-id", size_wh=(128, 96), rate_hz=25)
    info = camera.open()
    assert (info.name, info.size_wh, info.live, info.rate_hz) == ("Door camera", (128, 96), True, 25)
    frames = []
    with pytest.raises(SourceError) as caught:
        frames.extend(camera)
    assert caught.value.user_message == "Door camera was unplugged or stopped."
    assert caught.value.hint
    assert not caught.value.permanent
    camera.close()
    assert first.released

    bench.listed = (DESK,)  # still unplugged: another camera must not take its place
    with pytest.raises(SourceError, match="Door camera is not connected") as caught:
        camera.open()
    assert not caught.value.permanent

    bench.listed = (DOOR, DESK)  # back, in another place of the list
    assert camera.open().name == "Door camera"
    again = read_until(camera, 51)
    assert again[0].index == frames[-1].index + 1
    assert again[0].pts_s > frames[-1].pts_s
    assert again[0].captured_s <= time.monotonic()
    assert first.settings == second.settings
    assert first.settings[cv2.CAP_PROP_FRAME_WIDTH] == 128
    assert first.settings[cv2.CAP_PROP_FPS] == 25
    bench.clear()
    camera.close()


def test_a_silent_camera_is_reported_though_its_driver_hangs(quick: None) -> None:
    capture = FakeCapture([*pictures(1, 1), Step.HANG])
    bench = Bench(capture)
    camera = bench.camera()
    camera.open()
    assert camera.read().index == 0
    with pytest.raises(SourceError, match=r"Desk camera has given no picture for 0.2 s") as caught:
        camera.read()
    assert not caught.value.permanent
    camera.close()
    assert not capture.released
    bench.clear()


def test_a_hanging_grab_does_not_hold_up_an_interrupt() -> None:
    bench = Bench(FakeCapture([*pictures(1, 1), Step.HANG]), FakeCapture([Step.HANG]))
    camera = bench.camera()
    camera.open()
    camera.read()
    timer = threading.Timer(0.05, camera.interrupt)
    timer.start()
    assert camera.read() is None
    timer.join()
    camera.close()
    timer = threading.Timer(0.05, camera.interrupt)
    timer.start()
    with pytest.raises(SourceError, match="interrupted"):
        camera.open()
    timer.join()
    camera.close()
    bench.clear()


def test_another_size_than_asked_for_is_said() -> None:
    bench = Bench(FakeCapture(pictures(1, 1, 64, 48)))
    camera = bench.camera(size_wh=(1920, 1080))
    info = camera.open()
    assert info.size_wh == (64, 48)
    assert info.detail == "gives 64x48 instead of 1920x1080"
    bench.clear()
    camera.close()


def test_a_grey_camera_gives_bgr() -> None:
    bench = Bench(FakeCapture([np.full((48, 64), 9, np.uint8)]))
    camera = bench.camera()
    camera.open()
    assert camera.read().image.shape == (48, 64, 3)
    bench.clear()
    camera.close()


def test_the_newest_picture_wins() -> None:
    bench = Bench(FakeCapture(pictures(1, 40)))
    camera = bench.camera()
    camera.open()
    assert read_until(camera, 40)[-1].index < 40
    bench.clear()
    camera.close()


def test_the_default_camera_stays_the_one_that_was_chosen() -> None:
    bench = Bench(FakeCapture([*pictures(1, 1), Step.UNPLUG]), FakeCapture(pictures(1, 1)))
    camera = bench.camera()
    assert camera.open().name == "Desk camera"
    camera.close()
    bench.listed = (DeviceInfo("door-id", "Door camera", is_default=True), DeviceInfo("desk-id", "Desk camera"))
    assert camera.open().name == "Desk camera"
    bench.clear()
    camera.close()


@pytest.mark.parametrize(
    ("device", "listed", "opens", "sentence"),
    [
        (None, (DESK,), False, "Desk camera cannot be opened: another program uses it"),
        ("attic-id", (DESK,), True, "attic-id is not connected."),
        ("attic-id", (), True, "attic-id is not connected."),
    ],
)
def test_one_sentence_and_a_cure(
    device: str | None, listed: tuple[DeviceInfo, ...], opens: bool, sentence: str
) -> None:
    camera = Bench(FakeCapture([], opens=opens), listed=listed).camera(device)
    with pytest.raises(SourceError) as caught:
        camera.open()
    assert caught.value.user_message.startswith(sentence)
    assert caught.value.hint
    camera.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems number the default camera")
def test_no_camera_at_all() -> None:
    with pytest.raises(SourceError, match="No camera is connected") as caught:
        Bench(listed=()).camera().open()
    assert "demo" in caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="nodes with permissions are Linux's")
def test_a_node_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webcam.os, "access", lambda path, mode: False)
    monkeypatch.setattr(webcam, "opencv_handle", lambda stable_id, listed: (str(tmp_path), cv2.CAP_V4L2))
    with pytest.raises(SourceError, match="may not use Desk camera") as caught:
        Bench().camera().open()
    assert "group 'video'" in caught.value.hint


def test_a_camera_can_be_named_or_numbered() -> None:
    bench = Bench(FakeCapture(pictures(1, 1)), FakeCapture(pictures(1, 1)), FakeCapture(pictures(1, 1)))
    for device, name in (("door CAMERA", "Door camera"), (DOOR, "Door camera"), (3, "Camera 3")):
        camera = bench.camera(device)
        assert camera.open().name == name
        bench.clear()
        camera.close()
    assert bench.opened[2] == 3


@pytest.mark.parametrize(
    ("platform", "stable_id", "expected"),
    [
        ("win32", "zeta", (0, cv2.CAP_MSMF)),
        ("win32", "alpha", (1, cv2.CAP_MSMF)),
        ("darwin", "zeta", (1, cv2.CAP_AVFOUNDATION)),
        ("darwin", "alpha", (0, cv2.CAP_AVFOUNDATION)),
        ("linux", "2", (2, cv2.CAP_V4L2)),
    ],
)
def test_handles_for_opencv(platform: str, stable_id: str, expected: tuple[object, int]) -> None:
    assert opencv_handle(stable_id, ["zeta", "alpha"], platform) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="the layout of sysfs and udev")
def test_listing_on_linux(tmp_path: Path) -> None:
    nodes, sysfs, by_id = tmp_path / "dev", tmp_path / "sys", tmp_path / "dev" / "v4l" / "by-id"
    for number, (name, index) in enumerate([("Desk camera", "0"), ("Desk camera", "1"), ("Door camera", "0")]):
        entry = sysfs / f"video{number}"
        entry.mkdir(parents=True)
        (entry / "name").write_text(name + "\n")
        (entry / "index").write_text(index + "\n")
    by_id.mkdir(parents=True)
    for number in range(3):
        (nodes / f"video{number}").write_bytes(b"")
    link = by_id / "usb-Maker_Desk_camera_1234-video-index0"
    link.symlink_to("../../video0")
    found = list_cameras(sysfs, nodes / "v4l", nodes)
    assert [(camera.stable_id, camera.name, camera.is_default) for camera in found] == [
        (str(link), "Desk camera", True),
        (str(nodes / "video2"), "Door camera", False),
    ]
    # Plugged in again it is another node, and still the same id.
    link.unlink()
    link.symlink_to("../../video2")
    assert stable_id_of_node(nodes / "video2", nodes / "v4l") == str(link)
    assert list_cameras(tmp_path / "nothing here") == []


def test_qt_lists_cameras_and_watches_them(qapp: object) -> None:
    from scenescope.widgets.cameras import CameraWatcher, list_cameras

    listed = list_cameras()
    assert all(isinstance(camera, DeviceInfo) for camera in listed)
    watcher = CameraWatcher()
    assert list(watcher.snapshot()) == listed
    told: list[bool] = []
    watcher.changed.connect(lambda: told.append(True))
    watcher._cameras = (DESK,)  # as if one had been there before
    watcher.refresh()
    assert told == ([True] if listed != [DESK] else [])
    watcher.deleteLater()
