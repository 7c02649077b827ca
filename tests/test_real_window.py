"""The real window on a real window system: X11, in a virtual screen that the test starts itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from scenescope.pipelines.sources import code_marker

XVFB = shutil.which("Xvfb")


@pytest.fixture
def display() -> Iterator[str]:
    """A virtual screen of 1600x1000; its number is chosen by the server."""
    if XVFB is None:
        pytest.skip("Xvfb is not installed; the windows of the other tests are offscreen ones")
    read_fd, write_fd = os.pipe()
    server = subprocess.Popen(
        [XVFB, "-displayfd", str(write_fd), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
        pass_fds=[write_fd],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write_fd)
    with os.fdopen(read_fd) as answer:
        number = answer.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(10)


@pytest.mark.slow
@pytest.mark.xvfb
def test_the_demo_shows_its_picture_on_x11(display, tmp_path):
    shot = tmp_path / "shot.png"
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "XDG_CONFIG_HOME": str(tmp_path)}
    environment.pop("WAYLAND_DISPLAY", None)
    command = [sys.executable, "-m", "scenescope.app", "demo", "--seconds", "6", "--screenshot", str(shot)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    picture = viewed(shot)
    shown = code_marker.read(picture)
    assert shown is not None, "the code of the picture that was on the screen can be read back"
    assert 30 < shown < 300


def viewed(shot: Path):
    """The demo camera's picture cut out of a screenshot: below it lies its dark strip, above it the grey around it."""
    image = cv2.imread(str(shot))
    assert image is not None
    assert min(image.shape[:2]) > 600
    wall = cv2.inRange(image, (50, 45, 20), (110, 105, 75))
    count, _, stats, _ = cv2.connectedComponentsWithStats(wall)
    assert count > 1
    x, y, width, _, area = stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax()]
    assert area > 20_000, "the wall of the demo camera is on the screen"
    height = round(width * 9 / 16)
    return image[y : y + height, x : x + width]
