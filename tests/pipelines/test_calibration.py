"""A rendered camera is known exactly: calibration finds it again, and says honestly when it cannot."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml

from scenescope.models import SinkError, SpecError, StageError
from scenescope.pipelines.calibration import (
    CalibrationBoard,
    CalibrationSession,
    CameraCalibration,
    Verdict,
)
from scenescope.pipelines.calibration_fakes import POSES, FakeCamera

pytestmark = pytest.mark.slow

BARREL = CameraCalibration((640, 480), [[520, 0, 327.3], [0, 523, 236.1], [0, 0, 1]], [-0.28, 0.09, 0.0012, -0.0008, 0])
PINCUSHION = CameraCalibration((640, 480), [[610, 0, 311.0], [0, 608, 244.5], [0, 0, 1]], [0.12, -0.15, 0, 0.001, 0])
CHARUCO = CalibrationBoard()
CHESS = CalibrationBoard("chessboard", (9, 6), 25)


@pytest.fixture(scope="module")
def barrel() -> FakeCamera:
    return FakeCamera(BARREL)


def shown(fake: FakeCamera, board: CalibrationBoard, pose) -> np.ndarray:
    return fake.picture(board, *fake.posed(board, pose))


@pytest.fixture(scope="module")
def charuco_pictures(barrel) -> list[np.ndarray]:
    return [shown(barrel, CHARUCO, pose) for pose in POSES]


@pytest.fixture(scope="module")
def full_session(charuco_pictures) -> CalibrationSession:
    session = CalibrationSession(CHARUCO)
    for image in charuco_pictures:
        session.add(CHARUCO.find(image))
    return session


def check(solution, truth: CameraCalibration) -> None:
    found = solution.calibration
    assert found.size_wh == truth.size_wh
    assert np.abs(np.diag(found.matrix)[:2] / np.diag(truth.matrix)[:2] - 1).max() < 0.01
    assert np.abs(found.matrix[:2, 2] - truth.matrix[:2, 2]).max() < 3
    assert found.rms_px < 0.5
    # What counts in the end: where the lens puts rays, all over the picture but its very corners. A shift of them all
    # is a turn of the camera, which no view of a board can tell.
    pixels = np.stack(np.meshgrid(np.linspace(60, 580, 9), np.linspace(50, 430, 7)), axis=-1).reshape(-1, 1, 2)
    rays = cv2.undistortPoints(pixels, truth.matrix, truth.distortion)
    rays = np.concatenate([rays, np.ones((len(rays), 1, 1))], axis=2)
    again, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), found.matrix, found.distortion)
    away = (again - pixels)[:, 0]
    assert np.linalg.norm(away - away.mean(axis=0), axis=1).max() < 1.0


# Boards ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("board", [CHARUCO, CHESS, CalibrationBoard("charuco", (6, 8), 30, "DICT_5X5_100")], ids=str)
def test_corners_are_found_where_the_camera_puts_them(barrel, board):
    turn, shift = barrel.posed(board, (15, -10, 0.0, 0.0, 1.9))
    view = board.find(barrel.picture(board, turn, shift))
    assert len(view) == board.inner_wh[0] * board.inner_wh[1]
    places = view.board_mm
    expected, _ = cv2.projectPoints(places, cv2.Rodrigues(turn)[0], shift, BARREL.matrix, BARREL.distortion)
    away = np.linalg.norm(expected[:, 0] - view.points_xy, axis=1)
    if board.kind == "chessboard" and away.max() > 10:
        # A chessboard looks the same after half a turn.
        away = np.linalg.norm(expected[::-1, 0] - view.points_xy, axis=1)
    assert away.max() < 0.8
    assert np.sqrt((away**2).mean()) < 0.4
    assert 1 < view.blur_px < 3


def test_a_charuco_board_may_reach_out_of_the_picture_and_a_chessboard_not(barrel):
    pose = (0, 0, 0.3, 0.0, 1.2)
    assert CHESS.find(shown(barrel, CHESS, pose)) is None
    view = CHARUCO.find(shown(barrel, CHARUCO, pose))
    assert 10 < len(view) < 40
    assert view.points_xy[:, 0].max() > 570


@pytest.mark.slow
def test_a_chessboard_is_found_as_exactly_in_a_big_picture():
    big = CameraCalibration((1280, 720), [[1000, 0, 640], [0, 1000, 360], [0, 0, 1]], [0.0, 0, 0, 0])
    fake = FakeCamera(big)
    turn, shift = fake.posed(CHESS, (10, 10, 0, 0, 1.8))
    view = CHESS.find(fake.picture(CHESS, turn, shift))
    expected, _ = cv2.projectPoints(view.board_mm, cv2.Rodrigues(turn)[0], shift, big.matrix, big.distortion)
    away = min(np.linalg.norm(e[:, 0] - view.points_xy, axis=1).max() for e in (expected, expected[::-1]))
    assert away < 0.3


@pytest.mark.parametrize("board", [CHARUCO, CHESS], ids=["charuco", "chessboard"])
@pytest.mark.parametrize("size_wh", [(1, 1), (1, 900), (4000, 2), (64, 48)])
def test_no_board_is_found_where_there_is_none(board, size_wh):
    for value in (0, 128, 255):
        assert board.find(np.full((size_wh[1], size_wh[0], 3), value, np.uint8)) is None


def test_no_board_is_found_in_a_photo(photos):
    image = cv2.imread(str(photos / "coffee.png"))
    assert CHARUCO.find(image) is None
    assert CHESS.find(image) is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (("charuco", (20, 20), 25), "need 200 markers, but DICT_4X4_50 has 50"),
        (("charuco", (9, 6), 25, "DICT_3X3_9"), "no markers called 'DICT_3X3_9'"),
        (("chessboard", (3, 6), 25), "3 x 6 squares is of no use"),
        (("chessboard", (9, 6), 0), "Squares of 0 mm"),
    ],
)
def test_an_impossible_board_is_refused(values, sentence):
    with pytest.raises(SpecError, match=sentence) as caught:
        CalibrationBoard(*values)
    assert caught.value.hint


# Sessions -------------------------------------------------------------------------------------------------------------


def test_a_charuco_session_finds_the_camera(full_session):
    assert len(full_session.views) == len(POSES)
    assert full_session.ready
    assert full_session.advice == "That is enough: solve."
    solution = full_session.solve()
    check(solution, BARREL)
    assert len(solution.view_rms_px) == len(POSES)
    assert solution.left_out == 0
    assert solution.verdict.startswith("Very good: corners fit within 0.")
    assert solution.calibration.board == "ChArUco, 9 x 6 squares of 25 mm, DICT_4X4_50"
    assert solution.calibration.view_deg == pytest.approx((63.2, 49.3), abs=0.5)


@pytest.mark.slow
def test_a_chessboard_session_finds_another_camera():
    fake = FakeCamera(PINCUSHION)
    session = CalibrationSession(CHESS)
    for pose in [(a, b, x * 0.6, y * 0.6, d + 0.3) for a, b, x, y, d in POSES]:
        view = CHESS.find(shown(fake, CHESS, pose))
        if view is not None:
            session.add(view)
    assert len(session.views) >= 10
    check(session.solve(), PINCUSHION)


def test_a_view_that_does_not_fit_is_left_out(full_session):
    session = CalibrationSession(CHARUCO)
    session.views = full_session.views[:11]
    bad = session.views[4]
    rng = np.random.default_rng(5)
    session.views = (
        *session.views[:4],
        replace(bad, points_xy=(bad.points_xy + rng.normal(0, 12, bad.points_xy.shape)).astype(np.float32)),
        *session.views[5:],
    )
    solution = session.solve()
    assert solution.left_out == 1
    assert np.flatnonzero(np.isnan(solution.view_rms_px)).tolist() == [4]
    assert "1 of 11 views left out" in solution.verdict
    check(solution, BARREL)


def test_near_duplicates_moving_and_blurred_boards_are_refused(barrel, charuco_pictures):
    session = CalibrationSession(CHARUCO)
    assert session.look(np.zeros((480, 640, 3), np.uint8)).verdict is Verdict.NOTHING
    first = session.look(charuco_pictures[0])
    assert (first.verdict, len(session.views)) == (Verdict.NEW, 1)
    assert session.look(charuco_pictures[0]).verdict is Verdict.KNOWN
    assert session.look(charuco_pictures[1]).verdict is Verdict.MOVING, "it is elsewhere than a look ago"
    assert session.look(charuco_pictures[1], take=False).verdict is Verdict.NEW
    assert len(session.views) == 1, "only looked at"
    assert session.look(charuco_pictures[1]).verdict is Verdict.NEW
    nearly = shown(barrel, CHARUCO, (23, 1, -0.19, -0.2, 1.4))
    assert session.judge(CHARUCO.find(nearly)).verdict is Verdict.KNOWN
    soft = cv2.GaussianBlur(charuco_pictures[2], (0, 0), 1.9)
    view = CHARUCO.find(soft)
    assert view.blur_px > 4
    assert session.judge(view).verdict is Verdict.BLURRED
    assert "blurred" in session.judge(view).advice
    assert len(session.views) == 2


@pytest.mark.slow
def test_the_advice_follows_what_is_missing(barrel, charuco_pictures):
    session = CalibrationSession(CHARUCO)
    session.add(CHARUCO.find(shown(barrel, CHARUCO, (0, 0, 0.25, 0.25, 2.5))))
    assert session.advice == "Move the board to the top left."
    session.add(CHARUCO.find(shown(barrel, CHARUCO, (0, 0, -0.25, -0.25, 2.5))))
    assert session.advice == "Move the board to the top right."
    whole = CalibrationSession(CHARUCO)
    for across in (-0.22, 0.0, 0.22):
        for down in (-0.2, 0.0, 0.2):
            whole.add(CHARUCO.find(shown(barrel, CHARUCO, (0, 0, across, down, 2.2))))
    assert all(need.done for need in whole.needs[:9])
    missing = [need.advice for need in whole.needs if not need.done]
    assert any("right edge nearer" in advice for advice in missing)
    assert any("Bring the board nearer" in advice for advice in missing)
    for pose, edge in (((0, 30), "right"), ((0, -30), "left"), ((30, 0), "top"), ((-30, 0), "bottom")):
        turn, shift = barrel.posed(CHARUCO, (*pose, 0.0, 0.0, 1.6))
        # Which edge is nearer: from the board's corners in the camera's frame.
        width, height = CHARUCO.size_mm
        middles = {"right": (width, height / 2), "left": (0, height / 2), "top": (width / 2, 0)}
        middles["bottom"] = (width / 2, height)
        nearest = min(middles, key=lambda name: (turn @ [*middles[name], 0] + shift)[2])
        whole.add(CHARUCO.find(barrel.picture(CHARUCO, turn, shift)))
        (need,) = [need for need in whole.needs if f"its {nearest} edge nearer" in need.advice]
        assert need.done, (pose, edge, nearest)


def test_coverage_counts_corners_where_they_were_seen(full_session):
    counts = full_session.coverage((4, 3))
    assert counts.shape == (3, 4)
    assert counts.sum() == sum(len(view) for view in full_session.views)
    left = sum(int((view.points_xy[:, 0] + 0.5 < 160).sum()) for view in full_session.views)
    assert counts[:, 0].sum() == left


def test_what_cannot_be_solved_is_said(full_session, charuco_pictures):
    session = CalibrationSession(CHARUCO)
    with pytest.raises(StageError, match="0 views are too few") as caught:
        session.solve()
    assert caught.value.hint
    session.add(CHARUCO.find(charuco_pictures[0]))
    with pytest.raises(StageError, match="were 640x480 and now are 320x240"):
        session.add(CHARUCO.find(cv2.resize(charuco_pictures[0], (320, 240), interpolation=cv2.INTER_AREA)))


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["camera.yaml", "camera.json", "new/folder/camera.yml"])
def test_a_calibration_comes_back_from_its_file(tmp_path, name):
    path = tmp_path / name
    camera = replace(BARREL, rms_px=0.25, board="ChArUco", made_at="2025-01-01T00:00:00+00:00", views=14)
    camera.save(path)
    back = CameraCalibration.load(path)
    assert np.array_equal(back.matrix, camera.matrix)
    assert np.array_equal(back.distortion, camera.distortion)
    assert (back.size_wh, back.rms_px, back.board, back.made_at, back.views) == (
        (640, 480),
        0.25,
        "ChArUco",
        "2025-01-01T00:00:00+00:00",
        14,
    )
    content = path.read_text()
    assert (json.loads(content) if name.endswith("json") else yaml.safe_load(content))["scenescope_calibration"] == 1


GOOD = {
    "scenescope_calibration": 1,
    "size_wh": [640, 480],
    "matrix": [[500, 0, 320], [0, 500, 240], [0, 0, 1]],
    "distortion": [0, 0, 0, 0, 0],
}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scenescope_calibration": 2}, "of version 2, not 1"),
        ({"scenescope_calibration": None}, "not a calibration file"),
        ({"distortion": [1, 2, 3]}, "4, 5, 8, 12 or 14 distortion"),
        ({"matrix": [[-5, 0, 0], [0, 5, 0], [0, 0, 1]]}, "focal length that is not positive"),
        ({"matrix": "none"}, "not a whole calibration"),
        ({"size_wh": [640]}, "not a whole calibration"),
        ({"size_wh": [0, 480]}, "not a whole calibration"),
        ({"surprise": 1}, "not a whole calibration"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path, change, sentence):
    path = tmp_path / "camera.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **change}))
    with pytest.raises(SpecError, match=sentence) as caught:
        CameraCalibration.load(path)
    assert caught.value.hint


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be written"):
        BARREL.save(tmp_path / "file" / "camera.yaml")


def test_another_size_of_the_same_shape_sees_the_same_rays():
    half = BARREL.for_size((320, 240))
    rays = np.array([[0.3, -0.2, 1.0], [-0.4, 0.1, 1.0]])
    full, halved = (
        cv2.projectPoints(rays, np.zeros(3), np.zeros(3), c.matrix, c.distortion)[0][:, 0] for c in (BARREL, half)
    )
    assert np.allclose((halved + 0.5) * 2 - 0.5, full)
    with pytest.raises(StageError, match="of another shape"):
        BARREL.for_size((640, 360))
