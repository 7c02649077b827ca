from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scenescope.pipelines import STAGES
from scenescope.pipelines.fakes import Slow

# Many processes, files or windows: not part of the quick loop.
pytestmark = pytest.mark.slow

Cli = Callable[..., subprocess.CompletedProcess[str]]


def times_of(path: Path) -> list[Fraction]:
    """When each picture of a film is shown, since its first one, in seconds."""
    with av.open(path) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    return [time_s - times[0] for time_s in times]


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def pipeline(folder: Path, *kinds: str, **params: dict) -> Path:
    path = folder / "pipeline.yaml"
    stages = [{"id": kind, "kind": kind, "params": params.get(kind, {})} for kind in kinds]
    path.write_text(json.dumps({"stages": stages}))
    return path


# What is written ---------------------------------------------------------------------------------------------------


def test_a_run_writes_a_line_a_frame_and_says_what_it_found(in_process, film, tmp_path):
    out = tmp_path / "out"
    result = in_process("run", film, "--pipeline", pipeline(tmp_path, "boxes", "track"), "--out", out, "--json")
    assert result.exit_code == 0, result.output
    lines = lines_of(out)
    assert [line["frame"] for line in lines] == list(range(40))
    assert [line["pts_s"] for line in lines] == [round(i / 25, 6) for i in range(40)]
    assert all(set(line) == {"frame", "pts_s", "detections"} for line in lines)
    assert set(lines[-1]["detections"][0]) == {"label", "confidence", "xyxy", "track_id"}
    summary = json.loads(result.stdout.splitlines()[-1])
    assert set(summary) == {"frames", "dropped", "seconds", "fps", "device", "labels", "tracks"}
    assert (summary["frames"], summary["dropped"], summary["device"]) == (40, 0, "CPU")
    assert summary["labels"] == {"person": 40}
    confirmed = {found["track_id"] for line in lines for found in line["detections"]} - {None}
    assert summary["tracks"] == {"person": len(confirmed)}
    assert not (out / "annotated.mp4").exists()


