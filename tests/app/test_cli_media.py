"""The command line on real photos and films."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]


def frames_in(path: Path) -> int:
    """Number of pictures in a film, as ffprobe counts them; by decoding it where there is no ffprobe."""
    if not shutil.which("ffprobe"):
        with av.open(path) as container:
            return sum(1 for _ in container.decode(video=0))
    command = ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0", "-show_entries"]
    done = subprocess.run(
        [*command, "stream=nb_read_frames", "-of", "csv=p=0", str(path)], capture_output=True, text=True, check=True
    )
    return int(done.stdout.strip().strip(","))


def run(cli: Cli, source: Path, out: Path, *args: str) -> tuple[dict, list[dict]]:
    """Summary and lines of a run."""
    done = cli("run", source, "--out", out, "--json", "--quiet", *args, timeout_s=900)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    return json.loads(done.stdout.splitlines()[-1]), lines


def spans_of(lines: list[dict], label: str) -> dict[int, tuple[int, int]]:
    """First and last frame of every track that is mostly called ``label``."""
    votes: dict[int, Counter[str]] = defaultdict(Counter)
    seen: dict[int, list[int]] = defaultdict(list)
    for line in lines:
        for found in line["detections"]:
            if found["track_id"] is not None:
                votes[found["track_id"]][found["label"]] += 1
                seen[found["track_id"]].append(line["frame"])
    return {i: (seen[i][0], seen[i][-1]) for i, names in votes.items() if names.most_common(1)[0][0] == label}


@pytest.mark.slow
def test_the_bus(cli: Cli, bus: Path, tmp_path: Path):
    summary, (line,) = run(cli, bus, tmp_path)
    assert summary["labels"]["bus"] == 1
    assert summary["labels"]["person"] >= 3
    assert summary["device"] == "CPU" or "CUDA" in summary["device"]
    (box,) = [found["xyxy"] for found in line["detections"] if found["label"] == "bus"]
    height, width = cv2.imread(str(bus)).shape[:2]
    assert 0 <= box[0] < box[2] <= width
    assert 0 <= box[1] < box[3] <= height
    assert (box[2] - box[0]) * (box[3] - box[1]) > 0.2 * width * height


def frames_with_a_vehicle(path: Path) -> np.ndarray:
    """For every frame, whether something large stands out from the empty road."""
    with av.open(path) as container:
        small = [
            cv2.resize(f.to_ndarray(format="bgr24"), (192, 108)).astype(np.int16) for f in container.decode(video=0)
        ]
    road = np.median(small[::3], axis=0)
    return np.array([(np.abs(picture - road).max(axis=2) > 40).sum() > 400 for picture in small])


@pytest.mark.media
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_cars(cli: Cli, media: Callable[[str], Path], tmp_path: Path):
    """Four cars pass; between them the road is empty, which is three fifths of the film."""
    path = media("car-detection.mp4")
    present = frames_with_a_vehicle(path)
    assert 120 < present.sum() < 170
    summary, lines = run(cli, path, tmp_path / "all", "--video")
    assert summary["frames"] == len(lines) == len(present) == frames_in(path) == 377
    assert frames_in(tmp_path / "all" / "annotated.mp4") == 377
    assert summary["dropped"] == 0
    car = np.array([any(found["label"] == "car" for found in line["detections"]) for line in lines])
    assert car[present].mean() > 0.5
    assert car[~present].mean() < 0.1
    summary, lines = run(cli, path, tmp_path / "traffic", "--pipeline", "traffic")
    car = np.array([any(found["label"] == "car" for found in line["detections"]) for line in lines])
    assert car[present].mean() > 0.75
    assert 4 <= summary["tracks"]["car"] <= 5


@pytest.mark.media
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_persons_one_at_a_time(cli: Cli, media: Callable[[str], Path], tmp_path: Path):
    """Six persons come and go, with an empty room before, between and after them."""
    path = media("one-by-one-person-detection.mp4")
    summary, lines = run(cli, path, tmp_path)
    assert summary["frames"] == len(lines) == frames_in(path) == 1394
    tracks = spans_of(lines, "person")
    assert summary["tracks"]["person"] == len(tracks) == 6
    # Seen by eye: a frame in the middle of every person's visit.
    for number in (130, 350, 600, 800, 1060, 1300):
        assert sum(first <= number <= last for first, last in tracks.values()) == 1
    for number in (30, 215, 480, 730, 900, 1220, 1380):
        assert not [found for found in lines[number]["detections"] if found["label"] == "person"]
    assert max(sum(found["label"] == "person" for found in line["detections"]) for line in lines) <= 2
    alone = [sum(found["label"] == "person" for found in line["detections"]) <= 1 for line in lines]
    assert np.mean(alone) > 0.98
