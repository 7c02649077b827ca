"""Descriptors of real faces, and the file that keeps them."""

from __future__ import annotations

import base64
import os
import stat
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models import ModelError, ModelIncompatible
from scenescope.models.budget import ThreadBudget
from scenescope.models.cards import load_card
from scenescope.models.catalogue import Catalogue, current, use
from scenescope.models.vision.base import open_model
from scenescope.models.vision.decoders.descriptor import Descriptor
from scenescope.models.vision.face_gallery import FaceGallery, Sample, current_gallery, describe
from scenescope.models.vision.faces import find_faces
from scenescope.models.vision.inputs import Geometry, InputSpec
from scenescope.models.vision.placement import LoadOptions

NETWORK = "face_embedding_faceres_224"


@pytest.fixture(scope="module")
def vector():
    """The descriptor of the surest face of a picture."""
    opened = [open_model(load_card(name)) for name in (NETWORK, "blazeface_short_range_128")]
    for network in opened:
        network.load(LoadOptions("cpu", threads=ThreadBudget(1, 2)))

    def of(image) -> np.ndarray:
        faces = find_faces(opened[1], np.ascontiguousarray(image), 0.3, clip=False)
        assert len(faces), "a face was found"
        return describe(opened[0], image, faces[:1])[0]

    return of


def made_up(seed: int, size: int = 8) -> Sample:
    numbers = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    return Sample(NETWORK, numbers / np.linalg.norm(numbers))


# Descriptors ---------------------------------------------------------------------------------------------------------


def changed(name: str, image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if name == "turned":
        return cv2.warpAffine(image, cv2.getRotationMatrix2D((width / 2, height / 2), 12, 1), (width, height))
    if name == "noisy":
        return np.clip(image + np.random.default_rng(0).normal(0, 12, image.shape), 0, 255).astype(np.uint8)
    return {
        "brighter": lambda: np.clip(image * 1.4 + 10, 0, 255).astype(np.uint8),
        "darker": lambda: (image * 0.55).astype(np.uint8),
        "mirrored": lambda: np.ascontiguousarray(image[:, ::-1]),
        "smaller": lambda: cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
        "JPEG": lambda: cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1),
    }[name]()


@pytest.mark.parametrize("name", ["brighter", "darker", "mirrored", "smaller", "turned", "noisy", "JPEG"])
def test_the_same_face_is_recognised_when_the_picture_changes(vector, photos, name):
    image = cv2.imread(str(photos / "astronaut.png"))
    alike = vector(image) @ vector(changed(name, image))
    assert 0.8 < alike < 0.9999


def test_other_faces_are_not_alike(vector, photos, bus):
    others = [vector(cv2.imread(str(photos / "astronaut.png")))]
    street = cv2.imread(str(bus))
    others += [vector(street[380:560, 80:240]), vector(street[390:560, 210:360])]
    others += [vector(cv2.imread(str(Path(bus).with_name("zidane.jpg")))[:, 640:])]
    alike = np.array(others) @ np.array(others).T
    assert np.allclose(np.diag(alike), 1, atol=1e-5)
    assert alike[np.triu_indices(len(others), 1)].max() < 0.55


def test_only_the_descriptor_is_read():
    spec = InputSpec((224, 224), "NHWC")
    card = load_card(NETWORK)
    shown = {"gender": np.zeros((1, 1)), "d": np.zeros((1, 1024)), "age": np.zeros((1, 100))}
    decoder = Descriptor(card, spec, shown)

    class Watched(dict):
        read: set[str] = set()

        def __getitem__(self, name):
            self.read.add(name)
            return super().__getitem__(name)

    outputs = Watched(gender=np.ones((1, 1)), d=np.full((1, 1024), 3.0), age=np.ones((1, 100)))
    found = decoder.decode(outputs, Geometry(np.eye(3), (224, 224), (224, 224)))
    assert Watched.read == {"d"}
    assert np.allclose(found.vector, 1 / 32)
    with pytest.raises(ModelIncompatible, match="no output of 1024 numbers"):
        Descriptor(card, spec, {"age": np.zeros((1, 100))})


# Matching ------------------------------------------------------------------------------------------------------------


def test_the_likeliest_person_is_told_if_likely_enough_and_by_a_margin():
    gallery = FaceGallery()
    x, y, z = np.eye(3, dtype=np.float32)
    gallery.add("Ann", Sample(NETWORK, z), Sample(NETWORK, x))
    gallery.add("Bob", Sample(NETWORK, y))
    between = (x + y) / np.sqrt(2)
    near_ann = np.array([0.9, 0.3, 0.0], np.float32) / np.float32(np.sqrt(0.9))
    names, who, alike = gallery.match(np.array([x, y, -x, between, near_ann]), NETWORK, 0.6, 0.1)
    assert names == ("Ann", "Bob")
    assert who.tolist() == [0, 1, -1, -1, 0]
    assert alike[:2] == pytest.approx([1, 1])
    # Without a margin one of the two is told.
    assert gallery.match(between[None], NETWORK, 0.6, 0.0)[1][0] >= 0
    assert gallery.match(x[None], "another network", 0.6, 0.1)[1].tolist() == [-1]
    assert gallery.match(np.empty((0, 3), np.float32), NETWORK, 0.6, 0.1)[1].shape == (0,)
    assert FaceGallery().match(x[None], NETWORK, 0.6, 0.1)[0] == ()


