"""Poses, faces, meshes, mattes and backgrounds: frame in, frame out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenescope.models import Keypoints, Masks, ModelIncompatible, Shapes, StageError
from scenescope.models.people import FACE_POINTS
from scenescope.models.vision.mattes import full_alpha, outlined, steadied
from scenescope.pipelines import Frame, StageContext
from scenescope.pipelines.overlay import OverlayPainter
from scenescope.pipelines.stages.effects.backdrop import Backdrop
from scenescope.pipelines.stages.recognise.detect import Detect
from scenescope.pipelines.stages.recognise.face_mesh import FaceMesh
from scenescope.pipelines.stages.recognise.faces import Faces
from scenescope.pipelines.stages.recognise.matte import Matte
from scenescope.pipelines.stages.recognise.pose import Pose

pytestmark = pytest.mark.slow

CLIP = "one-by-one-person-detection.mp4"
# Frames in which somebody stands or walks, whole in the picture, and some in which nobody is there.
WITH_PERSON, EMPTY = (115, 190, 265, 340, 415), (40, 490)
MULTI = "movenet_multipose_lightning"
FACE, FLAG, SHUTTLE, SUIT = (224, 127), (20, 20), (420, 100), (110, 300)


@pytest.fixture(scope="module")
def astronaut(photos) -> Frame:
    return Frame(cv2.imread(str(photos / "astronaut.png")))


@pytest.fixture
def stages():
    opened = []

    def make(cls, **params):
        stage = cls(cls.validated(params))
        stage.context = StageContext(stage_id="stage")
        stage.open(stage.context)
        opened.append(stage)
        return stage

    yield make
    for stage in opened:
        stage.close()


def frames(path, until: int):
    capture = cv2.VideoCapture(str(path))
    for index in range(until + 1):
        _, image = capture.read()
        yield Frame(image, index, index / 10)
    capture.release()


def at(image, point):
    return image[point[1], point[0]]


@pytest.mark.parametrize(
    ("cls", "params"),
    [(Pose, {}), (Pose, {"model": MULTI}), (Faces, {"tiles": 2}), (FaceMesh, {"head": True}), (Matte, {})]
    + [(Backdrop, {"mode": mode}) for mode in ("blur", "colour", "grid")],
)
def test_any_picture_will_do_and_an_empty_one_has_nobody(cls, params, stages):
    stage = stages(cls, **params)
    for index, shape in enumerate([(1, 1, 3), (2, 4000, 3), (4000, 2, 3), (480, 640, 3)]):
        out = stage.process(Frame(np.full(shape, 90, np.uint8), index, index / 30))
        assert out.image.shape == shape
        assert all(len(out.result(name)) == 0 for name in out.results)
        assert bool(out.results) == (cls is not Backdrop)


# Pose -----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("params", [{}, {"follow": False, "smooth": False}, {"model": MULTI}])
def test_walking_people_have_shoulders_above_their_hips(params, stages, media):
    pose, detect = stages(Pose, **params), stages(Detect, only=["person"])
    for frame in frames(media(CLIP), max(EMPTY)):
        needed = frame.index in WITH_PERSON + EMPTY
        # The follower is given every picture, as in life; the others only those that are looked at.
        if not needed and params:
            continue
        found = pose.process(frame).result("stage")
        if frame.index in EMPTY:
            assert len(found) == 0
        elif frame.index in WITH_PERSON:
            assert len(found) == 1
            points = dict(zip(found.names, found.xy[0], strict=True))
            sure = dict(zip(found.names, found.confidence[0], strict=True))
            torso = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
            assert min(sure[name] for name in torso) > 0.3
            assert max(points[name][1] for name in torso[:2]) < min(points[name][1] for name in torso[2:])
            person = detect.process(frame).result("stage").xyxy[0]
            for name in torso:
                assert (person[:2] - 5 < points[name]).all(), name
                assert (points[name] < person[2:] + 5).all(), name


def test_a_crop_that_follows_sees_more(stages, photos):
    """A person who is small in the picture is found more surely at the second look."""
    scene = np.full((720, 1280, 3), 120, np.uint8)
    scene[300:500, 900:1100] = cv2.resize(cv2.imread(str(photos / "astronaut.png")), (200, 200))
    pose = stages(Pose, smooth=False, confidence=0.05)
    first = pose.process(Frame(scene, 0, 0.0)).result("stage")
    second = pose.process(Frame(scene, 1, 0.1)).result("stage")
    anew = pose.process(Frame(scene, 2, 9.0)).result("stage")
    assert second.confidence.mean() > first.confidence.mean() + 0.1
    assert np.array_equal(anew.xy, first.xy), "after a jump in time the whole picture is searched"


def test_smoothing_of_one_person_starts_with_what_was_found(astronaut, stages):
    rough = stages(Pose, smooth=False).process(astronaut).result("stage")
    calm = stages(Pose).process(astronaut).result("stage")
    assert np.array_equal(rough.xy, calm.xy)


# Faces ----------------------------------------------------------------------------------------------------------------


def test_a_face_comes_with_its_points(astronaut, stages):
    out = stages(Faces).process(astronaut)
    assert out.result("stage").labels == ["face"]
    points = out.result("stage.points")
    assert points.names == FACE_POINTS
    x1, y1, x2, y2 = out.result("stage").xyxy[0]
    assert (points.xy[0, :4] > (x1, y1)).all()
    assert (points.xy[0, :4] < (x2, y2)).all()


def test_faces_that_are_too_small_or_not_sure_are_left_out(astronaut, stages):
    for params in ({"min_size_px": 150}, {"confidence": 0.99}):
        assert len(stages(Faces, **params).process(astronaut).result("stage")) == 0
    assert set(stages(Faces, points=False).process(astronaut).results) == {"stage"}


def test_the_mesh_is_drawn_as_outlines_with_an_arrow_for_the_gaze(astronaut, stages):
    out = stages(FaceMesh, head=True).process(astronaut)
    mesh, gaze, head = (out.result(f"stage{part}") for part in ("", ".gaze", ".head"))
    assert mesh.xy.shape == (1, 478, 2)
    assert isinstance(gaze, Shapes)
    assert gaze.measure_names == ("yaw_deg", "pitch_deg")
    yaw, pitch = gaze.measures[0]
    assert gaze.caption == (f"gaze {abs(yaw):.0f}° left, {abs(pitch):.0f}° up",)
    assert np.abs(gaze.measures).max() < 8, "into the camera"
    assert head.caption[0].startswith("head ")
    assert np.abs(head.measures[0]).max() < 20
    painted = out.image.copy()
    OverlayPainter().paint(painted, [("stage", mesh)])
    changed = (painted != out.image).any(axis=2)
    assert changed[70:180, 175:275].mean() > 0.1
    assert not changed[120:123, 222:227].any(), "no dots on the nose"


def test_without_gaze_there_are_no_irises(astronaut, stages):
    out = stages(FaceMesh, gaze=False).process(astronaut)
    assert out.result("stage").xy.shape == (1, 468, 2)
    assert set(out.results) == {"stage"}


@pytest.mark.parametrize("param", ["mesh_model", "iris_model"])
def test_a_network_for_something_else_is_refused(param, stages):
    with pytest.raises(ModelIncompatible, match="does detection, not") as caught:
        stages(FaceMesh, **{param: "nanodet_g_416_coco"})
    assert param in caught.value.hint


def test_two_faces_have_two_meshes_the_larger_first(astronaut, stages):
    small = cv2.resize(astronaut.image, (384, 384), interpolation=cv2.INTER_AREA)
    scene = np.full((512, 896, 3), 90, np.uint8)
    scene[:, 384:] = astronaut.image
    scene[:384, :384] = small
    out = stages(FaceMesh, tiles=2).process(Frame(scene))
    noses = out.result("stage").xy[:, 4]
    assert np.allclose(noses, [[384 + 224, 127], [224 * 0.75, 127 * 0.75]], atol=5)
    assert len(out.result("stage.gaze")) == 2
    one = stages(FaceMesh, tiles=2, most_faces=1).process(Frame(scene)).result("stage")
    assert np.allclose(one.xy[:, 4], noses[:1], atol=0.01)


# Matte and background -------------------------------------------------------------------------------------------------


def test_the_matte_has_the_person_and_not_the_flag(astronaut, stages):
    found = stages(Matte).process(astronaut).result("stage")
    assert isinstance(found, Masks)
    alpha = full_alpha(found)
    assert [at(alpha, point) for point in (FACE, SUIT, FLAG, SHUTTLE)] == [255, 255, 0, 0]
    hard = full_alpha(stages(Matte, softness_px=0).process(astronaut).result("stage"))
    assert set(np.unique(hard)) == {0, 255}
    assert 0.3 < (hard > 0).mean() < 0.7


def test_only_unsure_pixels_remember(astronaut):
    before = np.array([[0, 255, 0, 255]], np.uint8)
    now = np.array([[255, 0, 128, 128]], np.uint8)
    steady = steadied(now, before, 0.5)
    assert steady[0, :2].tolist() == [255, 0], "sure pixels follow at once"
    assert steady[0, 2:].tolist() == pytest.approx([64, 191], abs=1)
    assert steadied(now, None, 0.5) is now
    assert steadied(now, before[:, :2], 0.5) is now


@pytest.mark.parametrize("softness_px", [0, 8])
def test_the_soft_edge_is_as_wide_as_was_said(softness_px):
    alpha = np.zeros((40, 100), np.uint8)
    alpha[:, 50:] = 255
    row = outlined(alpha, 0.5, softness_px)[20]
    assert abs(int(((row > 5) & (row < 250)).sum()) - softness_px) <= 1
    assert row[:40].max() == 0
    assert row[60:].min() == 255


@pytest.mark.parametrize(
    "params", [{"mode": "blur"}, {"mode": "colour", "colour": "#0a141e"}, {"mode": "grid"}, {"mode": "picture"}]
)
def test_the_person_stays_and_the_background_goes(params, astronaut, stages, photos):
    if params["mode"] == "picture":
        params = {**params, "picture": str(photos / "coffee.png")}
    out = stages(Backdrop, **params).process(astronaut)
    alpha = full_alpha(stages(Matte).process(astronaut).result("stage"))
    inside, outside = alpha == 255, alpha == 0
    assert inside.mean() > 0.3
    assert outside.mean() > 0.2
    assert np.array_equal(out.image[inside], astronaut.image[inside])
    changed = np.abs(out.image.astype(int) - astronaut.image).max(axis=2)[outside]
    assert np.mean(changed > 2) > 0.5
    if params["mode"] == "colour":
        assert np.array_equal(np.unique(out.image[outside], axis=0), [[30, 20, 10]])
    elif params["mode"] == "grid":
        assert set(np.unique(out.image[outside])) == {153, 204}
        assert at(out.image, (0, 0))[0] != at(out.image, (16, 0))[0]
    elif params["mode"] == "blur":
        flag = np.s_[0:120, 0:80]
        assert (
            cv2.Laplacian(out.image[flag], cv2.CV_64F).var()
            < cv2.Laplacian(astronaut.image[flag], cv2.CV_64F).var() / 50
        )
    else:
        coffee = cv2.imread(str(photos / "coffee.png"))
        fitted = cv2.resize(coffee[:, 100:500], (512, 512))
        assert np.abs(fitted[outside].astype(int) - out.image[outside]).mean() < 3, "its middle, not squeezed"


def test_the_background_is_a_privacy_stage():
    assert Backdrop.info.privacy
    assert not Matte.info.privacy


def test_without_a_person_all_is_background(stages):
    stage = stages(Backdrop, mode="colour", colour="#ffffff")
    assert (stage.process(Frame(np.zeros((300, 400, 3), np.uint8))).image == 255).all()


@pytest.mark.parametrize(("path", "message"), [("", "No picture was chosen"), ("nowhere.png", "cannot be read")])
def test_a_picture_that_is_not_there_is_told(path, message, stages):
    with pytest.raises(StageError, match=message) as caught:
        stages(Backdrop, mode="picture", picture=path)
    assert caught.value.permanent
    assert caught.value.hint


def test_a_file_that_is_no_picture_is_told(tmp_path, stages):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(StageError, match="is not a picture"):
        stages(Backdrop, mode="picture", picture=str(tmp_path / "text.png"))


def test_only_another_picture_or_network_opens_the_background_anew(stages, photos):
    stage = stages(Backdrop)
    for params in ({"sigma_px": 40}, {"mode": "grid"}, {"picture": "unused.png"}):
        assert not stage.needs_reopen(Backdrop.validated(params))
    coffee = str(photos / "coffee.png")
    for params in ({"mode": "picture", "picture": coffee}, {"device": "cpu"}):
        assert stage.needs_reopen(Backdrop.validated(params))


def test_poses_are_keypoints_of_one_skeleton(astronaut, stages):
    for params in ({}, {"model": MULTI}):
        found = stages(Pose, **params).process(astronaut).result("stage")
        assert isinstance(found, Keypoints)
        assert found.xy.shape == (1, 17, 2)
        assert max(max(pair) for pair in found.skeleton) == 16
