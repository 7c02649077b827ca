"""Faces, poses and mattes of the bundled networks on a real photo, and the geometry behind them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from scenescope.models import Keypoints, ModelIncompatible
from scenescope.models.cards import load_card
from scenescope.models.people import Faces, Landmarks
from scenescope.models.vision.base import open_model
from scenescope.models.vision.crops import angle_of, infer_crop, mirrored, turned_square
from scenescope.models.vision.decoders import decoder_for
from scenescope.models.vision.decoders.anchors import blended, overlap, ssd_anchors
from scenescope.models.vision.decoders.movenet import COCO_NAMES
from scenescope.models.vision.face_topology import LEFT_EYE, LEFT_IRIS, MIDLINE, RIGHT_EYE, RIGHT_IRIS, SYMMETRIC
from scenescope.models.vision.faces import _tiles, find_faces, find_meshes
from scenescope.models.vision.gaze import angles_deg, gaze_direction, head_rotation, roll_deg
from scenescope.models.vision.inputs import InputSpec
from scenescope.models.vision.mattes import full_alpha
from scenescope.models.vision.smoothing import KeypointSmoother

# Read off the enlarged photo by eye, in pixels.
FACE_XYXY = np.array([180, 78, 272, 177.0])
EYES = {"right": (203.3, 100.8), "left": (246.7, 103.3)}
NOSE, CHIN = (224, 127), (222.5, 176)
MOUTH_CORNERS = (203, 138.7), (246.3, 142.5)


def loaded(name):
    model = open_model(load_card(name))
    model.load()
    return model


@pytest.fixture(scope="module")
def astronaut(photos):
    return cv2.imread(str(photos / "astronaut.png"))


@pytest.fixture(scope="module")
def nets():
    names = ("blazeface_short_range_128", "face_mesh_192", "iris_64")
    return [loaded(name) for name in names]


def meshes(image, nets):
    faces = find_faces(nets[0], image, 0.5, clip=False)
    return find_meshes(image, faces, nets[1], nets[2])


def distance(a, b) -> float:
    return float(np.linalg.norm(np.asarray(a) - np.asarray(b)))


# Anchors, blending, crops ---------------------------------------------------------------------------------------------


def test_anchors_are_those_that_were_published():
    assert ssd_anchors(128).shape == (896, 2)
    assert ssd_anchors(192).shape == (2016, 2)
    centres = ssd_anchors(128)
    assert centres[[0, 1, 2, 32]].tolist() == [[4, 4], [4, 4], [12, 4], [4, 12]]
    assert centres[[512, 517, 518]].tolist() == [[8, 8], [8, 8], [24, 8]]


def test_blending_averages_what_overlaps_by_confidence():
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60], [1, 1, 11, 11]], np.float32)
    points = boxes[:, None, :2]
    xyxy, xy, sure = blended(boxes, points, np.array([0.25, 0.5, 0.75]), 0.3)
    assert xyxy.tolist() == [[0.75, 0.75, 10.75, 10.75], [50, 50, 60, 60]]
    assert xy.tolist() == [[[0.75, 0.75]], [[50, 50]]]
    assert sure.tolist() == [0.75, 0.5]
    empty = blended(boxes[:0], points[:0], np.empty(0), 0.3)
    assert [part.shape for part in empty] == [(0, 4), (0, 1, 2), (0,)]


@pytest.mark.parametrize(
    ("angle_deg", "corner"), [(0, (90, 190)), (90, (110, 190)), (180, (110, 210)), (45, (100, 200 - 200**0.5))]
)
def test_a_turned_square_lies_where_it_should(angle_deg, corner):
    """Its top left corner goes round clockwise."""
    matrix = turned_square((100, 200), 20, np.radians(angle_deg), (64, 64))
    assert (matrix @ [32, 32, 1])[:2] == pytest.approx((100, 200))
    assert (matrix @ [0, 0, 1])[:2] == pytest.approx(corner)
    assert (mirrored(matrix, 64) @ [64, 0, 1])[:2] == pytest.approx(corner)


def test_the_angle_of_a_direction_is_clockwise():
    assert np.degrees(angle_of((0, 0), (1, 1))) == pytest.approx(45)
    assert np.degrees(angle_of((0, 0), (-1, 0), np.pi / 2)) == pytest.approx(90)


# Networks on the photo ------------------------------------------------------------------------------------------------


def test_blazeface_finds_the_face_and_its_points(astronaut, nets):
    (found,) = nets[0].infer([astronaut])
    assert isinstance(found, Faces)
    assert found.labels == ["face"]
    assert found.confidence[0] > 0.9
    assert overlap(FACE_XYXY, found.xyxy)[0] > 0.85
    right, left, nose, mouth, right_ear, left_ear = found.points_xy[0]
    assert distance(right, EYES["right"]) < 5
    assert distance(left, EYES["left"]) < 7
    assert distance(nose, NOSE) < 5
    assert distance(mouth, np.mean(MOUTH_CORNERS, axis=0)) < 9
    assert right_ear[0] < right[0] < left[0] < left_ear[0]


def test_points_of_a_face_move_with_its_box(astronaut, nets):
    (found,) = nets[0].infer([astronaut])
    twice = found.warped(np.diag([2.0, 2.0, 1.0]))
    assert np.allclose(twice.points_xy, found.points_xy * 2)
    assert np.allclose(twice.xyxy, found.xyxy * 2)
    assert len(found[:0].keypoints) == 0


def test_small_faces_are_found_in_tiles(astronaut, nets):
    scene = np.full((900, 1600, 3), 90, np.uint8)
    scene[400:656, 1200:1456] = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    assert len(find_faces(nets[0], scene, 0.6)) == 0
    found = find_faces(nets[0], scene, 0.6, tiles=4)
    assert len(found) == 1, "though several tiles show it"
    assert overlap(FACE_XYXY / 2 + [1200, 400, 1200, 400], found.xyxy)[0] > 0.75


@pytest.mark.parametrize(("size_wh", "most"), [((1280, 720), 12), ((720, 1280), 12), ((1, 1), 1), ((4000, 2), 50)])
def test_tiles_cover_the_picture(size_wh, most):
    covered = np.zeros(size_wh[::-1], bool)
    tiles = list(_tiles(*size_wh, 2))
    for x, y, side in tiles:
        covered[y : y + side, x : x + side] = True
    assert covered.all()
    assert len(tiles) <= most


def test_the_mesh_lies_on_the_face(astronaut, nets):
    found = meshes(astronaut, nets)
    assert found.xy.shape == (1, 478, 2)
    assert found.confidence.min() > 0.9
    xy = found.xy[0]
    for index, seen in ((1, NOSE), (152, CHIN), (61, MOUTH_CORNERS[0]), (291, MOUTH_CORNERS[1])):
        assert distance(xy[index], seen) < 5, index
    for eye, side in ((RIGHT_EYE, "right"), (LEFT_EYE, "left")):
        assert distance(xy[list(eye)].mean(axis=0), EYES[side]) < 4
    oval = xy[[10, 152, 234, 454]]
    assert overlap(FACE_XYXY, np.array([[*oval.min(axis=0), *oval.max(axis=0)]]))[0] > 0.85


def test_the_irises_lie_in_the_eyes(astronaut, nets):
    xy = meshes(astronaut, nets).xy[0]
    for eye, iris, side in ((RIGHT_EYE, RIGHT_IRIS, "right"), (LEFT_EYE, LEFT_IRIS, "left")):
        contour = np.rint(xy[list(eye[:9] + eye[:8:-1])] * 16).astype(np.int32)
        assert cv2.pointPolygonTest(contour, tuple((xy[iris[0]] * 16).tolist()), measureDist=False) > 0
        assert distance(xy[iris[0]], EYES[side]) < 2
        # The darkest of the eye, seen through the iris' own border.
        radius = distance(xy[iris[1]], xy[iris[3]]) / 2
        assert 3 < radius < 6
        mask = np.zeros(astronaut.shape[:2], np.uint8)
        cv2.circle(mask, tuple(np.rint(xy[iris[0]] - 0.5).astype(int).tolist()), 2, 255, -1)
        white = np.zeros_like(mask)
        cv2.fillPoly(white, [contour // 16], 255)
        assert cv2.mean(astronaut, mask)[0] < 0.75 * cv2.mean(astronaut, white & ~mask)[0]


def test_she_looks_into_the_camera(astronaut, nets):
    yaw, pitch = angles_deg(gaze_direction(meshes(astronaut, nets)))
    assert abs(yaw) < 8
    assert abs(pitch) < 8


def test_a_mirror_changes_left_and_right(astronaut, nets):
    here, there = meshes(astronaut, nets), meshes(np.ascontiguousarray(astronaut[:, ::-1]), nets)
    for face, sign in ((here, 1), (there, -1)):
        assert sign * angles_deg(gaze_direction(face))[0] < -1, "she looks a little to the photo's left"
        assert sign * roll_deg(head_rotation(face)) > 1, "and tilts her head to its right"


@pytest.mark.parametrize("turn_deg", [-30, 20])
def test_a_turned_head_is_turned_upright_before_it_is_looked_at(astronaut, nets, turn_deg):
    matrix = np.vstack([cv2.getRotationMatrix2D((225, 125), -turn_deg, 1), [0, 0, 1]])
    turned = cv2.warpAffine(astronaut, matrix[:2], (512, 512))
    straight, found = meshes(astronaut, nets), meshes(turned, nets)
    assert roll_deg(head_rotation(found)) - roll_deg(head_rotation(straight)) == pytest.approx(turn_deg, abs=4)
    apart = np.linalg.norm(found.xy - straight.warped(matrix).xy, axis=-1)
    assert np.median(apart) < 2.5


def test_nothing_is_a_face_where_the_mesh_sees_none(astronaut, nets):
    wall = Faces(xyxy=np.array([[330, 20, 390, 80.0]]), confidence=[0.9], class_id=[0], points_xy=np.zeros((1, 6, 2)))
    found = find_meshes(astronaut, wall, nets[1], nets[2])
    assert found.xy.shape == (0, 478, 2)
    assert found.skeleton


def test_one_person_and_many_agree_on_the_photo(astronaut):
    (one,) = loaded("movenet_singlepose_lightning_192").infer([astronaut])
    (many,) = loaded("movenet_multipose_lightning").infer([astronaut])
    for found in (one, many):
        assert found.names == COCO_NAMES
        assert len(found) == 1
        named = dict(zip(found.names, found.xy[0], strict=True))
        assert distance(named["nose"], NOSE) < 8
        assert distance(named["right_eye"], EYES["right"]) < 8
        assert distance(named["left_eye"], EYES["left"]) < 8
        assert named["right_shoulder"][0] < 160 < 290 < named["left_shoulder"][0]
        assert 200 < named["right_shoulder"][1] < 300


def test_the_matte_is_the_person(astronaut):
    (found,) = loaded("selfie_segmentation_256").infer([astronaut])
    assert found.labels == ["person"]
    alpha = full_alpha(found)
    assert alpha.shape == astronaut.shape[:2]
    for x, y in (EYES["left"], NOSE, CHIN, (225, 40), (110, 300), (300, 330), (200, 450)):
        assert alpha[round(y), round(x)] > 230, (x, y)
    for x, y in ((20, 20), (40, 150), (420, 100), (340, 60), (440, 320)):
        assert alpha[y, x] < 40, (x, y)
    between = (alpha > 40) & (alpha < 230)
    assert 0.005 < between.mean() < 0.1, "the edge is soft"


@pytest.mark.parametrize("grey", [0, 128])
def test_an_empty_picture_has_nobody(grey, nets):
    empty = np.full((240, 320, 3), grey, np.uint8)
    assert len(find_faces(nets[0], empty, 0.5, tiles=2)) == 0
    assert len(meshes(empty, nets)) == 0
    for name in ("movenet_singlepose_lightning_192", "movenet_multipose_lightning", "selfie_segmentation_256"):
        (found,) = loaded(name).infer([empty])
        assert len(found) == 0, name


@pytest.mark.parametrize(
    "name",
    ["movenet_singlepose_lightning_192", "selfie_segmentation_256", "blazeface_short_range_128", "face_mesh_192"],
)
def test_outputs_of_another_network_are_refused(name):
    card = load_card(name)
    spec = InputSpec.from_dict(card.input, card.title)
    with pytest.raises(ModelIncompatible, match=card.file):
        decoder_for(card, spec, {"output": np.zeros((1, 84, 8400), np.float32)})


def test_landmarks_need_a_card_that_counts_them():
    card = replace(load_card("face_mesh_192"), options={})
    with pytest.raises(ModelIncompatible, match="how many points"):
        decoder_for(card, InputSpec.from_dict(card.input), {})


def test_the_presence_decides(astronaut, nets):
    """A crop of the shuttle is no face, whatever points the network gives."""
    crop = turned_square((415, 130), 100, 0.0, (192, 192))
    anyhow = infer_crop(nets[1], astronaut, crop)
    assert anyhow.xy.shape == (1, 468, 2)
    assert anyhow.confidence.max() < 0.5
    assert len(infer_crop(nets[1], astronaut, crop, confidence=0.5)) == 0


# Gaze and smoothing, on made points -----------------------------------------------------------------------------------

AHEAD = np.array([0.0, 0.0, -1.0])


def turned(vector, yaw_deg: float, pitch_deg: float):
    """Towards the picture's right, then up."""
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    x, y, z = vector
    y, z = y * np.cos(pitch) + z * np.sin(pitch), z * np.cos(pitch) - y * np.sin(pitch)
    return np.array([x * np.cos(yaw) - z * np.sin(yaw), y, z * np.cos(yaw) + x * np.sin(yaw)])


