from __future__ import annotations

from pathlib import Path

import pytest

from scenescope.models import SourceError
from scenescope.pipelines.sources.demo import DemoCamera
from scenescope.pipelines.sources.images import ImageFiles
from scenescope.pipelines.sources.open import open_source
from scenescope.pipelines.sources.stream import StreamUrl
from scenescope.pipelines.sources.video import VideoFile
from scenescope.pipelines.sources.webcam import Webcam


@pytest.mark.parametrize(
    ("text", "cls"),
    [
        ("demo", DemoCamera),
        (" demo:seed=3 ", DemoCamera),
        ("webcam", Webcam),
        ("webcam:/dev/v4l/by-id/usb-Some_Camera-video-index0", Webcam),
        ("webcam:0", Webcam),
        ("rtsp://camera.local/live", StreamUrl),
        ("https://example.org/clip.mp4", StreamUrl),
        ("photo.JPG", ImageFiles),
        ("shots/*.png", ImageFiles),
        (".", ImageFiles),
        ("clip.mp4", VideoFile),
        ("C:\\films\\clip.mkv", VideoFile),
    ],
)
def test_the_text_decides(text: str, cls: type) -> None:
    assert type(open_source(text)) is cls


def test_parameters_and_options_reach_the_source(tmp_path: Path) -> None:
    demo = open_source("demo:seed=3&size_wh=640x360,realtime=false,rate_hz=12.5", frame_limit=4, start_s=1.0)
    assert (demo.seed, demo.size_wh, demo.live, demo.rate_hz, demo.frame_limit) == (3, (640, 360), False, 12.5, 4)
    video = open_source("clip.mp4", start_s=1.5, end_s=None)
    assert (video.start_s, video.end_s) == (1.5, None)


def test_an_existing_file_wins_over_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").write_bytes(b"")
    assert type(open_source("demo")) is VideoFile


@pytest.mark.parametrize("text", ["", "   ", "nonsense", "demo:hello", "demo:colour=red", "demo:rate_hz=0"])
def test_nonsense_gets_a_hint(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(text)
    assert caught.value.hint
    assert caught.value.permanent
