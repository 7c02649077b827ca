from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models import SourceError
from scenescope.pipelines.sources.images import ImageFiles


def write(path: Path, image: np.ndarray) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


def plain(value: int, width: int = 32, height: int = 24) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_a_folder_in_natural_order_with_unicode_names(tmp_path: Path) -> None:
    folder = tmp_path / "Bilder ü 写真"
    folder.mkdir()
    for number in (10, 2, 1):
        write(folder / f"Katze é {number}.png", plain(number))
    (folder / "notes.txt").write_text("not an image")
    source = ImageFiles(folder, rate_hz=2)
    info = source.open()
    assert (info.frame_count, info.duration_s, info.live, info.size_wh) == (3, 1.5, False, (32, 24))
    frames = list(source)
    assert [frame.image[0, 0, 0] for frame in frames] == [1, 2, 10]
    assert [(frame.index, frame.pts_s) for frame in frames] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    source.seek(0.9)
    assert [frame.index for frame in source] == [2]
    assert source.skipped == []


def test_one_image_is_one_frame(photos: Path) -> None:
    source = ImageFiles(photos / "chelsea.png")
    source.open()
    frames = list(source)
    assert [(frame.index, frame.size_wh) for frame in frames] == [(0, (451, 300))]
    assert source.read() is None


def test_a_pattern(tmp_path: Path) -> None:
    for name in ("a1.jpg", "a2.jpg", "b1.jpg"):
        write(tmp_path / name, plain(9))
    source = ImageFiles(tmp_path / "a*.jpg")
    assert source.open().frame_count == 2


@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        ("grey.png", np.full((8, 8), 77, np.uint8), 77),
        ("sixteen.png", np.full((8, 8, 3), 0x8000, np.uint16), 128),
        ("sixteen_grey.tiff", np.full((8, 8), 0x4000, np.uint16), 64),
        ("half_seen.png", np.dstack([np.full((8, 8, 3), 100, np.uint8), np.full((8, 8), 51, np.uint8)]), 224),
        ("unseen16.png", np.zeros((8, 8, 4), np.uint16), 255),
    ],
)
def test_everything_becomes_bgr_uint8(tmp_path: Path, name: str, image: np.ndarray, expected: int) -> None:
    source = ImageFiles(write(tmp_path / name, image))
    source.open()
    shown = source.read().image
    assert shown.dtype == np.uint8
    assert shown.shape == (8, 8, 3)
    assert np.abs(shown.astype(int) - expected).max() <= 1


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    image = plain(0, 64, 48)
    image[:24, :32] = 255
    jpeg = cv2.imencode(".jpg", image)[1].tobytes()
    # Orientation 6: turn by 90 degrees clockwise to see it upright.
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    exif = b"Exif\x00\x00" + tiff
    path = tmp_path / "turned.jpg"
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    source = ImageFiles(path)
    assert source.open().size_wh == (48, 64)
    shown = source.read().image
    assert shown[16, 36].mean() > 200
    assert shown[16, 12].mean() < 50


def test_unreadable_files_of_a_folder_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"")
    write(tmp_path / "1.png", plain(1))
    (tmp_path / "2.jpg").write_text("hello")
    write(tmp_path / "3.png", plain(3))
    source = ImageFiles(tmp_path)
    source.open()
    assert [(frame.index, int(frame.image[0, 0, 0])) for frame in source] == [(0, 1), (1, 3)]
    assert [(path.name, reason) for path, reason in source.skipped] == [
        ("0.png", "is empty (0 bytes)"),
        ("2.jpg", "is not an image, or is damaged"),
    ]
    source.seek(1.0)
    assert source.read().image[0, 0, 0] == 3
    assert len(source.skipped) == 2


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: folder / "none.png", "none.png does not exist."),
        (lambda folder: folder / "*.png", "No file matches"),
        (lambda folder: folder, "holds no images."),
        (lambda folder: _text(folder / "text.png"), "text.png is not an image, or is damaged."),
        (lambda folder: _text(folder / "a.png", folder / "b.png").parent, "None of the 2 images in"),
    ],
)
def test_what_is_no_image_gets_one_sentence(tmp_path: Path, make, sentence: str) -> None:
    with pytest.raises(SourceError) as caught:
        ImageFiles(make(tmp_path)).open()
    assert sentence in caught.value.user_message
    assert caught.value.hint
    assert caught.value.permanent


def _text(*paths: Path) -> Path:
    for path in paths:
        path.write_text("just text")
    return paths[0]