def made_face(head=(0.0, 0.0), gaze=(0.0, 0.0), openness=0.35, px_per_mm=3.0) -> Landmarks:
    """A head of plain geometry: two eyes 60 mm apart and 30 mm wide, turned, and eyeballs that look somewhere."""
    points = np.zeros((478, 3))
    for right, left in SYMMETRIC:
        points[right], points[left] = (-60, 0, 40), (60, 0, 40)
    points[MIDLINE[0]], points[MIDLINE[1]] = (0, -90, 0), (0, 90, 0)
    for eye, side in ((RIGHT_EYE, -1), (LEFT_EYE, 1)):
        for position, index in enumerate(eye):
            if position < 9:
                across, lid = 1 - position / 4, np.sin(np.pi * position / 8)
            else:
                across, lid = 1 - (position - 8) / 4, -np.sin(np.pi * (position - 8) / 8)
            points[index] = (side * (30 + 15 * across), lid * 15 * openness, 0)
    points = np.array([turned(point, *head) for point in points])
    for iris, side in ((RIGHT_IRIS, -1), (LEFT_IRIS, 1)):
        ball = turned((side * 30.0, 0.0, 6.0), *head)
        for index, (x, y) in zip(iris, ((0, 0), (5.85, 0), (0, -5.85), (-5.85, 0), (0, 5.85)), strict=True):
            points[index] = ball + 10 * turned(AHEAD, *gaze) + (x, y, 0)
    points *= px_per_mm
    return Landmarks(xy=points[None, :, :2] + 500, confidence=np.ones((1, 478)), z=points[None, :, 2])


