"""Films made on the spot, and a way to call the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This environment, with settings in a folder of its own."""
    folders = {"SCENESCOPE_CONFIG_DIR": str(tmp_path / "config"), "SCENESCOPE_DATA_DIR": str(tmp_path / "data")}
    return {**os.environ, **folders}


@pytest.fixture
def cli(environment: dict[str, str]) -> Cli:
    """Runs ``scenescope`` as its own process; keyword arguments change variables, None removes one."""

    def call(*args: str | Path, timeout_s: float = 120, **changes: str | None) -> subprocess.CompletedProcess[str]:
        changed = {**environment, **changes}
        return subprocess.run(
            [sys.executable, "-m", "scenescope.app", *map(str, args)],
            env={name: value for name, value in changed.items() if value is not None},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return call


def make_film(path: Path, times_s: list[float], clock: Fraction, size_wh: tuple[int, int] = (160, 120)) -> Path:
    """A film of a bright square that wanders, with its pictures at ``times_s`` on ``clock``."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = clock
        for number, time_s in enumerate(times_s):
            image = np.full((size_wh[1], size_wh[0], 3), 40, np.uint8)
            x = number * 5 % (size_wh[0] - 40)
            cv2.rectangle(image, (x, 30), (x + 30, 60), (60, 200, 250), -1)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = round(time_s / clock), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Forty pictures, 25 a second."""
    return make_film(tmp_path / "film.mp4", [i / 25 for i in range(40)], Fraction(1, 12800))


@pytest.fixture
def uneven_film(tmp_path: Path) -> Path:
    """Sixty pictures at uneven times, as phones record them."""
    steps = np.random.default_rng(0).integers(300, 9000, 59)
    times_s = [0.0, *(np.cumsum(steps) / 90000).tolist()]
    return make_film(tmp_path / "uneven.mp4", times_s, Fraction(1, 90000))


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., object]]:
    """Runs the command line in this process, where stages of the test are known too."""
    # Imported here, so that collecting the tests of this folder stays quick.
    from typer.testing import CliRunner

    from scenescope.app.cli import app
    from scenescope.pipelines import STAGES
    from scenescope.pipelines.fakes import Boxes, Broken, Slow

    monkeypatch.setenv("SCENESCOPE_CONFIG_DIR", str(tmp_path / "config"))
    for stage in (Boxes, Broken, Slow):
        STAGES.add(stage.info.kind, stage)
    yield lambda *args: CliRunner().invoke(app, [str(arg) for arg in args])
    for stage in (Boxes, Broken, Slow):
        STAGES.discard(stage.info.kind)
