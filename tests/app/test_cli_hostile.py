"""`scenescope run` where names, folders and files are not what they should be, and what its report says of the run."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scenescope.app.run_outputs import FORMATS

pytestmark = pytest.mark.slow

ALL = ",".join(FORMATS)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.yaml"
    path.write_text(json.dumps({"stages": [{"id": "boxes", "kind": "boxes"}]}))
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="file names of other systems are Unicode text")
def test_a_name_that_is_no_text_is_written_in_every_format(in_process, film, plain, tmp_path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff.mp4"))
    shutil.copy(film, odd)
    out = tmp_path / "out"
    args = ("--pipeline", plain, "--out", out, "--format", ALL, "--images", "--report", "--quiet", "--max-frames", 3)
    done = in_process("run", odd.parent / "o*.mp4", *args)
    assert done.exit_code == 0, done.output
    assert {path.name for path in (out / odd.name).iterdir()} >= {f"results.{name}" for name in FORMATS}


@pytest.mark.skipif(sys.platform != "linux", reason="file names of other systems are Unicode text")
def test_a_name_that_is_no_text_is_printed_as_an_escape(cli, film):
    odd = Path(os.fsdecode(os.fsencode(film.parent) + b"/odd\xff.mp4"))
    shutil.copy(film, odd)
    done = cli("probe", odd, "--json", PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"] == str(odd)


def test_a_name_that_is_too_long_is_said(in_process):
    done = in_process("run", "x" * 300 + ".mp4")
    assert done.exit_code == 2
    assert re.search(r"x{200}: .*name", done.stderr)


def test_what_could_not_be_written_at_the_end_is_said_before_the_first_frame(in_process, film, plain, tmp_path):
    (tmp_path / "out" / "results.csv").mkdir(parents=True)
    args = ("--pipeline", plain, "--out", tmp_path / "out", "--json")
    done = in_process("run", film, *args, "--format", "csv,coco")
    assert done.exit_code == 2
    assert "results.csv is a folder" in done.stderr
    (tmp_path / "out" / "results.csv").rmdir()
    (tmp_path / "out" / "results.coco").touch()
    done = in_process("run", film, *args, "--format", "csv,coco")
    assert done.exit_code == 2
    assert "results.coco is a file" in done.stderr


def test_a_link_back_is_followed_once_and_a_link_that_leads_nowhere_is_listed(in_process, film, plain, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(film, folder / "a.mp4")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "gone.mp4").symlink_to(folder / "nowhere.mp4")
    args = ("--pipeline", plain, "--max-frames", 2, "--json")
    summary = json.loads(in_process("run", folder / "**" / "*.mp4", *args).stdout)
    assert [one["file"] for one in summary["files"]] == ["a.mp4"]
    done = in_process("run", folder, *args)
    assert done.exit_code == 3
    assert json.loads(done.stdout)["failed"] == ["gone.mp4"]


def test_an_output_folder_that_one_file_cannot_have_does_not_end_the_others(in_process, film, plain, tmp_path):
    folder, out = tmp_path / "films", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(film, folder / name)
    (out / "a.mp4").touch()
    done = in_process("run", folder, "--pipeline", plain, "--out", out, "--max-frames", 2, "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["failed"] == ["a.mp4"]
    assert (out / "b.mp4" / "results.jsonl").exists()


def test_a_bomb_of_aliases_for_zones_is_a_short_sentence(in_process, film, tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    zones = tmp_path / "bomb.yaml"
    zones.write_text("\n".join([*lines, "zones: [*a11]"]))
    done = in_process("run", film, "--zones", zones)
    assert done.exit_code == 2
    assert len(done.stderr) < 5000


def test_the_report_tells_what_the_stages_took_and_what_they_left_out(in_process, film, tmp_path):
    spec = tmp_path / "broken.yaml"
    stages = [{"id": "boxes", "kind": "boxes"}, {"id": "oops", "kind": "broken", "params": {"start": 3, "times": 1}}]
    spec.write_text(json.dumps({"stages": stages}))
    done = in_process("run", film, "--pipeline", spec, "--out", tmp_path, "--report")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Time for a frame" in page
    assert re.search(r"<tr><td>boxes</td><td class=\"n\">\d+\.\d</td></tr>", page)
    assert "oops left out 1 frame." in page


def test_results_that_take_long_to_write_are_waited_for(in_process, film, plain, tmp_path, monkeypatch: Any):
    from scenescope.pipelines import session
    from scenescope.pipelines.sinks.export import ExportSink

    written = ExportSink.close
    monkeypatch.setattr(session, "END_WITHIN_S", 0.2)
    monkeypatch.setattr(session, "WRITE_WITHIN_S", 0.2)
    monkeypatch.setattr(ExportSink, "close", lambda sink: (time.sleep(1.0), written(sink))[1])
    done = in_process("run", film, "--pipeline", plain, "--out", tmp_path, "--format", "csv")
    assert done.exit_code == 0, done.output
    assert "did not end in time" not in done.stderr
    assert (tmp_path / "results.csv").exists()
