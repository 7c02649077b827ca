"""The real window on a real window system: X11, in a virtual screen that the test starts itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
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
    """The demo camera's picture cut out of a screenshot, found by the plain dark edge of the strip below it."""
    image = cv2.imread(str(shot))
    assert image is not None
    dark = (np.abs(image.astype(int) - code_marker.PANEL) <= 2).all(axis=2)
    long = np.flatnonzero(dark.sum(axis=1) > 400)
    assert len(long), "the strip of the demo camera is on the screen"
    columns = np.flatnonzero(dark[long[-1]])
    left, right, bottom = columns[0], columns[-1] + 1, long[-1] + 1
    assert dark[bottom - 1, left:right].all(), "one unbroken edge"
    top = bottom - round((right - left) * 9 / 16)
    return np.ascontiguousarray(image[max(top, 0) : bottom, left:right])
