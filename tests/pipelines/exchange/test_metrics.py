"""Scores against small cases that can be counted by hand, and against pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenescope.models import SpecError
from scenescope.pipelines.exchange import metrics
from scenescope.pipelines.exchange.fakes import make_table
from scenescope.pipelines.exchange.formats import FORMATS
from scenescope.pipelines.exchange.metrics import judge
from scenescope.pipelines.exchange.table import BoxTable

pytestmark = pytest.mark.slow

Row = tuple[int, str, float, tuple[float, float, float, float], int]


def table(rows: list[Row], frames: int = 4, names: tuple[str, ...] = (), rate_hz: float = 10.0) -> BoxTable:
    """Rows of frame, label, confidence, box, track."""
    names = names or tuple(sorted({row[1] for row in rows}))
    rows = sorted(rows, key=lambda row: row[0])
    return BoxTable(
        "f", (100, 100), rate_hz, np.arange(frames), np.arange(frames) / rate_hz,
        [row[0] for row in rows], [names.index(row[1]) for row in rows], names,
        [row[2] for row in rows], [row[3] for row in rows], [row[4] for row in rows],
    )  # fmt: skip


def box(x: float, y: float = 0.0) -> tuple[float, float, float, float]:
    return (x, y, x + 10, y + 10)


def test_counted_by_hand():
    there = [(0, "car", 0), (0, "car", 50), (1, "car", 0), (1, "dog", 50)]
    truth = table([(frame, label, 1, box(x), -1) for frame, label, x in there])
    seen = [(0, 0.9, 1), (0, 0.8, 20), (1, 0.7, 0), (1, 0.6, 50)]
    found = table([(frame, "car", confidence, box(x), -1) for frame, confidence, x in seen])
    score = judge(found, truth)
    car, dog = score.classes
    # Right: two cars. Wrong: the box at 20, and the dog that was called a car. Missed: the car at 50, and the dog.
    assert (car.correct, car.wrong, car.missed) == (2, 2, 1)
    assert (dog.correct, dog.wrong, dog.missed) == (0, 0, 1)
    assert (car.precision, car.recall) == (0.5, pytest.approx(2 / 3))
    assert car.f1 == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))
    assert (dog.precision, dog.recall, dog.f1) == (None, 0.0, 0.0)
    assert (score.overall.correct, score.overall.wrong, score.overall.missed) == (2, 2, 2)
    assert score.confusion.tolist() == [[2, 0, 1], [1, 0, 0], [1, 0, 0]]
    assert score.labels == ("car", "dog")
    assert dog.ap50 == 0.0
    # Precision 1 up to recall 1/3, 2/3 up to 2/3: of the 101 recalls 34 and 33.
    assert car.ap50 == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)
    assert score.overall.ap50 == pytest.approx(car.ap50 / 2)
    assert any("no tracks" in remark for remark in score.remarks)


def test_perfect_is_perfect():
    truth = make_table(30)
    truth = replace(truth, confidence=np.ones(len(truth)))
    score = judge(truth, truth)
    assert score.overall.precision == score.overall.recall == score.overall.f1 == 1.0
    assert score.overall.ap50 == score.overall.ap50_95 == pytest.approx(1.0)
    assert score.tracks is not None
    assert (score.tracks.mota, score.tracks.idf1, score.tracks.id_switches) == (1.0, 1.0, 0)
    assert score.tracks.hota == pytest.approx(1.0)


def test_an_id_switch_counted_by_hand():
    truth = table([(at, "car", 1, box(x), track) for at in range(4) for track, x in ((1, at), (2, 60 - at))])
    # Track 1 is called 10 twice and then 30; track 2 is missed once, and one box is nothing at all.
    found = table(
        [(at, "car", 1, box(at), 10 if at < 2 else 30) for at in range(4)]
        + [(at, "car", 1, box(60 - at), 20) for at in range(3)]
        + [(3, "car", 1, box(30, 50), 40)]
    )
    score = judge(found, truth).tracks
    assert score is not None
    assert score.id_switches == 1
    # 8 objects: 1 missed, 1 wrong, 1 switch.
    assert score.mota == pytest.approx(1 - 3 / 8)
    # Right by identity: 2 of track 1, 3 of track 2; F1 = 2 * 5 / (8 + 8).
    assert score.idf1 == pytest.approx(10 / 16)
    assert (score.truth_tracks, score.found_tracks) == (2, 4)


def test_classes_are_matched_by_name():
    truth = table([(0, "Traffic  Light", 1, box(0), -1), (0, "Person", 1, box(50), -1)])
    found = table([(0, "traffic light", 1, box(0), -1), (0, "pedestrian", 1, box(50), -1), (0, "kite", 1, box(80), -1)])
    plain = judge(found, truth)
    assert plain.overall.correct == 1
    assert any("2 results of classes" in remark and "kite, pedestrian" in remark for remark in plain.remarks)
    mapped = judge(found, truth, names={"Pedestrian": "person"})
    assert (mapped.overall.correct, mapped.overall.wrong) == (2, 0)


def test_an_object_of_another_class_is_no_track_of_mine():
    truth = table([(at, "car", 1, box(at), 1) for at in range(4)], names=("car", "dog"))
    found = table([(at, "dog", 1, box(at), 1) for at in range(4)], names=("car", "dog"))
    score = judge(found, truth).tracks
    assert score is not None
    assert score.mota == pytest.approx(-1.0)


def test_frames_are_matched_by_number_or_by_time():
    truth = table([(at, "car", 1, box(at), -1) for at in range(4)])
    found = replace(truth, frame_index=truth.frame_index + 100, frame_pts_s=truth.frame_pts_s + 0.02)
    score = judge(found, truth)
    assert (score.matched_by, score.frames, score.overall.correct) == ("time", 4, 4)
    with pytest.raises(SpecError, match="no frame in common by number"):
        judge(found, truth, match="number")
    late = replace(found, frame_pts_s=truth.frame_pts_s + 50)
    with pytest.raises(SpecError, match="no frame in common by time"):
        judge(late, truth)
    unknown = replace(found, frame_pts_s=np.zeros(4))
    with pytest.raises(SpecError, match="no frame in common"):
        judge(unknown, truth)


def test_frames_that_only_one_has_are_left_out():
    truth = table([(at, "car", 1, box(at), -1) for at in range(4)])
    found = replace(truth, frame_index=truth.frame_index + 2)
    score = judge(found, truth)
    assert (score.frames, score.matched_by) == (2, "number")
    assert any("2 frames of the ground truth were not analysed" in remark for remark in score.remarks)
    assert any("2 analysed frames are not in the ground truth" in remark for remark in score.remarks)


@pytest.mark.parametrize(("confidence", "correct", "missed"), [(0.0, 2, 0), (0.5, 1, 1), (0.95, 0, 2)])
def test_the_confidence_that_counts(confidence: float, correct: int, missed: int):
    truth = table([(0, "car", 1, box(0), -1), (1, "car", 1, box(0), -1)])
    found = table([(0, "car", 0.9, box(0), -1), (1, "car", 0.3, box(0), -1)])
    score = judge(found, truth, min_confidence=confidence)
    assert (score.overall.correct, score.overall.missed) == (correct, missed)
    assert score.overall.ap50 == pytest.approx(1.0)


def test_nothing_found_and_nothing_there():
    truth = table([(0, "car", 1, box(0), 1)])
    nothing = table([], names=("car",))
    score = judge(nothing, truth)
    assert (score.overall.precision, score.overall.recall, score.overall.ap50) == (None, 0.0, 0.0)
    score = judge(truth, nothing)
    assert (score.overall.precision, score.overall.recall, score.overall.ap50) == (0.0, None, None)
    assert any("no objects in these frames" in remark for remark in score.remarks)
    with pytest.raises(SpecError, match="no classes"):
        judge(truth, table([]))


def test_a_track_twice_in_a_frame_counts_once():
    truth = table([(at, "car", 1, box(at), 1) for at in range(4)])
    found = table([*[(at, "car", 0.9, box(at), 1) for at in range(4)], (2, "car", 0.2, box(70), 1)])
    score = judge(found, truth)
    assert score.tracks is not None
    assert score.tracks.mota == 1.0
    assert any("repeat a track number" in remark for remark in score.remarks)


def test_too_many_tracks_are_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metrics, "MOST_TRACK_PAIRS", 3)
    truth = table([(at, "car", 1, box(at * 20), at) for at in range(4)])
    score = judge(truth, truth)
    assert score.tracks is not None
    assert (score.tracks.mota, score.tracks.idf1, score.tracks.hota) == (1.0, None, None)
    assert any("more memory" in remark for remark in score.remarks)


def test_it_can_be_ended():
    def end(done: float) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        judge(make_table(5), make_table(5), told=end)


@pytest.mark.parametrize("seed", [0, 1])
def test_map_is_that_of_pycocotools(seed: int, tmp_path: Path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = make_table(120)
    random = np.random.default_rng(seed)
    kept = random.random(len(truth)) < 0.8
    moved = truth.xyxy + random.normal(0, 5, truth.xyxy.shape)
    moved = np.sort(moved.reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    sure = np.round(random.random(len(truth)), 4)
    found = metrics.chosen(replace(truth, xyxy=np.round(moved, 2), confidence=sure), kept)
    for name, one in (("truth", truth), ("found", found)):
        FORMATS["coco"].write(one, tmp_path / name)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "truth" / "annotations.json"))
        results = coco.loadRes(json.loads((tmp_path / "found" / "annotations.json").read_text())["annotations"])
        reference = COCOeval(coco, results, "bbox")
        reference.evaluate()
        reference.accumulate()
        reference.summarize()
    score = judge(found, truth)
    assert score.overall.ap50_95 == pytest.approx(reference.stats[0], abs=1e-6)
    assert score.overall.ap50 == pytest.approx(reference.stats[1], abs=1e-6)
    for number, one in enumerate(score.classes):
        precision = reference.eval["precision"][:, :, number, 0, 2]
        assert one.ap50_95 == pytest.approx(precision.mean(), abs=1e-6)


def test_tracking_is_that_of_trackers_own_evaluation(tmp_path: Path):
    from trackers.eval import evaluate_mot_sequence

    truth = make_table(60, names=("pedestrian",))
    truth = metrics.chosen(truth, truth.track_id >= 0)
    random = np.random.default_rng(3)
    moved = np.round(truth.xyxy + random.normal(0, 2, truth.xyxy.shape), 2)
    moved = np.sort(moved.reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    ids = np.where(random.random(len(truth)) < 0.1, truth.track_id + 50, truth.track_id)
    found = replace(truth, xyxy=moved, track_id=ids)
    for name, one in (("truth", truth), ("found", found)):
        FORMATS["mot"].write(one, tmp_path / name)
    places = [tmp_path / name / "gt" / "gt.txt" for name in ("truth", "found")]
    reference = evaluate_mot_sequence(*places, metrics=["CLEAR", "HOTA", "Identity"])
    score = judge(found, truth).tracks
    assert score is not None
    assert score.mota == pytest.approx(reference.CLEAR.MOTA)
    assert score.id_switches == reference.CLEAR.IDSW
    assert score.idf1 == pytest.approx(reference.Identity.IDF1)
    assert score.hota == pytest.approx(reference.HOTA.HOTA)