@pytest.mark.parametrize("head", [(0, 0), (25, 0), (-25, 10), (0, -20)])
@pytest.mark.parametrize("gaze", [(0, 0), (20, 0), (-30, 5), (3, -15)])
def test_head_and_gaze_of_a_made_face_come_back(head, gaze):
    face = made_face(head, gaze)
    assert angles_deg(-head_rotation(face)[:, 2]) == pytest.approx(head, abs=0.01)
    assert roll_deg(head_rotation(face)) == pytest.approx(0, abs=6)
    assert angles_deg(gaze_direction(face)) == pytest.approx(gaze, abs=0.5)


def test_closed_eyes_look_nowhere():
    assert gaze_direction(made_face(openness=0.05)) is None


def jittering(count=60, seed=3):
    rng = np.random.default_rng(seed)
    still = np.array([[100, 100], [150, 100], [100, 200], [150, 200]], np.float64)
    for _ in range(count):
        yield Keypoints(xy=(still + rng.normal(0, 1.0, still.shape))[None], confidence=np.ones((1, 4)))


def test_smoothing_takes_tremble_out():
    smoother = KeypointSmoother()
    before = list(jittering())
    after = [smoother.smoothed(found, index / 30) for index, found in enumerate(before)]
    rough, calm = (np.std([found.xy for found in run[10:]], axis=0).mean() for run in (before, after))
    assert calm < 0.6 * rough


