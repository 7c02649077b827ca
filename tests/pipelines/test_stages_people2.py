"""Hands, face recognition and redaction as stages, with the real networks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models import Detections, Keypoints, Labels, ModelError, SpecError, StageError
from scenescope.models.cards import load_card
from scenescope.models.catalogue import Catalogue, current, use
from scenescope.models.vision.base import open_model
from scenescope.models.vision.face_gallery import Sample, current_gallery, describe
from scenescope.models.vision.faces import find_faces
from scenescope.pipelines import Frame, Region, StageContext, Stamp
from scenescope.pipelines.events import StagePhase
from scenescope.pipelines.host import StageHost
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.spec import StageSpec
from scenescope.pipelines.stage import Stage
from scenescope.pipelines.stages.effects.redact import Redact
from scenescope.pipelines.stages.recognise.detect import Detect
from scenescope.pipelines.stages.recognise.hands import Hands
from scenescope.pipelines.stages.recognise.recognise import Recognise

pytestmark = pytest.mark.slow

NETWORK = "face_embedding_faceres_224"
ODD_SIZES = [(1, 1), (2, 4000), (4000, 2), (7, 5)]


def opened(cls, **context):
    def make(**params):
        stage = cls(cls.validated(params))
        stage.context = StageContext(stage_id=cls.info.kind, **context)
        stage.open(stage.context)
        return stage

    return make


@pytest.fixture(scope="module")
def astronaut(photos) -> np.ndarray:
    return cv2.imread(str(photos / "astronaut.png"))


@pytest.fixture(scope="module")
def street(bus) -> np.ndarray:
    return cv2.imread(str(bus))


# Hands ---------------------------------------------------------------------------------------------------------------


def test_hands_tells_a_pointing_hand_after_a_while(bus):
    photo = cv2.imread(str(Path(bus).with_name("zidane.jpg")))[250:700, 850:1250]
    stage = opened(Hands)(steady_s=0.1)
    out = [stage.process(Frame(photo, index, index * 0.04)) for index in range(5)]
    assert [frame.result("hands").labels for frame in out] == [["hand"]] * 3 + [["point"]] * 2
    points = out[-1].result("hands.points")
    assert isinstance(points, Keypoints)
    assert points.xy.shape == (1, 21, 2)
    assert len(points.names) == 21
    x1, y1, x2, y2 = out[-1].result("hands").xyxy[0]
    tip = points.xy[0, 8]
    assert x1 < tip[0] < x2
    assert y1 < tip[1] < y2
    # A jump in time: the hand is another one, and its gesture must last again.
    later = stage.process(Frame(photo, 6, 60.0))
    assert later.result("hands").labels == ["hand"]
    assert later.result("hands.points").hand_id.tolist() == [2]
    assert stage.process(Frame(photo[:200], 7, 60.04)).result("hands.points").xy[..., 1].max(initial=0) < 210
    stage.close()


@pytest.mark.parametrize("cls", [Hands, Recognise])
def test_people_stages_take_any_picture(cls):
    stage = opened(cls)()
    for width, height in ODD_SIZES:
        out = stage.process(Frame(np.full((height, width, 3), 90, np.uint8)))
        assert len(out.result(cls.info.kind)) == 0


@pytest.mark.parametrize(
    "params", [{}, {"invert": True, "how": "squares"}, {"what": "region"}, {"what": "region", "invert": True}]
)
def test_redaction_takes_any_picture(params):
    stage = opened(Redact)(**params)
    for width, height in ODD_SIZES:
        assert stage.process(Frame(np.full((height, width, 3), 90, np.uint8))).size_wh == (width, height)


# Recognition ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def gallery(tmp_path):
    before = current()
    use(Catalogue(tmp_path))
    yield current_gallery()
    use(before)


@pytest.fixture(scope="module")
def networks():
    opened = [open_model(load_card(name)) for name in ("blazeface_short_range_128", NETWORK)]
    for network in opened:
        network.load()
    return opened


def enrol(gallery, networks, name: str, image: np.ndarray) -> None:
    face, network = networks
    vectors = describe(network, image, find_faces(face, image, 0.5, clip=False)[:1])
    gallery.add(name, Sample(NETWORK, vectors[0]))


def test_while_nobody_is_enrolled_no_descriptor_is_made(gallery, astronaut, monkeypatch):
    stage = opened(Recognise)()

    def never(*_):
        raise AssertionError("a descriptor was made")

    monkeypatch.setattr(stage.networks["model"], "forward", never)
    found = stage.process(Frame(astronaut)).result("recognise")
    assert found.labels == ["unknown"]
    assert found.class_names == ("unknown",)
    gallery.add("Ann", Sample(NETWORK, np.zeros(1024, np.float32)))
    with pytest.raises(AssertionError, match="was made"):
        stage.process(Frame(astronaut))
    gallery.clear()
    assert stage.process(Frame(astronaut)).result("recognise").labels == ["unknown"]


def test_who_enrolled_is_named_and_others_are_not(gallery, networks, astronaut, street):
    enrol(gallery, networks, "Eileen", astronaut)
    stage = opened(Recognise)()
    for changed in (astronaut, np.ascontiguousarray(astronaut[:, ::-1]), (astronaut * 0.6).astype(np.uint8)):
        found = stage.process(Frame(changed)).result("recognise")
        assert found.labels == ["Eileen"]
        assert found.confidence[0] > 0.8
    for part in (street[380:560, 80:240], street[390:560, 210:360]):
        found = stage.process(Frame(np.ascontiguousarray(part))).result("recognise")
        assert found.labels == ["unknown"]
        assert found.class_names == ("Eileen", "unknown")
    gallery.rename("Eileen", "E. Collins")
    assert stage.process(Frame(astronaut)).result("recognise").labels == ["E. Collins"]
    gallery.delete("E. Collins")
    assert stage.process(Frame(astronaut)).result("recognise").labels == ["unknown"]


def test_a_damaged_gallery_is_told_of_when_the_stage_opens(gallery, tmp_path):
    (tmp_path / "faces.json").write_text("broken")
    with pytest.raises(ModelError, match="is damaged and was set aside"):
        opened(Recognise)()
    opened(Recognise)().close()


# Redaction -----------------------------------------------------------------------------------------------------------


def boxes(*rows, names=("person", "car"), class_id=0) -> Detections:
    xyxy = np.array(rows, np.float32).reshape(-1, 4)
    ids = np.full(len(rows), class_id)
    return Detections(xyxy=xyxy, confidence=np.ones(len(rows)), class_id=ids, class_names=names)


def noise(width: int = 200, height: int = 100) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def changed_box(before: np.ndarray, after: np.ndarray) -> list[int]:
    """Left, top, right, bottom of what is different; nothing gives an empty list."""
    where = (before != after).any(axis=2)
    ys, xs = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    return [xs[0], ys[0], xs[-1] + 1, ys[-1] + 1] if len(xs) else []


@pytest.mark.parametrize("how", ["blur", "squares", "colour"])
def test_the_persons_of_a_street_are_hidden_and_nothing_else(street, how):
    frame = opened(Detect)().process(Frame(street))
    out = opened(Redact)(what="objects", how=how, margin_percent=0).process(frame)
    inside = np.zeros(street.shape[:2], bool)
    found = frame.result("detect")
    assert found.labels.count("person") >= 3
    for x1, y1, x2, y2 in found.xyxy[[label == "person" for label in found.labels]]:
        inside[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))] = True
    difference = cv2.absdiff(out.image, street)
    assert difference[inside].mean() > 15
    assert not difference[~inside].any()
    assert "person" not in opened(Detect)().process(Frame(out.image)).result("detect").labels


@pytest.mark.parametrize("how", ["blur", "squares", "colour"])
def test_a_hidden_face_is_recognised_no_more(astronaut, networks, how):
    face, network = networks
    found = find_faces(face, astronaut, 0.5, clip=False)
    out = opened(Redact)(how=how).process(Frame(astronaut))
    before, after = (describe(network, image, found)[0] for image in (astronaut, out.image))
    # Two strangers are up to 0.46 alike.
    assert before @ after < 0.3
    x1, y1, x2, y2 = changed_box(astronaut, out.image)
    assert (x2 - x1) * (y2 - y1) < 0.12 * astronaut.shape[0] * astronaut.shape[1]


def test_all_but_the_face_is_hidden(astronaut):
    out = opened(Redact)(how="colour", colour="#102030", invert=True, margin_percent=0).process(Frame(astronaut))
    shown = (out.image != (0x30, 0x20, 0x10)).any(axis=2)
    assert 0.01 < shown.mean() < 0.06
    assert np.array_equal(out.image[shown], astronaut[shown])
    empty = opened(Redact)(how="colour", colour="#102030", invert=True).process(Frame(noise()))
    assert (empty.image == (0x30, 0x20, 0x10)).all(), "no face, so nothing is shown"


def test_a_picture_goes_over_the_face_with_the_colour_behind_it(astronaut, tmp_path):
    cover = np.zeros((10, 10, 4), np.uint8)
    cover[:5] = (0, 255, 0, 255)
    path = tmp_path / "mäske.png"
    path.write_bytes(cv2.imencode(".png", cover)[1].tobytes())
    out = opened(Redact)(how="picture", picture=str(path), colour="#ff0000").process(Frame(astronaut)).image
    x1, y1, x2, y2 = changed_box(astronaut, out)
    assert out[y1 + 5, (x1 + x2) // 2].tolist() == [0, 255, 0]
    assert out[y2 - 5, (x1 + x2) // 2].tolist() == [0, 0, 255]


@pytest.mark.parametrize(("path", "sentence"), [(None, "No picture was chosen"), ("nowhere.png", "cannot be read")])
def test_a_picture_that_is_not_there_is_told_of_when_the_stage_opens(path, sentence):
    with pytest.raises(StageError, match=sentence) as caught:
        opened(Redact)(how="picture", picture=path)
    assert caught.value.permanent


def test_a_region_is_hidden_or_everything_else_is():
    image = noise()
    region = Region(points=((0.25, 0.2), (0.75, 0.2), (0.75, 0.8), (0.25, 0.8)))
    params = {"what": "region", "region": region.model_dump(), "how": "colour", "colour": "#000000"}
    out = opened(Redact)(**params).process(Frame(image)).image
    assert changed_box(image, out) == [50, 20, 151, 81]
    assert not out[20:81, 50:151].any()
    other = opened(Redact)(**params, invert=True).process(Frame(image)).image
    assert np.array_equal(other[20:81, 50:151], image[20:81, 50:151])
    assert other.any(axis=2).sum() <= 61 * 101
    assert not opened(Redact)(what="region", how="colour", colour="#000000").process(Frame(image)).image.any()


def test_few_cells_are_left_of_a_box():
    image = noise()
    out = opened(Redact)(what="objects", how="squares", cells=4, margin_percent=0).process(
        Frame(image).with_result("d", boxes((20, 10, 100, 50)))
    )
    assert len(np.unique(out.image[10:50, 20:100].reshape(-1, 3), axis=0)) <= 8
    # Half of it lies outside the picture: its cells stay as large.
    out = opened(Redact)(what="objects", how="squares", cells=4, margin_percent=0).process(
        Frame(image).with_result("d", boxes((-40, 10, 40, 50)))
    )
    assert len(np.unique(out.image[10:50, :40].reshape(-1, 3), axis=0)) <= 4


def test_boxes_get_a_margin_and_grow_with_the_age_of_the_result():
    image = noise()
    found = boxes((80, 40, 100, 60))

    def hidden(age_s: float, **params) -> list[int]:
        frame = Frame(image, 9, 9.0, captured_s=100.0).with_result("d", found, Stamp(3, 100.0 - age_s))
        stage = opened(Redact)(what="objects", how="colour", **params)
        return changed_box(image, stage.process(frame).image)

    assert hidden(0, margin_percent=0) == [80, 40, 100, 60]
    assert hidden(0, margin_percent=50) == [70, 30, 110, 70]
    assert hidden(0.5, margin_percent=0, growth_percent_s=100) == [70, 30, 110, 70]
    with pytest.raises(StageError, match=r"What 'd' found is 2\.0 s old, so the whole picture is hidden"):
        hidden(2.0, oldest_s=1.5)


def test_a_place_stays_hidden_for_a_while_and_moves_with_what_is_there():
    image = noise()
    stage = opened(Redact)(what="objects", how="colour", margin_percent=0, growth_percent_s=0, hold_s=0.25)

    def hidden(pts_s: float, *rows) -> list[int]:
        frame = Frame(image, pts_s=pts_s).with_result("d", boxes(*rows))
        return changed_box(image, stage.process(frame).image)

    assert hidden(0.0, (10, 10, 30, 30)) == [10, 10, 30, 30]
    assert hidden(0.1, (14, 10, 34, 30)) == [14, 10, 34, 30], "it has moved: where it was is free"
    assert hidden(0.2) == [14, 10, 34, 30]
    assert hidden(0.3, (100, 50, 120, 70)) == [14, 10, 120, 70], "another one does not take its place"
    assert hidden(0.4, (100, 50, 120, 70)) == [100, 50, 120, 70]
    assert hidden(0.0) == [], "back in time, what is to come says nothing"
    # Two on one spot, and one of them is lost: it stays hidden.
    hidden(1.0, (10, 10, 30, 30), (16, 10, 36, 30))
    assert hidden(1.1, (16, 10, 36, 30)) == [10, 10, 36, 30]


def test_a_held_box_stays_where_it_is_when_the_picture_is_moved():
    image = noise()
    stage = opened(Redact)(what="objects", how="colour", margin_percent=0, growth_percent_s=0)
    stage.process(Frame(image).with_result("d", boxes((50, 20, 70, 40))))
    cropped = Frame(image, pts_s=0.1).with_image(image[10:, 30:], np.array([[1.0, 0, 30], [0, 1, 10], [0, 0, 1]]))
    out = stage.process(cropped.with_result("d", boxes()))
    assert changed_box(image[10:, 30:], out.image) == [20, 10, 40, 30]


def test_without_a_detector_the_stage_fails_and_does_not_pass_the_picture():
    frame = Frame(noise())
    stage = opened(Redact)(what="objects")
    for nothing in (frame, frame.with_result("words", Labels())):
        with pytest.raises(StageError, match="so the whole picture is hidden") as caught:
            stage.process(nothing)
        assert not caught.value.permanent
    with pytest.raises(StageError, match="so the whole picture is hidden"):
        opened(Redact)(what="objects", of_stage="other").process(frame.with_result("d", boxes((1, 1, 5, 5))))
    with pytest.raises(StageError, match="knows no class 'persn'") as caught:
        opened(Redact)(what="objects", classes=["persn"]).process(frame.with_result("d", boxes()))
    assert "person, car" in caught.value.hint
    with pytest.raises(SpecError):
        Redact.validated({"what": "everything"})


def test_a_live_detector_that_is_still_loading_is_waited_for_behind_a_hidden_picture():
    image = noise()
    stage = opened(Redact, live=True)(what="objects", how="colour", colour="#000000", margin_percent=0)
    for captured_s in (50.0, 52.0, 59.0):
        assert not stage.process(Frame(image, captured_s=captured_s)).image.any()
    shown = stage.process(Frame(image, captured_s=59.5).with_result("d", boxes((0, 0, 10, 10)))).image
    assert shown[50:].any()
    assert not stage.process(Frame(image, captured_s=65.0)).image.any()
    with pytest.raises(StageError):
        stage.process(Frame(image, captured_s=70.0))


def test_the_engine_hides_the_whole_picture_when_the_stage_fails():
    registry = Registry("scenescope.stages", Stage)
    registry.add("redact", Redact)
    spec = StageSpec(id="hide", kind="redact", params={"what": "objects"})
    host = StageHost(spec, registry, StageContext("hide"), lambda: None, lambda _: None)
    host.load(lambda adopt: adopt()).join()
    image = noise()
    for _ in range(4):
        out = host.run(Frame(image)).image
        assert (out.astype(float).std(axis=(0, 1)) < image.astype(float).std(axis=(0, 1)) / 3).all()
    assert host.state.phase is StagePhase.TRIPPED
    host.close().join()


def test_only_what_is_loaded_needs_the_stage_to_open_again():
    stage = opened(Redact)(what="objects")
    assert stage.networks == {}
    assert stage.placement() is None
    for params, again in (
        ({"what": "region"}, False),
        ({"what": "objects", "model": "another"}, False),
        ({"what": "objects", "how": "picture", "picture": "a.png"}, True),
        ({"what": "faces"}, True),
    ):
        assert stage.needs_reopen(Redact.validated(params)) is again
    assert opened(Redact)().needs_reopen(Redact.validated({"device": "cpu"}))
