"""What is shown is what was analysed, or says how old its overlay is."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from scenescope.models import Detections, Tracks
from scenescope.models.budget import ThreadBudget
from scenescope.pipelines import Frame, PipelineSpec, Stage, Stamp
from scenescope.pipelines.display import Display, DisplayMode, ViewOptions
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.fakes import FakeSource, fake_registry
from scenescope.pipelines.overlay import OverlayStyle
from scenescope.pipelines.sources import code_marker

pytestmark = pytest.mark.slow

BARE = OverlayStyle(labels=False)


class Viewer:
    """Takes every picture that a display composes, as a window would."""

    def __init__(self, engine: Engine, options: ViewOptions) -> None:
        self.pictures: list = []
        self._enough = threading.Condition()
        self._engine = engine
        engine.display.set_view(options)
        engine.display.on_picture = self._take

    def _take(self) -> None:
        picture = self._engine.display.take()
        if picture is not None:
            with self._enough:
                self.pictures.append(self._look(picture))
                self._enough.notify_all()

    @staticmethod
    def _look(picture):
        code = code_marker.read(picture.image[:, :, :3])
        return (
            code,
            picture.frame_index,
            picture.overlay_index,
            picture.overlay_age_s,
            picture.overlay_state,
            picture.mode,
            picture.objects,
            picture.to_view,
        )

    def wait(self, count: int, timeout_s: float) -> None:
        with self._enough:
            assert self._enough.wait_for(lambda: len(self.pictures) >= count, timeout_s), len(self.pictures)


def engine_of(*stages) -> Engine:
    spec = PipelineSpec()
    for kind, params in stages:
        spec = spec.added(kind, params)
    return Engine(spec, registry=fake_registry(), budget=ThreadBudget(2, 1))


@pytest.mark.slow
def test_in_step_the_overlay_belongs_to_the_picture_on_2000_frames():
    engine = engine_of(
        ("slow", {"delay_s": 0.004, "jitter": 1.0}), ("boxes", {}), ("slow", {"delay_s": 0.003, "jitter": 1.0})
    )
    viewer = Viewer(engine, ViewOptions(size_wh=(640, 360), style=BARE))
    engine.start(FakeSource(None, size_wh=(320, 180), paint=code_marker.burn))
    viewer.wait(2000, 100)
    assert engine.stop()
    mismatches = []
    for code, frame_index, overlay_index, age_s, state, mode, objects, _ in viewer.pictures:
        (box,) = objects
        found_in = round(box.xyxy[0] / 2)  # the fake detector's box tells the frame it saw; the view is twice as large
        if not (code == frame_index == overlay_index and found_in == frame_index % 32 and age_s == 0):
            mismatches.append((code, frame_index, overlay_index, found_in))
        assert state == "fresh"
        assert mode is DisplayMode.IN_STEP
    assert mismatches == []


def test_newest_shows_the_raw_picture_and_the_true_age_of_its_overlay():
    rate_hz = 60
    painted_s: dict[int, float] = {}

    def paint(image, index) -> None:
        code_marker.burn(image, index)
        painted_s[index] = time.monotonic()

    engine = engine_of(("boxes", {}), ("slow", {"delay_s": 0.12}))
    viewer = Viewer(engine, ViewOptions(size_wh=(640, 360), style=BARE))
    engine.start(FakeSource(None, size_wh=(320, 180), live=True, rate_hz=rate_hz, paint=paint))
    viewer.wait(200, 30)
    assert engine.stop()
    with_overlay = [p for p in viewer.pictures if p[2] is not None]
    assert len(with_overlay) > 100
    for code, frame_index, overlay_index, age_s, _, mode, objects, _ in with_overlay:
        assert mode is DisplayMode.NEWEST
        assert code == frame_index, "the raw picture is shown under its own number"
        if objects:
            assert round(objects[0].xyxy[0] / 2) == overlay_index % 32, "the overlay is the one that is named"
        true_age_s = painted_s[code] - painted_s[overlay_index]
        assert abs(age_s - true_age_s) <= 1 / rate_hz
    assert len({p[1] for p in viewer.pictures}) > 150, "far more pictures than analyses"


@pytest.mark.parametrize(
    ("age_s", "state", "drawn"),
    [
        (0.0, "fresh", "full"),
        (0.249, "fresh", "full"),
        (0.26, "dimmed", "dim"),
        (0.99, "dimmed", "dim"),
        (1.01, "dropped", "no"),
    ],
)
def test_an_overlay_is_dimmed_after_250_ms_and_dropped_after_a_second(age_s, state, drawn):
    grey = np.full((100, 100, 3), 128, np.uint8)
    box = Detections(
        xyxy=np.array([[20, 20, 80, 80]]), confidence=np.array([1.0]), class_id=np.array([0]), class_names=("person",)
    )
    analysed = Frame(grey, 1, captured_s=10.0).with_result("boxes", box)
    raw = Frame(grey, 2, captured_s=10.0 + age_s)
    options = ViewOptions(size_wh=(100, 100), style=BARE)
    picture = Display().compose(raw, analysed, DisplayMode.NEWEST, options)
    assert picture.overlay_state == state
    assert picture.overlay_age_s == pytest.approx(age_s)
    contrast = int(np.abs(picture.image[:, :, :3].astype(int) - 128).max())
    assert {"full": contrast > 80, "dim": 20 < contrast < 80, "no": contrast == 0}[drawn]
    assert len(picture.objects) == (0 if drawn == "no" else 1)


def test_a_side_result_is_judged_by_its_own_age():
    grey = np.full((100, 100, 3), 128, np.uint8)
    box = Detections(
        xyxy=np.array([[20, 20, 80, 80]]), confidence=np.array([1.0]), class_id=np.array([0]), class_names=("person",)
    )
    frame = Frame(grey, 90, captured_s=10.0)
    old = frame.with_result("slow", box, Stamp(50, 9.5))
    gone = frame.with_result("slow", box, Stamp(20, 8.5))
    options = ViewOptions(size_wh=(100, 100), style=BARE)
    dimmed = Display().compose(old, old, DisplayMode.IN_STEP, options).image[:, :, :3].astype(int)
    assert 20 < np.abs(dimmed - 128).max() < 80
    assert not Display().compose(gone, gone, DisplayMode.IN_STEP, options).objects


class Hide(Stage, title="Hide", group="Test", privacy=True):
    """Paints the picture black."""

    def process(self, frame):
        return frame.with_image(np.zeros_like(frame.image))


def stripes(image, index) -> None:
    image[:, ::2] = 255
    image[:, 1::2] = 0


def modes_seen(spec_stages, options, live, extra=None) -> tuple[set, int]:
    registry = fake_registry()
    for name, cls in (extra or {}).items():
        registry.add(name, cls)
    spec = PipelineSpec()
    for kind in spec_stages:
        spec = spec.added(kind)
    engine = Engine(spec, registry=registry)
    viewer = Viewer(engine, options)
    brightest = []
    take = viewer._look

    def look(picture):
        brightest.append(int(picture.image[:, :, :3].max()))
        return take(picture)

    viewer._look = look
    engine.start(FakeSource(None, live=live, rate_hz=100, paint=stripes))
    viewer.wait(40, 20)
    assert engine.stop()
    return {p[5] for p in viewer.pictures[10:]}, max(brightest)


@pytest.mark.parametrize(
    ("stages", "wished", "live", "got"),
    [
        (["boxes"], DisplayMode.AUTO, False, DisplayMode.IN_STEP),
        (["boxes"], DisplayMode.AUTO, True, DisplayMode.NEWEST),
        (["boxes"], DisplayMode.IN_STEP, True, DisplayMode.IN_STEP),
        (["boxes"], DisplayMode.NEWEST, False, DisplayMode.NEWEST),
        (["tint"], DisplayMode.AUTO, True, DisplayMode.IN_STEP),
        (["tint"], DisplayMode.NEWEST, True, DisplayMode.NEWEST),
    ],
)
def test_the_mode_follows_the_source_the_wish_and_what_stages_do(stages, wished, live, got):
    modes, _ = modes_seen(stages, ViewOptions(size_wh=(64, 48), mode=wished), live)
    assert modes == {got}


@pytest.mark.parametrize("wished", list(DisplayMode))
def test_no_mode_shows_what_a_privacy_stage_hides_not_even_the_first_picture(wished):
    modes, brightest = modes_seen(
        ["hide"], ViewOptions(size_wh=(64, 48), mode=wished, style=BARE), True, extra={"hide": Hide}
    )
    assert modes == {DisplayMode.IN_STEP}
    assert brightest < 200, "only the blurred or black picture was ever composed, never the white stripes"


@pytest.mark.parametrize(
    ("size_wh", "view_wh", "shown_wh"),
    [
        ((640, 480), (960, 540), (720, 540)),
        ((1920, 1080), (960, 540), (960, 540)),
        ((480, 640), (960, 540), (405, 540)),
    ],
)
def test_the_picture_fits_the_view_and_keeps_its_shape(size_wh, view_wh, shown_wh):
    frame = Frame(np.zeros((size_wh[1], size_wh[0], 3), np.uint8))
    picture = Display().compose(frame, None, DisplayMode.NEWEST, ViewOptions(size_wh=view_wh))
    assert picture.image.shape == (shown_wh[1], shown_wh[0], 4)
    assert picture.image.flags["C_CONTIGUOUS"]
    corner = picture.to_view @ [*size_wh, 1]
    assert corner[:2] == pytest.approx(shown_wh)


def test_zooming_shows_the_part_and_maps_boxes_and_clicks_to_it():
    image = np.zeros((100, 200, 3), np.uint8)
    image[50:, 100:] = 255
    box = Detections(
        xyxy=np.array([[100, 50, 200, 100]]), confidence=np.array([1.0]), class_id=np.array([0]), class_names=("x",)
    )
    frame = Frame(image).with_result("a", box)
    options = ViewOptions(
        size_wh=(400, 200), zoom_xywh=(0.5, 0.5, 0.5, 0.5), style=OverlayStyle(boxes=False, labels=False)
    )
    picture = Display().compose(frame, frame, DisplayMode.IN_STEP, options)
    assert picture.image.shape == (200, 400, 4)
    assert (picture.image[:, :, :3] == 255).all()
    assert picture.objects[0].xyxy == pytest.approx((0, 0, 400, 200))


def test_the_overlay_follows_a_picture_that_a_stage_has_cropped():
    frame = Frame(np.zeros((100, 200, 3), np.uint8))
    found = frame.with_result(
        "a",
        Detections(xyxy=np.array([[60, 20, 100, 60]]), confidence=np.array([1.0]), class_id=np.array([0])),
    )
    cropped = found.with_image(found.image[20:70, 50:150], to_previous=np.array([[1.0, 0, 50], [0, 1, 20], [0, 0, 1]]))
    picture = Display().compose(cropped, cropped, DisplayMode.IN_STEP, ViewOptions(size_wh=(200, 100)))
    assert picture.objects[0].xyxy == pytest.approx((20, 0, 100, 80))


def test_a_hovered_track_is_drawn_stronger_wherever_it_moves():
    grey = np.full((100, 100, 3), 128, np.uint8)
    tracks = Tracks(
        xyxy=np.array([[5, 5, 40, 40], [50, 50, 90, 90]]),
        confidence=np.array([0.9, 0.9]),
        class_id=np.array([0, 0]),
        class_names=("person",),
        track_id=np.array([3, 7]),
    )
    frame = Frame(grey).with_result("t", tracks)
    plain = Display().compose(frame, frame, DisplayMode.IN_STEP, ViewOptions(size_wh=(100, 100), style=BARE))
    strong = Display().compose(
        frame, frame, DisplayMode.IN_STEP, ViewOptions(size_wh=(100, 100), style=BARE, track_id=7)
    )
    changed = (plain.image != strong.image).any(axis=2)
    assert changed[45:, 45:].any()
    assert not changed[:45, :45].any()


def test_a_late_frame_of_the_source_before_is_neither_shown_nor_laid_over_the_new_one():
    display = Display()
    display.on_picture = lambda: None
    picture = np.zeros((48, 64, 3), np.uint8)
    box = Detections(xyxy=np.array([[0, 0, 9, 9]]), confidence=np.array([1.0]), class_id=np.array([0]))
    old = display.begin(live=True, guarded=False)
    new = display.begin(live=True, guarded=False)
    display.offer_analysed(Frame(picture, 7, captured_s=1.0).with_result("boxes", box), old)
    display.offer_raw(Frame(picture, 8, captured_s=1.1), old)
    assert display.overlay_age_s is None
    display.offer_raw(Frame(picture, 0, captured_s=1.2), new)
    assert display.overlay_age_s is None, "the new picture has no overlay yet"
    display.offer_analysed(Frame(picture, 0, captured_s=1.2).with_result("boxes", box), new)
    display.offer_raw(Frame(picture, 1, captured_s=1.3), new)
    assert display.overlay_age_s == pytest.approx(0.1)


def test_a_changed_view_composes_a_held_picture_again():
    engine = engine_of(("boxes", {}))
    viewer = Viewer(engine, ViewOptions(size_wh=(64, 48)))
    sizes: list = []
    viewer._look = lambda picture: sizes.append(picture.image.shape)
    engine.start(FakeSource(3))
    assert engine.wait(10)
    engine.display.set_view(ViewOptions(size_wh=(128, 96)))
    deadline = time.monotonic() + 5
    while (not sizes or sizes[-1] != (96, 128, 4)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sizes[-1] == (96, 128, 4)
    assert engine.stop()
