"""Markers and codes, rendered by the tests from a known truth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenescope.models import Markers, SpecError, StageError, Texts
from scenescope.pipelines import Frame, StageContext
from scenescope.pipelines.calibration import CameraCalibration
from scenescope.pipelines.stages.markers.codes import Codes
from scenescope.pipelines.stages.markers.markers import FiducialMarkers

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 1280, 720
FOCAL_PX = WIDTH / 2 / np.tan(np.radians(30))
# Of a camera that sees 60 degrees across; pixel centres at whole numbers plus one half.
CAMERA = np.array([[FOCAL_PX, 0, WIDTH / 2], [0, FOCAL_PX, HEIGHT / 2], [0, 0, 1]])
HALF = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
FINER = 3


def opened(cls, **params):
    stage = cls(cls.validated(params))
    stage.context = StageContext(stage_id="it")
    stage.open(stage.context)
    return stage


@pytest.fixture(scope="module")
def wall(photos) -> np.ndarray:
    return cv2.resize(cv2.imread(str(photos / "coffee.png")), (WIDTH, HEIGHT))


def laid(picture: np.ndarray, texture: np.ndarray, to_picture: np.ndarray) -> np.ndarray:
    """``picture`` with a grey ``texture`` whose pixels the 3x3 matrix maps to those of the picture, anti-aliased."""
    size = (picture.shape[1] * FINER, picture.shape[0] * FINER)
    matrix = np.linalg.inv(HALF) @ np.diag([FINER, FINER, 1]) @ to_picture @ HALF
    ink = cv2.warpPerspective(texture, matrix, size)
    covered = cv2.warpPerspective(np.full_like(texture, 255), matrix, size)
    fine = np.where(covered[..., None] > 127, ink[..., None], cv2.resize(picture, size))
    return cv2.resize(fine, picture.shape[1::-1], interpolation=cv2.INTER_AREA)


# Markers ------------------------------------------------------------------------------------------------------------


def turned(tilt_deg: float, swing_deg: float, spin_deg: float) -> np.ndarray:
    """Rotation from a marker's frame (x right, y up, z to the viewer) to the camera's (y down, z away)."""
    angles = np.radians([[tilt_deg, 0, 0], [0, swing_deg, 0], [0, 0, spin_deg]])
    matrices = [cv2.Rodrigues(angle)[0] for angle in angles]
    return matrices[0] @ matrices[1] @ matrices[2] @ np.diag([1.0, -1, -1])


def with_marker(wall, family: str, number: int, size_m: float, rotation, translation_m) -> np.ndarray:
    """The wall with a marker before it, and its white rim, seen by ``CAMERA``."""
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, family))
    modules, px = dictionary.markerSize + 2, 40
    texture = cv2.aruco.generateImageMarker(dictionary, number, modules * px)
    texture = cv2.copyMakeBorder(texture, px, px, px, px, cv2.BORDER_CONSTANT, value=255)
    side = size_m / (modules * px)
    half = side * texture.shape[0] / 2
    to_plane = np.array([[side, 0, -half], [0, -side, half], [0, 0, 1]])
    return laid(wall, texture, CAMERA @ np.column_stack([rotation[:, 0], rotation[:, 1], translation_m]) @ to_plane)


def corners_of(size_m: float, rotation, translation_m) -> np.ndarray:
    half = size_m / 2
    model = np.array([[-half, half, 0], [half, half, 0], [half, -half, 0], [-half, -half, 0]])
    seen = (model @ rotation.T + translation_m) @ CAMERA.T
    return seen[:, :2] / seen[:, 2:]


POSES = [
    # tilt, swing, spin in degrees; x, y, z in metres
    ((0, 0, 0), (0.0, 0.0, 0.4)),
    ((30, 0, 20), (0.05, 0.02, 0.4)),
    ((-20, 35, 70), (-0.1, 0.05, 0.5)),
    ((45, 10, 160), (0.1, -0.08, 0.6)),
    ((5, -50, -100), (-0.2, 0.1, 0.8)),
]
OTHERS = ["DICT_6X6_250", "DICT_ARUCO_ORIGINAL", "DICT_APRILTAG_36h11", "DICT_APRILTAG_16h5"]
FAMILIES = [
    "DICT_4X4_50",
    *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS),
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("angles", "place"), POSES)
def test_the_pose_is_that_of_the_rendered_truth(wall, family, angles, place):
    rotation = turned(*angles)
    picture = with_marker(wall, family, 7, 0.05, rotation, place)
    found = opened(FiducialMarkers, family=family, size_mm=50).process(Frame(picture)).result("it")
    assert isinstance(found, Markers)
    assert found.family == family
    assert found.marker_id.tolist() == [7]
    assert np.abs(found.quad_xy[0] - corners_of(0.05, rotation, place)).max() < 0.3
    off_mm = 1000 * np.linalg.norm(found.translation_m[0] - place)
    off_deg = np.degrees(np.linalg.norm(cv2.Rodrigues(cv2.Rodrigues(found.rotation_rad[0])[0] @ rotation.T)[0]))
    print(f"{family} {angles}: {off_mm:.2f} mm, {off_deg:.2f} deg")
    assert off_mm < 1
    assert off_deg < 0.5


def test_the_pose_does_not_change_when_the_picture_was_cropped_and_zoomed_before(wall):
    rotation, place = turned(30, 10, 20), (0.05, 0.02, 0.4)
    whole = Frame(with_marker(wall, "DICT_5X5_100", 3, 0.05, rotation, place))
    to_previous = np.array([[0.5, 0, 500], [0, 0.5, 200], [0, 0, 1.0]])
    part = cv2.resize(whole.image[200:560, 500:1100], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    stage = opened(FiducialMarkers, family="DICT_5X5_100")
    found = [stage.process(f).result("it") for f in (whole, whole.with_image(part, to_previous))]
    assert 1000 * np.abs(found[1].translation_m - found[0].translation_m).max() < 1
    assert np.abs(found[1].quad_xy[0] * 0.5 + (500, 200) - found[0].quad_xy[0]).max() < 0.5


def test_a_calibrated_lens_is_taken_into_account(wall, tmp_path):
    """A picture bent by a known lens gives the same pose, with the lens's calibration in another resolution."""
    rotation, place = turned(20, -15, 30), (0.16, 0.08, 0.45)
    straight = with_marker(wall, "DICT_4X4_50", 1, 0.06, rotation, place)
    matrix = np.linalg.inv(HALF) @ CAMERA
    distortion = np.array([-0.25, 0.08, 0.001, -0.001, 0.0])
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    bent_xy = np.stack([columns, rows], axis=-1).reshape(-1, 1, 2)
    straight_xy = cv2.undistortPoints(bent_xy, matrix, distortion, P=matrix).reshape(HEIGHT, WIDTH, 2)
    bent = cv2.remap(straight, straight_xy.astype(np.float32), None, cv2.INTER_CUBIC)
    halved = HALF @ matrix
    halved = np.linalg.inv(HALF) @ np.diag([0.5, 0.5, 1]) @ halved
    CameraCalibration((WIDTH // 2, HEIGHT // 2), halved, distortion).save(tmp_path / "camera.yaml")
    stage = opened(FiducialMarkers, size_mm=60, calibration=str(tmp_path / "camera.yaml"))
    found = stage.process(Frame(bent)).result("it")
    assert 1000 * np.linalg.norm(found.translation_m[0] - place) < 2
    assert np.degrees(np.linalg.norm(cv2.Rodrigues(cv2.Rodrigues(found.rotation_rad[0])[0] @ rotation.T)[0])) < 1
    without = opened(FiducialMarkers, size_mm=60).process(Frame(bent)).result("it")
    assert 1000 * np.linalg.norm(without.translation_m[0] - place) > 5
    undone = opened(FiducialMarkers, size_mm=60, calibration=str(tmp_path / "camera.yaml"), straightened=True)
    assert 1000 * np.linalg.norm(undone.process(Frame(straight)).result("it").translation_m[0] - place) < 1


def test_several_markers_one_wanted_and_other_families_are_left_alone(wall):
    picture = with_marker(wall, "DICT_4X4_50", 4, 0.05, turned(10, 0, 0), (-0.12, 0, 0.5))
    picture = with_marker(picture, "DICT_4X4_50", 9, 0.05, turned(0, 20, 45), (0.12, 0, 0.5))
    frame = Frame(picture)
    found = opened(FiducialMarkers).process(frame).result("it")
    assert sorted(found.marker_id.tolist()) == [4, 9]
    assert opened(FiducialMarkers, only_id=9).process(frame).result("it").marker_id.tolist() == [9]
    assert len(opened(FiducialMarkers, family="DICT_APRILTAG_36h11").process(frame).result("it")) == 0
    assert len(opened(FiducialMarkers).process(Frame(255 - picture)).result("it")) == 0
    inverted = opened(FiducialMarkers, inverted=True).process(Frame(255 - picture)).result("it")
    assert np.abs(inverted.quad_xy - found.quad_xy).max() < 0.3


def test_a_picture_lies_on_the_marker_in_perspective(wall, tmp_path):
    """Four coloured quarters: each is seen where the true pose puts it, and nothing is drawn beside it."""
    quarters = np.zeros((200, 200, 3), np.uint8)
    colours = {(-1, 1): (255, 0, 0), (1, 1): (0, 255, 0), (1, -1): (0, 0, 255), (-1, -1): (0, 255, 255)}
    for (x, y), colour in colours.items():
        quarters[(100 if y < 0 else 0) :][:100, (100 if x > 0 else 0) :][:, :100] = colour
    cv2.imwrite(str(tmp_path / "quarters.png"), quarters)
    rotation, place = turned(35, 25, 40), np.array([0.03, -0.02, 0.45])
    picture = with_marker(wall, "DICT_6X6_50", 2, 0.08, rotation, place)
    stage = opened(
        FiducialMarkers, family="DICT_6X6_50", size_mm=80, draw="picture", picture=str(tmp_path / "quarters.png")
    )
    shown = stage.process(Frame(picture))
    for (x, y), colour in colours.items():
        middle = CAMERA @ (rotation @ (0.02 * x, 0.02 * y, 0) + place)
        column, row = (middle[:2] / middle[2]).astype(int)
        assert shown.image[row, column].tolist() == list(colour)
    changed = (shown.image != picture).any(axis=2)
    inside = cv2.fillConvexPoly(np.zeros(changed.shape, np.uint8), np.int32(corners_of(0.08, rotation, place)), 1)
    assert (changed & (inside > 0)).sum() > 0.97 * inside.sum()
    assert not (changed & (cv2.dilate(inside, np.ones((5, 5))) == 0)).any()


def test_axes_and_cube_stand_where_the_pose_puts_them(wall):
    rotation, place = turned(40, 0, 0), np.array([0.0, 0.0, 0.4])
    picture = with_marker(wall, "DICT_4X4_50", 0, 0.06, rotation, place)

    def at(shown, *point_m):
        seen = CAMERA @ (rotation @ np.array(point_m) + place)
        column, row = (seen[:2] / seen[2]).astype(int)
        return shown.image[row, column].astype(int)

    axes = opened(FiducialMarkers, size_mm=60, draw="axes").process(Frame(picture))
    for axis, channel in ((0, 2), (1, 1), (2, 0)):
        colour = at(axes, *(0.02 * np.eye(3)[axis]))
        assert colour.argmax() == channel
        assert colour[channel] - colour.min() > 100
    cube = opened(FiducialMarkers, size_mm=60, draw="cube").process(Frame(picture))
    assert at(cube, 0, 0, 0.06).tolist() == [0, 159, 230], "the top, a side above the marker"
    assert len(cube.result("it")) == 1


def test_what_cannot_be_read_is_said_with_a_cure(tmp_path):
    (tmp_path / "no.png").write_text("not a picture")
    for params in ({"picture": ""}, {"picture": str(tmp_path / "no.png")}, {"picture": str(tmp_path / "absent.png")}):
        with pytest.raises(StageError) as caught:
            opened(FiducialMarkers, draw="picture", **params)
        assert caught.value.hint
    with pytest.raises(SpecError):
        opened(FiducialMarkers, calibration=str(tmp_path / "absent.yaml"))


# Codes --------------------------------------------------------------------------------------------------------------

# EAN-13 (ISO/IEC 15420): odd and even patterns of the digits, and which is used where for each first digit.
ODD = ["0001101", "0011001", "0010011", "0111101", "0100011", "0110001", "0101111", "0111011", "0110111", "0001011"]
PARITY = ["OOOOOO", "OOEOEE", "OOEEOE", "OOEEEO", "OEOOEE", "OEEOOE", "OEEEOO", "OEOEOE", "OEOEEO", "OEEOEO"]


def ean13(digits: str, px: int = 3) -> np.ndarray:
    right = ["".join("10"[int(bit)] for bit in code) for code in ODD]
    even = [code[::-1] for code in right]
    left = "".join(
        (ODD if kind == "O" else even)[int(digit)]
        for kind, digit in zip(PARITY[int(digits[0])], digits[1:7], strict=True)
    )
    bars = "101" + left + "01010" + "".join(right[int(digit)] for digit in digits[7:]) + "101"
    row = np.array([0 if bit == "1" else 255 for bit in bars], np.uint8).repeat(px)
    return cv2.copyMakeBorder(np.tile(row, (130, 1)), 15, 15, 33, 33, cv2.BORDER_CONSTANT, value=255)


def qr(text: str) -> np.ndarray:
    """A code with a rim of two modules, five pixels a module."""
    return cv2.resize(cv2.QRCodeEncoder.create().encode(text), None, fx=5, fy=5, interpolation=cv2.INTER_NEAREST)


def placed(texture, middle, width_px: float, turn_deg: float = 0.0, slant: float = 0.0) -> np.ndarray:
    """The matrix that lays a texture around ``middle``; ``slant`` makes its left side shorter by this share."""
    height, width = texture.shape
    high = width_px * height / width
    quad = np.array([[-width_px, -high], [width_px, -high], [width_px, high], [-width_px, high]]) / 2
    quad[[0, 3], 1] *= 1 - slant
    turn = np.radians(turn_deg)
    quad = quad @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]] + middle
    square = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return cv2.getPerspectiveTransform(square, quad.astype(np.float32))


