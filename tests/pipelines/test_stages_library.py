"""Stages whose networks are chosen by the user: what they find, what they show, and what they say without a network."""

from __future__ import annotations

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from scenescope.models import DenseMap, Detections, Labels, Masks, ModelMissing, OrientedDetections, SpecError
from scenescope.models.cards import ModelCard
from scenescope.models.catalogue import Catalogue, use
from scenescope.models.vision import base
from scenescope.models.vision.base import VisionModel
from scenescope.models.vision.placement import Placement
from scenescope.pipelines import Frame, StageContext
from scenescope.pipelines.params import ModelOf
from scenescope.pipelines.stages.recognise.classify import Classify
from scenescope.pipelines.stages.recognise.depth import Depth
from scenescope.pipelines.stages.recognise.depth_picture import DepthPicture
from scenescope.pipelines.stages.recognise.detect import Detect
from scenescope.pipelines.stages.recognise.find import Find
from scenescope.pipelines.stages.recognise.segment import Segment

NAMES = ("person", "bus")


class Fixed(VisionModel):
    """Finds the same in every picture and keeps what it was asked."""

    asked: dict = {}
    answer = None

    def load(self, options=None):
        pass

    def placement(self):
        return Placement("CPU")

    def preprocess(self, image):
        return {}, image

    def forward(self, inputs):
        return {}

    def postprocess(self, outputs, geometry, **options):
        Fixed.asked = options
        return Fixed.answer


class OneModel(Catalogue):
    def card(self, name):
        if name != "fixed":
            return super().card(name)
        card = super().card("nanodet_g_416_coco")
        return replace(card, name="fixed", architecture="fixed", runtime="fixed")


@pytest.fixture
def fixed(monkeypatch):
    monkeypatch.setitem(base._makers, ("fixed", "*", "fixed"), lambda: Fixed)
    put_back = use(OneModel())

    def answer(value):
        Fixed.answer = value

    yield answer
    put_back()


def opened(stage_type, **params):
    stage = stage_type(stage_type.validated(params))
    stage.context = StageContext(stage_type.info.kind)
    stage.open(stage.context)
    return stage


@pytest.fixture
def frame(photos) -> Frame:
    return Frame(cv2.imread(str(photos / "astronaut.png")))


def found_by(stage, frame):
    return stage.process(frame).result(stage.info.kind)


@pytest.mark.parametrize("stage_type", [Find, Segment, Depth])
def test_without_a_network_a_stage_says_how_to_get_one(stage_type):
    with pytest.raises(ModelMissing, match="no network is chosen") as caught:
        opened(stage_type)
    assert caught.value.permanent
    name = re.search(r"scenescope models get ([\w.-]+)'", caught.value.hint).group(1)
    offered: ModelCard = next(card for card in Catalogue().available() if card.name == name)
    (mark,) = (m for m in stage_type.Params.model_fields["model"].metadata if isinstance(m, ModelOf))
    assert offered.task in mark.tasks
    assert stage_type.info.lane == "side"
    assert stage_type.info.patience_s == 30


def test_detect_takes_networks_for_turned_boxes_too(fixed, frame):
    quads = np.array([[[10, 0], [20, 10], [10, 20], [0, 10]]], np.float32)
    fixed(OrientedDetections(quad_xy=quads, confidence=[0.9], class_id=[1], class_names=NAMES))
    found = found_by(opened(Detect, model="fixed"), frame)
    assert isinstance(found, OrientedDetections)
    assert found.xyxy.tolist() == [[0, 0, 20, 20]]
    (mark,) = (m for m in Detect.Params.model_fields["model"].metadata if isinstance(m, ModelOf))
    assert mark.tasks == ("detection", "oriented-detection")


def test_find_looks_for_every_thing_once(fixed, frame):
    fixed(Detections())
    opened(Find, model="fixed", what=["red cup ", "", "hat", "red cup"], confidence=0.3).process(frame)
    assert Fixed.asked == {"confidence": 0.3, "prompts": ("red cup", "hat")}


def test_classify_keeps_the_likeliest_and_asks_for_labels(fixed, frame):
    fixed(Labels(confidence=[0.7, 0.2, 0.05], class_id=[1, 0, 2], class_names=(*NAMES, "cat")))
    found = found_by(opened(Classify, model="fixed", labels=["a", "b"], confidence=0.1), frame)
    assert found.labels == ["bus", "person"]
    assert Fixed.asked["prompts"] == ("a", "b")
    assert found_by(opened(Classify, model="fixed", top=1), frame).labels == ["bus"]
    with pytest.raises(SpecError, match="top"):
        Classify.validated({"top": 0})