def test_without_out_nothing_is_written(in_process, film, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    result = in_process("run", film, "--pipeline", "plain-picture")
    assert result.exit_code == 0
    assert set(tmp_path.rglob("*")) == before
    assert result.stdout.startswith("40 frames in ")


def test_quiet_says_nothing_and_json_still_says_the_summary(in_process, film):
    assert in_process("run", film, "--pipeline", "plain-picture", "--quiet").output == ""
    output = in_process("run", film, "--pipeline", "plain-picture", "--quiet", "--json").output
    assert json.loads(output)["frames"] == 40


def test_two_runs_give_the_same_bytes(cli: Cli, photos, tmp_path):
    """With the real network, several frames at once."""
    path = tmp_path / "photos.mp4"
    picture = cv2.resize(cv2.imread(str(photos / "astronaut.png")), (320, 320))
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 320, "yuv420p"
        for shift in range(30):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 3 * shift, axis=1), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for name in ("one", "two"):
        done = cli("run", path, "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
    one, two = (tmp_path / name / "results.jsonl" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert {found["label"] for line in lines_of(tmp_path / "one") for found in line["detections"]} >= {"person"}


def test_annotated_video_keeps_the_times_of_the_source(in_process, uneven_film, tmp_path):
    out = tmp_path / "out"
    result = in_process("run", uneven_film, "--pipeline", pipeline(tmp_path, "boxes"), "--out", out, "--video")
    assert result.exit_code == 0, result.output
    wished, found = times_of(uneven_film), times_of(out / "annotated.mp4")
    assert len(wished) == 60
    assert max(abs(a - b) for a, b in zip(wished, found, strict=True)) < Fraction(1, 90000)


def test_a_part_of_a_film(in_process, film, tmp_path):
    out = tmp_path / "out"
    args = ("--start", 0.4, "--end", 0.8, "--pipeline", "plain-picture", "--out", out, "--video")
    assert in_process("run", film, *args).exit_code == 0
    assert [line["frame"] for line in lines_of(out)] == list(range(10, 20))
    with av.open(out / "annotated.mp4") as container:
        assert [round(frame.time, 6) for frame in container.decode(video=0)] == [i / 25 for i in range(10, 20)]


def test_max_frames(in_process, film, tmp_path):
    args = ("--max-frames", 7, "--pipeline", "plain-picture", "--out", tmp_path / "out", "--json", "--quiet")
    result = in_process("run", film, *args)
    assert json.loads(result.stdout)["frames"] == len(lines_of(tmp_path / "out")) == 7


def test_images_of_different_sizes_become_one_video(in_process, photos, tmp_path):
    result = in_process("run", photos, "--pipeline", "plain-picture", "--out", tmp_path / "out", "--video")
    assert result.exit_code == 0, result.output
    pictures = len([path for path in photos.iterdir() if path.suffix in (".png", ".jpg")])
    assert len(lines_of(tmp_path / "out")) == len(times_of(tmp_path / "out" / "annotated.mp4")) == pictures


def test_the_newest_policy_drops_and_counts(in_process, film, tmp_path):
    slow = pipeline(tmp_path, "slow", slow={"delay_s": 0.15})
    result = in_process("run", film, "--policy", "newest", "--pipeline", slow, "--json", "--quiet")
    summary = json.loads(result.stdout)
    assert result.exit_code == 0
    assert summary["dropped"] > 0
    assert summary["frames"] + summary["dropped"] == 40


def test_a_slow_stage_is_waited_for(in_process, film, tmp_path):
    """Slower than its patience allows in a window: nobody waits for the picture here."""
    impatient = type("Impatient", (Slow,), {}, title="Impatient", patience_s=0.1)
    STAGES.add("impatient", impatient)
    try:
        spec = pipeline(tmp_path, "impatient", impatient={"delay_s": 0.4})
        assert in_process("run", film, "--pipeline", spec, "--max-frames", 3).exit_code == 0
    finally:
        STAGES.discard("impatient")


# What goes wrong ---------------------------------------------------------------------------------------------------


def bad_yaml(folder: Path) -> Path:
    path = folder / "bad.yaml"
    path.write_text("stages: [detect\n")
    return path


def unknown_parameter(folder: Path) -> Path:
    return pipeline(folder, "blur", blur={"sigma": 3})


def out_of_range(folder: Path) -> Path:
    return pipeline(folder, "blur", blur={"sigma_px": -3})


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("run", "missing.mp4"), "missing.mp4 does not exist"),
        (("run", "empty.mp4"), "empty.mp4 is empty"),
        (("run", "text.mp4"), "text.mp4 is not a video"),
        (("run", "nonsense"), "'nonsense' is neither a file nor a source"),
        (
            ("run", "film.mp4", "--pipeline", "detect-and-trak"),
            "no preset and no pipeline file called 'detect-and-trak'",
        ),
        (("run", "film.mp4", "--pipeline", bad_yaml), "bad.yaml is not valid YAML (line"),
        (("run", "film.mp4", "--pipeline", "absent.yaml"), "Cannot read absent.yaml"),
        (("run", "film.mp4", "--pipeline", unknown_parameter), "there is no parameter 'sigma'"),
        (("run", "film.mp4", "--pipeline", out_of_range), "sigma_px"),
        (("run", "film.mp4", "--video"), "--video needs a folder"),
        (("run", "film.mp4", "--out", "text.mp4/out"), "Cannot write to the folder text.mp4/out"),
        (("run", "film.mp4", "--start", "3", "--end", "2"), "--end 2 is not after --start 3"),
        (("run", "film.mp4", "--start", "90"), "film.mp4 has no pictures there"),
        (("run", "demo", "--start", "1"), "demo has no time line"),
        (("run", "film.mp4", "--policy", "some"), "--policy"),
        (("run", "film.mp4", "--max-frames", "0"), "--max-frames"),
        (("run",), "SOURCE"),
        (("fly",), "fly"),
        (("demo", "--size", "huge", "--seconds", "1"), "'huge' is not a size"),
        (("demo", "--seconds", "1", "--screenshot", "text.mp4/shot.png"), "Cannot write text.mp4/shot.png"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(in_process, film, tmp_path, monkeypatch, args, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a film")
    args = tuple(arg(tmp_path) if callable(arg) else arg for arg in args)
    result = in_process(*args)
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_a_film_is_not_written_over_itself(in_process, film, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    mine = film.rename(out / "annotated.mp4")
    before = mine.read_bytes()
    result = in_process("run", mine, "--out", out, "--video", "--pipeline", "plain-picture")
    assert result.exit_code == 2
    assert "written over itself" in result.stderr
    assert mine.read_bytes() == before


def test_a_film_that_breaks_off_leaves_what_came_before(in_process, film, tmp_path):
    broken = tmp_path / "broken.mkv"
    with av.open(film) as whole, av.open(broken, "w") as copy:
        stream = copy.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size * 3 // 4])
    result = in_process("run", broken, "--pipeline", "plain-picture", "--out", tmp_path / "out", "--video")
    assert result.exit_code == 2
    assert "breaks off at" in result.stderr
    lines = lines_of(tmp_path / "out")
    assert 5 < len(lines) < 40
    assert len(times_of(tmp_path / "out" / "annotated.mp4")) == len(lines)


@pytest.mark.parametrize("params", [{}, {"start": 5}, {"in_open": True}])
def test_a_stage_that_fails_for_good_is_code_3_and_the_run_is_finished(in_process, film, tmp_path, params):
    spec = pipeline(tmp_path, "broken", "boxes", broken=params)
    result = in_process("run", film, "--pipeline", spec, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 3
    assert "Broken failed" in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith(("Error", "Warning"))]) == 1
    assert len(lines_of(tmp_path / "out")) == 40
    assert json.loads(result.stdout.splitlines()[-1])["labels"] == {"person": 40}


def test_a_stage_that_stumbles_is_a_warning(in_process, film, tmp_path):
    spec = pipeline(tmp_path, "broken", broken={"start": 3, "times": 2})
    result = in_process("run", film, "--pipeline", spec)
    assert result.exit_code == 0
    assert "Warning: broken left out 2 frames. The last time: Broken failed: ValueError: cannot do frame 4" in (
        result.stderr
    )


def test_a_missing_plugin_is_code_3(in_process, film, tmp_path):
    result = in_process("run", film, "--pipeline", pipeline(tmp_path, "teleport"))
    assert result.exit_code == 3
    assert "There is no stage called 'teleport'" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is simulated with /dev/full")
def test_a_full_disk_stops_the_run_with_code_2(in_process, film, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.jsonl").symlink_to("/dev/full")
    result = in_process("run", film, "--pipeline", "plain-picture", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr


def test_debug_shows_the_traceback_too(in_process):
    result = in_process("--debug", "run", "missing.mp4", "--pipeline", "absent.yaml")
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr
    assert "Error: Cannot read absent.yaml" in result.stderr


# Interrupting ------------------------------------------------------------------------------------------------------


def wait_for(condition: Callable[[], bool], timeout_s: float = 60) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_valid_files_and_says_so(environment, tmp_path, number):
    out = tmp_path / "out"
    results = out / "results.jsonl"
    command = [sys.executable, "-m", "scenescope.app", "run", "demo", "--out", str(out), "--video", "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            assert wait_for(lambda: results.exists() and results.read_bytes().count(b"\n") >= 10)
            run.send_signal(number)
            stdout, stderr = run.communicate(timeout=60)
        finally:
            run.kill()
    assert run.returncode == 130
    lines = lines_of(out)
    assert f"Interrupted after {len(lines)} frames; results.jsonl and annotated.mp4 hold them." in stderr
    assert "Traceback" not in stderr
    assert len(times_of(out / "annotated.mp4")) == len(lines) >= 10
    assert json.loads(stdout)["frames"] == len(lines)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_in_a_terminal_there_is_a_bar_with_rate_and_eta(environment, film, tmp_path):
    spec = pipeline(tmp_path, "blur", blur={"sigma_px": 20})
    command = [sys.executable, "-m", "scenescope.app", "run", str(film), "--pipeline", str(spec)]
    ours, theirs = os.openpty()
    try:
        env = {**environment, "TERM": "xterm", "COLUMNS": "140"}
        with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=theirs) as run:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    chunk = os.read(ours, 4096)
                except OSError:
                    break
                if not chunk:
                    break
                shown += chunk
            assert run.wait(60) == 0
    finally:
        os.close(ours)
    text = shown.decode()
    assert "/40" in text
    assert " fps" in text
    assert "ETA" in text
