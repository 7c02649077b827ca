"""The stage of zones and lines, its file, its result and its picture."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from scenescope.models import Count, DenseMap, Detections, EventKind, SpecError, Tracks, ZoneMeasures
from scenescope.pipelines import STAGES, Frame, PipelineSpec, Stage, StageContext
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import SourceState
from scenescope.pipelines.fakes import CollectingSink, FakeSource, fake_registry
from scenescope.pipelines.overlay import OverlayPainter
from scenescope.pipelines.stages.adjust.crop import Crop
from scenescope.pipelines.stages.adjust.rotate import Rotate
from scenescope.pipelines.stages.track.zones import NO_OBJECTS, NO_TRACKER, Zones
from scenescope.pipelines.zones.geometry import ZoneGeometry
from scenescope.pipelines.zones.model import Ground, Zone, ZoneSet

pytestmark = pytest.mark.slow

GATE = {"name": "gate", "start": [0.5, 0.1], "end": [0.5, 0.9]}
YARD = {"name": "yard", "points": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.95], [0.1, 0.95]]}
SHAPES = {"zones": [YARD], "lines": [GATE]}
IMAGE = np.zeros((240, 320, 3), np.uint8)


def opened(cls: type[Stage], **params) -> Stage:
    stage = cls(cls.validated(params))
    stage.context = StageContext(stage_id=cls.info.kind)
    stage.open(stage.context)
    return stage


def tracks(*rows: tuple[int, float, float], label: str = "car", size: float = 30) -> Tracks:
    """Objects by (track_id, x, y) of their bottom centres."""
    xy = np.array([row[1:] for row in rows], np.float32).reshape(-1, 2)
    return Tracks(
        xyxy=np.hstack([xy - (size / 2, size), xy + (size / 2, 0)]),
        confidence=np.full(len(rows), 0.9),
        class_id=np.zeros(len(rows)),
        class_names=(label,),
        track_id=np.array([row[0] for row in rows]),
    )


def crossing(stage: Stage, frames: int = 60, before=lambda frame: frame) -> list[ZoneMeasures]:
    """An object that walks from left to right."""
    out = []
    for index in range(frames):
        frame = before(Frame(IMAGE, index, index / 30))
        to_frame = np.linalg.inv(frame.to_source)
        frame = frame.with_result("track", tracks((1, 20 + 4.5 * index, 150)).warped(to_frame))
        out.append(stage.process(frame).results["zones"].value)
    return out


def test_it_counts_what_crosses_and_enters():
    results = crossing(opened(Zones, shapes=SHAPES))
    last = results[-1]
    assert last.name == ("yard", "gate")
    assert last.is_line.tolist() == [False, True]
    assert last.caption == ("1 now, 1 in, 0 out", "0 in, 1 out")
    assert last.counts == ((Count("in", "car", 1),), (Count("out", "car", 1),))
    assert last.occupancy.tolist() == [1, 0]
    assert last.most.tolist() == [1, 0]
    assert last.total(1, "out") == 1
    events = [event for result in results for event in result.events]
    assert [event.kind for event in events] == [EventKind.ZONE_ENTER, EventKind.LINE_CROSS]
    assert last.hint == ""


@pytest.mark.parametrize(
    "stages",
    [
        [(Crop, {"left_percent": 30, "top_percent": 20})],
        [(Rotate, {"turn_deg": 90})],
        [(Rotate, {"turn_deg": 0, "angle_deg": 20}), (Crop, {"left_percent": 10})],
    ],
    ids=["cropped", "turned", "slanted and cropped"],
)
def test_shapes_lie_on_the_source_picture_behind_stages_that_move_pixels(stages):
    ready = [opened(cls, **params) for cls, params in stages]

    def before(frame: Frame) -> Frame:
        for stage in ready:
            frame = stage.process(frame)
        return frame

    results = crossing(opened(Zones, shapes=SHAPES, anchor="centre"), before=before)
    assert results[-1].counts[1] == (Count("out", "car", 1),)
    assert results[-1].points[1].tolist() == [[160, 24], [160, 216]]
    assert results[-1].track_xy[0] == pytest.approx((20 + 4.5 * 59, 135), abs=0.01)


def test_the_feet_are_below_in_the_picture_in_which_the_object_was_found():
    turned = opened(Rotate, turn_deg=180)
    frame = turned.process(Frame(IMAGE))
    frame = frame.with_result("track", tracks((1, 100, 200)))
    measures = opened(Zones, shapes=SHAPES).process(frame).results["zones"].value
    assert measures.track_xy[0] == pytest.approx((220, 40))


def test_without_a_tracker_it_tells_occupancy_and_says_why_nothing_is_counted():
    stage = opened(Zones, shapes={**SHAPES, "zones": [{**YARD, "labels": ["person"]}]})
    found = Detections(
        xyxy=np.array([[100, 50, 120, 90], [200, 50, 220, 90], [0, 0, 9, 9]]),
        confidence=np.ones(3),
        class_id=np.array([0, 1, 0]),
        class_names=("person", "car"),
    )
    measures = stage.process(Frame(IMAGE).with_result("detect", found)).results["zones"].value
    assert measures.occupancy.tolist() == [1, 0]
    assert measures.caption == ("1 now", "no tracker")
    assert measures.hint == NO_TRACKER
    nothing = stage.process(Frame(IMAGE)).results["zones"].value
    assert (len(nothing), nothing.hint) == (2, NO_OBJECTS)


def test_heat_is_seconds_and_not_frames():
    heats = []
    for rate_hz in (10, 40):
        stage = opened(Zones, shapes=SHAPES, heat_map=True)
        for index in range(rate_hz * 3 + 1):
            frame = Frame(IMAGE, index, index / rate_hz).with_result("track", tracks((1, 100, 150), (2, 900, 900)))
            heat = stage.process(frame).results["zones.heat"].value
        assert isinstance(heat, DenseMap)
        assert max(heat.values[0].shape) == 96
        heats.append(float(heat.values[0].sum()))
        y, x = np.unravel_index(heat.values[0].argmax(), heat.values[0].shape)
        assert (heat.to_picture @ (x + 0.5, y + 0.5, 1))[:2] == pytest.approx((100, 150), abs=4)
    assert heats == pytest.approx([3, 3], rel=0.02)
    assert "zones.heat" not in stage.with_params(Zones.validated({})).process(frame).results


def test_heat_fades_with_its_half_life():
    stage = opened(Zones, heat_map=True, heat_half_life_s=1)
    for index in range(61):
        objects = tracks((1, 100, 150)) if index <= 30 else tracks()
        heat = stage.process(Frame(IMAGE, index, index / 30).with_result("track", objects)).results["zones.heat"].value
        if index == 30:
            full = float(heat.values[0].sum())
    assert float(heat.values[0].sum()) == pytest.approx(full / 2, rel=0.01)


def test_results_index_and_map_like_all_others():
    last = crossing(opened(Zones, shapes=SHAPES))[-1]
    line = last[last.is_line]
    assert (line.name, line.counts) == (("gate",), ((Count("out", "car", 1),),))
    assert [one.name for one in last] == [("yard",), ("gate",)]
    half = last.warped(np.diag([0.5, 0.5, 1]))
    assert half.points[1].tolist() == [[80, 12], [80, 108]]
    assert half.track_xy.tolist() == (last.track_xy / 2).tolist()
    assert half.events == last.events
    with pytest.raises(ValueError, match="differ in length"):
        ZoneMeasures(track_id=np.array([1]))


@pytest.mark.slow
def test_a_vertex_that_is_dragged_at_every_frame_loses_no_frame_and_no_count(make_still):
    """300 frames, a change before each of them is read."""

    class Walker(Stage, title="Walker", group="Test"):
        def process(self, frame: Frame) -> Frame:
            # Across the gate and back, every 100 frames.
            there = 20 + 5.6 * (50 - abs(frame.index % 100 - 50))
            return frame.with_result(self.context.stage_id, tracks((1, there, 150)))

    registry = fake_registry()
    registry.add("walker", Walker)
    registry.add("zones", Zones)

    def spec(at: int) -> PipelineSpec:
        moved = {**YARD, "points": [*YARD["points"][:3], [0.1 + at / 1000, 0.95]]}
        return PipelineSpec().added("walker").added("zones", {"shapes": {"zones": [moved], "lines": [GATE]}})

    sink = CollectingSink(keep_frames=True)
    engine = Engine(spec(0), sinks=[sink], registry=registry)
    ended = threading.Event()
    engine.subscribe(lambda event: ended.set() if isinstance(event, SourceState) and event.phase == "ended" else None)
    source = FakeSource(300, (320, 240), paint=lambda image, index: engine.apply(spec(index)))
    try:
        engine.start(source)
        assert ended.wait(60)
    finally:
        assert engine.stop(10)
    assert sink.indices == list(range(300))
    results = [frame.results["zones"].value for frame in sink.frames]
    assert results[-1].counts[1] == (Count("in", "car", 3), Count("out", "car", 3))
    crossings = [e for result in results for e in result.events if e.kind is EventKind.LINE_CROSS]
    assert [event.direction for event in crossings] == ["out", "in"] * 3


@pytest.fixture
def make_still():
    """OpenCV's threads as they were."""
    threads = cv2.getNumThreads()
    yield
    cv2.setNumThreads(threads)