@pytest.mark.parametrize(
    ("width_px", "turn_deg", "slant"),
    [
        (160, 37, 0.2),
        *(
            pytest.param(*row, marks=pytest.mark.slow)
            for row in [(160, 0, 0), (120, 90, 0.1), (110, 200, 0), (90, -20, 0)]
        ),
    ],
)
def test_qr_codes_are_read_turned_slanted_and_several(wall, width_px, turn_deg, slant):
    words = {"https://example.org/a": (300, 200), "grüße, 世界": (700, 300), "WIFI:S:home;T:WPA;P:x;;": (1000, 520)}
    picture, truth = wall, {}
    for row, (text, middle) in enumerate(words.items()):
        code = qr(text)
        matrix = placed(code, middle, width_px, turn_deg + 10 * row, slant)
        picture = laid(picture, code, matrix)
        low, high = 10, code.shape[0] - 10
        corners = np.array([[low, low, 1], [high, low, 1], [high, high, 1], [low, high, 1]]) @ matrix.T
        truth[text] = corners[:, :2] / corners[:, 2:]
    found = opened(Codes).process(Frame(picture)).result("it")
    assert isinstance(found, Texts)
    assert sorted(found.text) == sorted(words)
    assert found.confidence.tolist() == [1, 1, 1]
    for text, quad in zip(found.text, found.quad_xy, strict=True):
        off = np.linalg.norm(quad - truth[text], axis=1)
        # Clockwise from the code's own upper left; the third has no pattern of its own that tells where it is.
        assert (off < [4, 4, 10, 4]).all(), off


