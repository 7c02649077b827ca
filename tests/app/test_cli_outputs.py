"""What `scenescope run` writes besides results.jsonl: formats, events, a report, zones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scenescope.app.run_outputs import FORMATS
from scenescope.pipelines.exchange.formats import FORMATS as KNOWN

pytestmark = pytest.mark.slow

DOOR = {"lines": [{"name": "door", "start": [0.5, 0.0], "end": [0.5, 1.0]}]}


@pytest.fixture
def tracked(tmp_path: Path) -> Path:
    """A pipeline that follows the boxes of a fake detector."""
    path = tmp_path / "tracked.yaml"
    path.write_text(json.dumps({"stages": [{"id": "boxes", "kind": "boxes"}, {"id": "track", "kind": "track"}]}))
    return path


def run(in_process: Any, film: Path, pipeline: Path, out: Path, *more: Any) -> Any:
    return in_process("run", film, "--pipeline", pipeline, "--out", out, *more)


def test_the_names_of_the_formats_are_those_that_are_written():
    assert tuple(KNOWN) == FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_holds_what_results_jsonl_holds(in_process, film, tracked, tmp_path, name):
    out = tmp_path / "out"
    done = run(in_process, film, tracked, out, "--format", f"jsonl,{name}")
    assert done.exit_code == 0, done.output
    truth, table = KNOWN["jsonl"].read(out / "results.jsonl"), KNOWN[name].read(out / f"results.{name}")
    assert len(truth) > 0
    assert table.frame_index.tolist() == truth.frame_index.tolist()
    assert table.frame_pts_s == pytest.approx(truth.frame_pts_s, abs=1e-6)
    assert table.labels == truth.labels
    assert abs(table.xyxy - truth.xyxy).max() <= 0.5
    assert f"Written: {out / f'results.{name}'}" in done.stdout


def test_only_what_was_asked_for_is_written(in_process, film, tracked, tmp_path):
    out = tmp_path / "out"
    assert run(in_process, film, tracked, out, "--format", "csv").exit_code == 0
    assert [path.name for path in out.iterdir()] == ["results.csv"]


def test_two_runs_give_the_same_bytes_in_every_format(in_process, film, tracked, tmp_path):
    for name in ("one", "two"):
        args = ("--format", ",".join(FORMATS), "--events", "--images")
        assert run(in_process, film, tracked, tmp_path / name, *args).exit_code == 0
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) > 8 + 40
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path


def test_events_and_the_report(in_process, film, tracked, tmp_path):
    out = tmp_path / "out"
    done = run(in_process, film, tracked, out, "--events", "--report")
    assert done.exit_code == 0, done.output
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    keys = {"t_s", "type", "label", "track_id", "zone", "line", "direction"}
    assert all(keys <= event.keys() for event in events)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "film.mp4" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert "https://" not in page


def test_zones_are_counted_also_without_a_stage_for_them(in_process, film, tmp_path):
    zones = tmp_path / "zones.json"
    zones.write_text(json.dumps(DOOR))
    plain = tmp_path / "plain.yaml"
    plain.write_text(json.dumps({"stages": [{"id": "boxes", "kind": "boxes"}]}))
    done = run(in_process, film, plain, tmp_path / "out", "--zones", zones, "--events")
    assert done.exit_code == 0, done.output
    assert "'track' was added" in done.stderr
    assert (tmp_path / "out" / "events.jsonl").exists()


def test_a_full_disk_is_said_for_every_kind_of_file(in_process, film, tracked, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.csv").mkdir()
    done = run(in_process, film, tracked, out, "--format", "csv")
    assert done.exit_code == 2
    assert "results.csv" in done.stderr
    assert "Traceback" not in done.output