# Files ---------------------------------------------------------------------------------------------------------------


def test_a_file_of_zones_comes_back_as_it_was_saved(tmp_path):
    shapes = ZoneSet.model_validate(
        {**SHAPES, "ground": {"points": [[0.3, 0.4], [0.6, 0.4], [0.9, 0.9], [0.1, 0.9]], "width_m": 7, "length_m": 20}}
    )
    path = tmp_path / "zones.yaml"
    shapes.save(path)
    assert ZoneSet.load(path) == shapes


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "has no 'zones'"),
        ("[1, 2]", "has no 'zones'"),
        ("zones: [", "is not YAML or JSON, line"),
        ("zones: [{name: a, points: [[0, 0], [1, 1]]}]", r"zones\.0\.points"),
        ("zones: [{name: a, points: [[0, 0], [2, 1], [1, 1]]}]", "less than or equal to 1"),
        ("zones: [{name: a, points: [[0, 0], [.nan, 1], [1, 1]]}]", r"zones\.0\.points"),
        ("lines: [{name: a, start: [0, 0], end: [0, 0]}]", "has no length"),
        ("lines: [{name: a, start: [0, 0], end: [1, 0], forward: x, backward: x}]", "both directions"),
        ("lines: [{name: a, start: [0, 0], end: [1, 0]}, {name: a, start: [0, 0], end: [1, 1]}]", "called 'a'"),
        ("zonen: []", "there is no parameter 'zonen'"),
        (b"\xff\xfe\x00", "is not YAML"),
        ("{" * 2000, "is not YAML"),
        ("zones: " + "[" * 2000, "is not YAML"),
        ("x" * 1_000_001, "too large"),
    ],
)
def test_a_broken_file_of_zones_is_said_in_a_sentence(tmp_path, content, problem):
    path = tmp_path / "zones.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SpecError, match=problem) as caught:
        ZoneSet.load(path)
    assert caught.value.hint