@pytest.mark.parametrize(
    ("width_px", "turn_deg", "slant"), [(330, 0, 0), (330, 30, 0.2), (300, 90, 0), (300, 180, 0.1)]
)
def test_bar_codes_are_read_turned_and_slanted(wall, width_px, turn_deg, slant):
    numbers = {"4006381333931": (300, 200), "9780201379624": (850, 450)}
    picture = wall
    for number, middle in numbers.items():
        code = ean13(number)
        picture = laid(picture, code, placed(code, middle, width_px, turn_deg, slant))
    found = opened(Codes).process(Frame(picture)).result("it")
    assert sorted(found.text) == sorted(numbers)
    for text, quad in zip(found.text, found.quad_xy, strict=True):
        assert np.linalg.norm(quad.mean(axis=0) - numbers[text]) < 25
        assert cv2.contourArea(quad, oriented=True) > 0, "clockwise"
        assert quad.sum(axis=1).argmin() == 0


def test_kinds_of_codes_can_be_left_out_and_nothing_is_read_twice(wall):
    picture = laid(wall, ean13("4006381333931"), placed(ean13("4006381333931"), (300, 300), 330))
    code = qr("same")
    for middle in ((700, 200), (1000, 500)):
        picture = laid(picture, code, placed(code, middle, 150))
    frame = Frame(picture)
    assert sorted(opened(Codes).process(frame).result("it").text) == ["4006381333931", "same", "same"]
    assert opened(Codes, qr=False).process(frame).result("it").text == ("4006381333931",)
    assert opened(Codes, bars=False).process(frame).result("it").text == ("same", "same")
    assert len(opened(Codes).process(Frame(wall)).result("it")) == 0


@pytest.mark.slow
def test_a_second_look_reads_more_small_codes(wall):
    read = {True: 0, False: 0}
    code = qr("https://example.org")
    for turn_deg in (5, 30, 60):
        picture = laid(wall, code, placed(code, (400, 300), 80, turn_deg, 0.15))
        for second_look in read:
            read[second_look] += len(opened(Codes, second_look=second_look).process(Frame(picture)).result("it"))
    assert read[True] == 3 > read[False]


# All of them --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "params"),
    [(FiducialMarkers, {"draw": "cube"}), (FiducialMarkers, {"draw": "axes", "inverted": True}), (Codes, {})],
)
@pytest.mark.parametrize("shape", [(1, 1), (900, 1), (2, 4000), (7, 7), (120, 160), (2160, 3840)])
def test_every_stage_survives_any_picture(cls, params, shape):
    stage = opened(cls, **params)
    noise = np.random.default_rng(0).integers(0, 255, (*(max(size // 20, 1) for size in shape), 3), np.uint8)
    noise = cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_NEAREST)
    for picture in (np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 255, np.uint8), noise):
        out = stage.process(Frame(picture))
        assert out.image.shape == picture.shape
        assert out.result("it") is not None
    stage.close()
