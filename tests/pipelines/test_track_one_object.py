"""A detector may call one object by several names; the tracker follows it once."""

from __future__ import annotations

import numpy as np
import pytest

from scenescope.models import Detections, Tracks
from scenescope.pipelines import Frame, StageContext
from scenescope.pipelines.stages.track.track import Track

NAMES = ("car", "cell phone")
RATE_HZ = 10.0


def followed(rows_of: list[list[tuple[float, float, int]]]) -> list[Tracks]:
    """Tracks of boxes 40 wide, each given as (left edge, confidence, class), frame by frame."""
    stage = Track()
    stage.context = StageContext("track", RATE_HZ, (200, 100))
    stage.open(stage.context)
    out = []
    for index, rows in enumerate(rows_of):
        found = Detections(
            xyxy=[(x, 20, x + 40, 60) for x, _, _ in rows],
            confidence=[confidence for _, confidence, _ in rows],
            class_id=[cls for _, _, cls in rows],
            class_names=NAMES,
        )
        frame = Frame(np.zeros((100, 200, 3), np.uint8), index, index / RATE_HZ, index / RATE_HZ, "test")
        tracks = stage.process(frame.with_result("detect", found)).result("track")
        assert isinstance(tracks, Tracks)
        out.append(tracks)
    stage.close()
    return out


def test_two_names_for_one_object_make_one_track():
    last = followed([[(10 + i, 0.6, 0), (11 + i, 0.8, 1)] for i in range(8)])[-1]
    assert last.track_id.tolist() == [-1, 1]
    assert last.labels == ["car", "cell phone"]


def test_the_number_stays_when_the_surer_name_changes():
    tracks = followed([[(10 + i, 0.9 - 0.1 * (i % 2), 0), (10 + i, 0.8 + 0.05 * (i % 2), 1)] for i in range(10)])
    numbers = {i for one in tracks for i in one.track_id.tolist() if i > 0}
    assert numbers == {1}


@pytest.mark.parametrize("gap", [15, 60])
def test_objects_beside_each_other_are_two(gap):
    last = followed([[(10 + i, 0.8, 0), (10 + i + gap, 0.8, 0)] for i in range(8)])[-1]
    assert sorted(last.track_id.tolist()) == [1, 2]


def test_frames_without_boxes():
    assert [len(one) for one in followed([[], [], []])] == [0, 0, 0]
