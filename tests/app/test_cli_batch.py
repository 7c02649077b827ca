"""`scenescope run` on folders and patterns: every file, past those that are broken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path, film: Path, uneven_film: Path) -> Path:
    """Two films, one broken one, and something that is no film."""
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(film, folder / "b.mp4")
    shutil.copy(uneven_film, folder / "c.MP4")
    (folder / "a.mp4").write_bytes(b"not a film" * 50)
    (folder / "notes.txt").write_text("not looked at")
    return folder


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.yaml"
    path.write_text(json.dumps({"stages": [{"id": "boxes", "kind": "boxes"}]}))
    return path


def counts(out: Path) -> dict[str, int]:
    """Lines of every results.jsonl, by folder."""
    return {str(f.parent.relative_to(out)): len(f.read_text().splitlines()) for f in out.rglob("results.jsonl")}


def test_a_folder_is_run_file_by_file_past_a_broken_one(in_process, folder, plain, tmp_path):
    done = in_process("run", folder, "--pipeline", plain, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 3, done.output
    assert counts(tmp_path / "out") == {"b.mp4": 40, "c.MP4": 60}
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["frames"] == 100
    assert summary["failed"] == ["a.mp4"]
    assert [(one["file"], one["frames"], one["exit_code"]) for one in summary["files"]] == [
        ("a.mp4", 0, 2),
        ("b.mp4", 40, 0),
        ("c.MP4", 60, 0),
    ]
    assert "notes.txt" not in done.output


def test_what_failed_is_listed_at_the_end(in_process, folder, plain):
    done = in_process("run", folder, "--pipeline", plain)
    assert done.exit_code == 3
    assert done.stdout.splitlines()[-2:] == [
        "2 of 3 files done.",
        "Failed: a.mp4: a.mp4 is not a video, or is of an unknown format.",
    ]


@pytest.mark.parametrize(("pattern", "files"), [("*.mp4", ["b.mp4"]), ("**/*.mp4", ["b.mp4", "deep/d.mp4"])])
def test_a_pattern_is_run_file_by_file(in_process, folder, plain, tmp_path, pattern, files):
    (folder / "a.mp4").unlink()
    (folder / "deep").mkdir()
    shutil.copy(folder / "b.mp4", folder / "deep" / "d.mp4")
    done = in_process("run", folder / pattern, "--pipeline", plain, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert sorted(counts(tmp_path / "out").values()) == [40] * len(files)


def test_a_film_that_breaks_off_keeps_what_came_before_and_the_next_is_run(in_process, folder, plain, tmp_path):
    whole = (folder / "b.mp4").read_bytes()
    (folder / "a.mp4").write_bytes(whole[: len(whole) // 2])
    done = in_process("run", folder, "--pipeline", plain, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout.splitlines()[-1])["failed"] == ["a.mp4"]
    assert counts(tmp_path / "out")["c.MP4"] == 60


def test_images_of_a_folder_are_one_source_and_the_broken_one_is_listed(in_process, photos, plain, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for photo in list(photos.glob("*.png"))[:2] + list(photos.glob("*.jpg"))[:2]:
        shutil.copy(photo, folder)
    good = len(list(folder.iterdir()))
    (folder / "broken.png").write_bytes(b"no picture")
    done = in_process("run", folder, "--pipeline", plain, "--out", tmp_path / "out")
    assert done.exit_code == 3, done.output
    assert counts(tmp_path / "out") == {".": good}
    assert "Failed: broken.png: is not an image, or is damaged" in done.stdout


def test_a_mistake_in_the_pipeline_ends_the_batch_at_once(in_process, folder):
    done = in_process("run", folder, "--pipeline", "nonsense")
    assert done.exit_code == 2
    assert done.stderr.count("nonsense") == 1


def test_a_pattern_that_matches_nothing_is_said(in_process, folder):
    done = in_process("run", folder / "*.xyz")
    assert done.exit_code == 2
    assert "No file matches" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--format", "csv,excel", "--out", "x"], "There is no format 'excel'"),
        (["--format", ",", "--out", "x"], "--format names no format"),
        (["--format", "csv"], "--format needs a folder to write to"),
        (["--events"], "--events needs a folder to write to"),
        (["--report"], "--report needs a folder to write to"),
        (["--zones", "nowhere.yaml"], "Cannot read nowhere.yaml"),
    ],
)
def test_wrong_options_are_one_sentence_and_code_2(in_process, film, args, words):
    done = in_process("run", film, *args)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.output