def test_a_file_that_is_not_there_or_cannot_be_written_is_said(tmp_path):
    with pytest.raises(SpecError, match="Cannot read"):
        ZoneSet.load(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="Cannot write"):
        ZoneSet().save(tmp_path / "no folder" / "zones.yaml")


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        ([(0.3, 0.4), (0.6, 0.4), (0.1, 0.9), (0.9, 0.9)], "two sides of the ground cross"),
        ([(0, 0), (1, 0), (0.2, 0.2), (0, 1)], "one corner of the ground lies inside"),
        ([(0, 0), (0.5, 0.5), (1, 1), (0, 1)], "three corners of the ground lie in one line"),
        ([(0, 0), (0, 0), (1, 1), (0, 1)], "three corners of the ground lie in one line"),
    ],
)
def test_ground_that_is_no_rectangle_seen_at_a_slant_is_refused(points, problem):
    with pytest.raises(SpecError, match=problem):
        Zones.validated({"shapes": {"ground": {"points": points, "width_m": 7, "length_m": 20}}})
    assert Ground(points=tuple(points[i] for i in (0, 1, 3, 2)), width_m=1, length_m=1) if "cross" in problem else True


def test_depth_in_a_polygon_is_what_opencv_says():
    rng = np.random.default_rng(4)
    zones = tuple(
        Zone(name=str(n), points=tuple(map(tuple, rng.uniform(0, 1, (n, 2)).round(3).tolist()))) for n in (3, 5, 9)
    )
    geometry = ZoneGeometry(zones, (1000, 500))
    xy = rng.uniform(-100, 1100, (300, 2))
    depth = geometry.depth(xy)
    for column, polygon in enumerate(geometry.polygons):
        expected = [cv2.pointPolygonTest(polygon.astype(np.float32), (x, y), True) for x, y in xy.tolist()]
        assert depth[:, column] == pytest.approx(expected, abs=1e-3)


