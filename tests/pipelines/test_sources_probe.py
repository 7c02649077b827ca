"""What probing says about every kind of file, whole and damaged, beside what ffprobe says."""

from __future__ import annotations

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from scenescope.models import SourceError
from scenescope.pipelines.sources.probe import probe
from scenescope.pipelines.sources.video import VideoFile
from scenescope.pipelines.sources.video_fakes import KINDS, write_video

pytestmark = pytest.mark.slow

UNEVEN = {"variable.mp4", "variable.mkv", "holed.mkv"}
DAMAGE = {
    "bare.h264": "40 pictures have no time of their own",
    "no_times.avi": "The pictures have no times of presentation",
    "spliced.ts": "The times of the pictures jump back once, first at 0.80 s.",
    "broken_tail.mkv": "The file is cut short: it ends at",
    "holed.mkv": "Pictures seem to be missing: 1 gap, the first one of",
}


@pytest.mark.parametrize("name", KINDS)
def test_counts_times_and_damage_of_every_kind(tmp_path: Path, name: str) -> None:
    made = KINDS[name].make(tmp_path / name, 40)
    told: list[float] = []
    report = probe(made.path, told.append)
    assert report.frame_count == len(made.codes)
    assert report.constant_rate is (name not in UNEVEN)
    steps = np.diff(made.times_s)
    assert report.least_step_s == pytest.approx(steps.min(), abs=1.1e-3)
    assert report.most_step_s == pytest.approx(steps.max(), abs=1.1e-3)
    assert report.rate_hz == pytest.approx(1 / steps.mean(), rel=0.01)
    assert report.duration_s == pytest.approx(made.times_s[-1] + steps[-1], abs=3e-3)
    assert report.size_bytes == made.path.stat().st_size
    assert report.rotation_deg == (270 if name == "rotated.mp4" else 0)
    assert report.sample_aspect_ratio == ("4:3" if name == "anamorphic.mp4" else "1:1")
    assert report.first_pts_s == (5.0 if name == "late_start.mkv" else report.first_pts_s)
    if name in DAMAGE:
        assert any(sentence.startswith(DAMAGE[name]) or DAMAGE[name] in sentence for sentence in report.damage)
    else:
        assert report.damage == ()
    assert json.loads(json.dumps(report.as_dict())) == report.as_dict()
    assert told == sorted(told)
    assert told[-1] == 1.0
    with VideoFileOpened(made.path) as source:
        assert source.info.size_wh[0] >= report.streams[report.video_index].width or report.rotation_deg


class VideoFileOpened:
    def __init__(self, path: Path) -> None:
        self.source = VideoFile(path)

    def __enter__(self) -> VideoFileOpened:
        self.info = self.source.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.source.close()


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe to compare with")
@pytest.mark.parametrize("name", ["ntsc.mp4", "variable.mkv", "rotated.mp4", "anamorphic.mp4", "interlaced.ts"])
def test_ffprobe_agrees(tmp_path: Path, name: str) -> None:
    made = KINDS[name].make(tmp_path / name, 40)
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", made.path]
    theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    stream = next(one for one in theirs["streams"] if one["codec_type"] == "video")
    report = probe(made.path)
    ours = report.streams[report.video_index]
    assert report.container == theirs["format"]["format_name"]
    assert report.frame_count == int(stream["nb_read_frames"])
    assert (ours.codec, ours.width, ours.height) == (stream["codec_name"], stream["width"], stream["height"])
    assert ours.pixel_format == stream["pix_fmt"]
    assert ours.rate_hz == pytest.approx(float(Fraction(stream["avg_frame_rate"])))
    assert report.first_pts_s == pytest.approx(float(stream["start_time"]), abs=1e-5)
    assert report.sample_aspect_ratio == stream.get("sample_aspect_ratio", "1:1").replace("0:1", "1:1")
    # FFmpeg counts against the clock.
    turned = next((s["rotation"] for s in stream.get("side_data_list", []) if "rotation" in s), 0)
    assert report.rotation_deg == -turned % 360


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_turns_and_mirrors_are_what_the_picture_needs(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    path = write_video(tmp_path / "turned.mp4", 2, (320, 180), rotation=(degrees, mirrored, False))
    report = probe(path)
    corner = np.arange(6).reshape(2, 3)
    expected = np.rot90(corner, degrees // 90)
    expected = expected[:, ::-1] if mirrored else expected
    ours = corner[:, ::-1] if report.mirrored else corner
    assert np.array_equal(np.rot90(ours, -(report.rotation_deg // 90)), expected)


def test_sound_and_its_language_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "talk.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=48000, layout="stereo")
        audio.metadata["language"] = "deu"
        for number in range(5):
            picture = av.VideoFrame(64, 48, "yuv420p")
            picture.pts = number
            container.mux(video.encode(picture))
        sound = av.AudioFrame.from_ndarray(np.zeros((2, 9600), np.float32), format="fltp", layout="stereo")
        sound.sample_rate = 48000
        container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    facts = probe(path).as_dict()
    assert [stream["type"] for stream in facts["streams"]] == ["video", "audio"]
    sound_facts = facts["streams"][1]
    assert (sound_facts["sample_rate"], sound_facts["channels"], sound_facts["language"]) == (48000, 2, "deu")
    assert "width" not in sound_facts


def test_a_tail_of_zeros_is_damage(tmp_path: Path) -> None:
    path = write_video(tmp_path / "zeros.mp4", 40, (320, 180), g="10", container_options={"movflags": "faststart"})
    data = path.read_bytes()
    cut = int(len(data) * 0.7)
    path.write_bytes(data[:cut] + bytes(len(data) - cut))
    report = probe(path)
    assert 10 < report.frame_count < 40
    assert any("cannot be decoded" in sentence for sentence in report.damage)
    assert f"The container lists 40 pictures; {report.frame_count} of them can be decoded." in report.damage


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("missing.mp4", None, "missing.mp4 does not exist."),
        ("empty.mp4", b"", "empty.mp4 is empty (0 bytes)."),
        ("text.mp4", b"hello\n" * 500, "text.mp4 is not a video, or is of an unknown format."),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, name: str, data: bytes | None, sentence: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError) as caught:
        probe(tmp_path / name)
    assert caught.value.user_message == sentence


def test_probing_can_be_cancelled(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", 10, (320, 180))
    with pytest.raises(SourceError, match=r"Probing film.mp4 was cancelled"):
        probe(path, cancelled=lambda: True)