def test_smoothing_keeps_up_with_quick_people():
    smoother = KeypointSmoother()
    base = np.array([[[0, 0], [50, 0], [0, 100], [50, 100]]], np.float64)
    for index in range(30):
        moved = Keypoints(xy=base + 10.0 * index, confidence=np.ones((1, 4)))
        found = smoother.smoothed(moved, index / 30)
    assert np.abs(found.xy - moved.xy).max() < 10, "less than one picture behind at three body lengths a second"


def test_smoothing_tells_people_apart_and_forgets_after_a_jump():
    smoother = KeypointSmoother()
    a, b = (
        np.zeros((4, 2)) + [[0, 0], [40, 0], [0, 80], [40, 80]],
        np.zeros((4, 2)) + [[300, 0], [340, 0], [300, 80], [340, 80]],
    )
    sure = np.ones((2, 4))
    smoother.smoothed(Keypoints(xy=np.stack([a, b]), confidence=sure), 0.0)
    swapped = smoother.smoothed(Keypoints(xy=np.stack([b, a]), confidence=sure), 0.03)
    assert np.allclose(swapped.xy, [b, a])
    later = smoother.smoothed(Keypoints(xy=np.stack([a + 5, b]), confidence=sure), 9.0)
    assert np.allclose(later.xy[0], a + 5)
    back = smoother.smoothed(Keypoints(xy=np.stack([a, b]), confidence=sure), 1.0)
    assert np.allclose(back.xy, [a, b])
    assert len(smoother.smoothed(Keypoints(), 1.1)) == 0