# The file ------------------------------------------------------------------------------------------------------------


def test_what_is_enrolled_is_there_again_and_only_the_owner_may_read_it(tmp_path):
    path = tmp_path / "folder" / "faces.json"
    FaceGallery(path).add("  Zoë   Å. ", made_up(1), made_up(2))
    FaceGallery(path).add("ann", made_up(3))
    again = FaceGallery(path).people()
    assert list(again) == ["ann", "Zoë Å."]
    assert np.array_equal(again["Zoë Å."][1].vector, made_up(2).vector)
    assert os.name == "nt" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["faces.json"]


def test_nothing_is_left_of_who_was_deleted(tmp_path):
    path = tmp_path / "faces.json"
    gallery = FaceGallery(path)
    gallery.add("Ann", made_up(1))
    gallery.add("Bob", made_up(2))
    secret = base64.b64encode(made_up(1).vector.tobytes())
    assert b"Ann" in path.read_bytes()
    assert secret in path.read_bytes()
    samples = gallery.delete("Ann")
    for file in tmp_path.iterdir():
        assert b"Ann" not in file.read_bytes()
        assert secret not in file.read_bytes()
    assert list(FaceGallery(path).people()) == ["Bob"]
    gallery.add("Ann", *samples)
    assert secret in path.read_bytes()
    gallery.delete("nobody")
    assert list(gallery.people()) == ["Ann", "Bob"]


def test_deleting_everybody_deletes_the_files_also_damaged_ones(tmp_path):
    path = tmp_path / "faces.json"
    gallery = FaceGallery(path)
    gallery.add("Ann", made_up(1))
    (tmp_path / "faces.json.damaged").write_text("Ann")
    (tmp_path / "card.toml").write_text("")
    gallery.clear()
    assert [entry.name for entry in tmp_path.iterdir()] == ["card.toml"]
    assert gallery.people() == {}


def test_people_can_be_renamed_and_joined():
    gallery = FaceGallery()
    gallery.add("Ann", made_up(1))
    gallery.add("Bob", made_up(2))
    gallery.rename("Ann", "Zoe")
    assert list(gallery.people()) == ["Bob", "Zoe"]
    gallery.rename("Zoe", "Bob")
    assert [len(samples) for samples in gallery.people().values()] == [2]
    gallery.rename("Bob", "Bob")
    assert len(gallery.people()["Bob"]) == 2


@pytest.mark.parametrize("name", ["", "  ", "Unknown", "x" * 81])
def test_a_name_must_be_one(name):
    with pytest.raises(ModelError, match="cannot be the name of a person"):
        FaceGallery().add(name, made_up(1))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"people": {"A": 3}}', b'{"people": {"A": [{"network": "n", "vector": "?"}]}}'],
)
def test_a_damaged_file_is_set_aside_with_a_sentence(tmp_path, content):
    path = tmp_path / "faces.json"
    path.write_bytes(content)
    gallery = FaceGallery(path)
    with pytest.raises(ModelError, match=r"is damaged and was set aside as faces\.json\.damaged") as caught:
        gallery.people()
    assert caught.value.hint
    assert (tmp_path / "faces.json.damaged").read_bytes() == content
    assert gallery.people() == {}
    gallery.add("Ann", made_up(1))
    assert list(FaceGallery(path).people()) == ["Ann"]


def test_a_change_made_elsewhere_is_seen(tmp_path):
    one, other = FaceGallery(tmp_path / "faces.json"), FaceGallery(tmp_path / "faces.json")
    one.add("Ann", made_up(1))
    assert list(other.people()) == ["Ann"]
    other.add("Bob", made_up(2))
    one.add("Cid", made_up(3))
    assert list(other.people()) == ["Ann", "Bob", "Cid"]
    one.clear()
    assert other.people() == {}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ModelError, match="cannot be written"):
        FaceGallery(tmp_path / "faces.json").add("Ann", made_up(1))
    tmp_path.chmod(0o700)


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "blocked").write_text("")
    gallery = FaceGallery(tmp_path / "blocked" / "faces.json")
    with pytest.raises(ModelError, match=r"faces\.json cannot be (read|written)"):
        gallery.add("Ann", made_up(1))


def test_several_threads_lose_nothing(tmp_path):
    gallery = FaceGallery(tmp_path / "faces.json")
    threads = [
        threading.Thread(target=lambda at=at: [gallery.add(f"P{at}", made_up(n)) for n in range(5)]) for at in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(samples) for samples in gallery.people().values()] == [5, 5, 5, 5]


def test_there_is_one_gallery_for_a_catalogue(tmp_path):
    before = current()
    try:
        use(Catalogue())
        assert current_gallery().path is None
        use(Catalogue(tmp_path))
        assert current_gallery().path == tmp_path / "faces.json"
        assert current_gallery() is current_gallery()
    finally:
        use(before)