# Picture -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_zones_lines_and_heat_are_seen_on_any_ground(grey):
    stage = opened(Zones, shapes=SHAPES, heat_map=True)
    for index in range(60):
        frame = Frame(IMAGE, index, index / 30).with_result("track", tracks((1, 20 + 4.5 * index, 150)))
        out = stage.process(frame)
    image = np.full((240, 320, 3), grey, np.uint8)
    OverlayPainter().paint(image, [(name, entry.value) for name, entry in out.results.items() if name != "track"])
    changed = np.abs(image.astype(int) - grey).max(axis=2)
    assert changed[100, 160] > 60, "the line"
    assert changed[100, 32] > 60, "the outline"
    assert 5 < changed[200, 250] < 90, "a breath of colour inside"
    assert changed[150, 200] > 30, "heat"
    assert changed[235, 5] == 0, "nothing outside"


def test_shapes_outside_the_view_are_drawn_without_complaint():
    last = crossing(opened(Zones, shapes=SHAPES))[-1]
    for matrix in (np.diag([0.01, 0.01, 1.0]), np.array([[9.0, 0, -5000], [0, 9, -5000], [0, 0, 1]])):
        OverlayPainter().paint(np.zeros((90, 120, 3), np.uint8), [("zones", last.warped(matrix))])


@pytest.mark.slow
def test_cars_on_a_road_cross_a_line_once(media):
    """The same in every run, and no car twice."""
    from scenescope.pipelines.sources.video import VideoFile

    path = media("car-detection.mp4")
    shapes = {"lines": [{"name": "road", "start": [0.0, 0.6], "end": [1.0, 0.6]}]}
    runs = []
    for _ in range(2):
        stages = [opened(STAGES.get("detect")), opened(STAGES.get("track")), opened(Zones, shapes=shapes)]
        source, events = VideoFile(path), []
        source.open()
        try:
            for _ in range(150):
                frame = source.read()
                if frame is None:
                    break
                for stage in stages:
                    frame = stage.process(frame)
                events += frame.results["zones"].value.events
        finally:
            source.close()
            for stage in stages:
                stage.close()
        runs.append(events)
    assert runs[0] == runs[1]
    # Within these 12 seconds one car comes, from below: from the right side of the line to its left.
    assert [event.direction for event in runs[0]] == ["out"]
    assert len({event.track_id for event in runs[0]}) == 1