def test_segment_keeps_what_is_wanted_and_points_at_the_region(fixed, frame):
    areas = np.zeros((2, 512, 512), np.uint8)
    areas[0, 10:20], areas[1, 100:200, 50:60] = 255, 255
    fixed(Masks.from_full(areas, confidence=[0.9, 0.8], class_id=[0, 1], class_names=NAMES))
    assert found_by(opened(Segment, model="fixed", only=["bus"]), frame).labels == ["bus"]
    assert "boxes_xyxy" not in Fixed.asked
    around = {"points": [(0.25, 0.5), (0.75, 0.5), (0.5, 1.0)]}
    assert len(found_by(opened(Segment, model="fixed", around=around), frame)) == 2
    assert Fixed.asked["boxes_xyxy"].tolist() == [[128, 256, 384, 512]]


def ramp(unit: str, size_wh: tuple[int, int] = (512, 512)) -> DenseMap:
    """Grows from left to right."""
    return DenseMap.covering(np.tile(np.linspace(1, 9, 64, dtype=np.float32), (48, 1)), size_wh, "depth", unit)


def test_depth_gives_the_map_of_its_network(fixed, frame):
    fixed(ramp("m"))
    assert found_by(opened(Depth, model="fixed"), frame).unit == "m"


@pytest.mark.parametrize(("unit", "bright"), [("", "right"), ("m", "left")])
def test_near_things_are_bright_whatever_the_network_tells(frame, unit, bright):
    stage = opened(DepthPicture, colours="bone")
    out = stage.process(frame.with_result("depth", ramp(unit)))
    left, right = (int(part.mean()) for part in (out.image[:, :32], out.image[:, -32:]))
    assert (right > left + 100) if bright == "right" else (left > right + 100)
    assert out.image.shape == frame.image.shape
    assert len(out.result("depth")) == 0, "it is not laid over itself"


def test_metres_can_have_limits(frame):
    near = opened(DepthPicture, colours="bone", near_m=1, far_m=5).process(frame.with_result("depth", ramp("m")))
    assert near.image[:, 256:].max() < 20, "all that is farther is dark"
    level = frame.with_result("depth", DenseMap.covering(np.full((4, 4), 3.0), (512, 512), "depth", "m"))
    assert np.ptp(opened(DepthPicture).process(level).image, axis=(0, 1)).max() == 0


def test_without_depth_the_picture_stays(frame):
    stage = opened(DepthPicture)
    assert stage.process(frame) is frame
    motion = frame.with_result("flow", DenseMap.covering(np.ones((4, 4)), (512, 512), "motion"))
    assert stage.process(motion) is motion


@pytest.mark.parametrize("size_wh", [(1, 1), (4000, 2), (2, 4000)])
def test_depth_of_any_shape_is_shown(size_wh):
    frame = Frame(np.zeros((size_wh[1], size_wh[0], 3), np.uint8)).with_result("depth", ramp("", size_wh))
    assert opened(DepthPicture).process(frame).size_wh == size_wh


@pytest.mark.slow
def test_a_network_of_every_library_runs_in_its_stage(tmp_path, frame):
    """Tiny networks with random weights, from a catalogue on disk."""
    pytest.importorskip("transformers")
    from scenescope.models.catalogue.card_file import card_text
    from scenescope.models.vision.transformers_fakes import tiny_card

    stages = {
        "yolos": (Detect, Detections, {}),
        "owlvit": (Find, Detections, {"what": ["red bus"], "confidence": 0.01}),
        "clip": (Classify, Labels, {"labels": ["cat", "person"], "confidence": 0.0}),
        "segformer": (Segment, Masks, {"confidence": 0.01}),
        "dpt": (Depth, DenseMap, {}),
    }
    for kind in stages:
        (tmp_path / kind).mkdir()
        card = tiny_card(kind, tmp_path / kind)
        (tmp_path / kind / "card.toml").write_text(card_text(card))
    put_back = use(Catalogue(tmp_path))
    try:
        for kind, (stage_type, result, params) in stages.items():
            stage = opened(stage_type, model=kind, device="cpu", **params)
            assert stage.placement() == Placement("CPU", "cpu")
            assert isinstance(found_by(stage, frame), result)
            stage.close()
    finally:
        put_back()


@pytest.mark.slow
def test_the_bundled_network_sees_a_minibus(bus):
    pytest.importorskip("torchvision")
    stage = opened(Classify, device="cpu")
    found = found_by(stage, Frame(cv2.imread(str(bus))))
    assert found.labels[0] == "minibus"
    stage.close()
