"""ImageEmbedder: pictures of one thing are nearer to each other than pictures of different things."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenescope.models.catalogue.catalogue import Catalogue, use
from scenescope.models.errors import ModelMissing, RuntimeMissing
from scenescope.models.vision import embedding
from scenescope.models.vision.embedding import ImageEmbedder
from scenescope.models.vision.runtimes import RUNTIMES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def embedder():
    pytest.importorskip("torchvision")
    made = ImageEmbedder()
    yield made
    made.close()


@pytest.fixture(scope="module")
def pictures(photos):
    return [cv2.imread(str(path)) for path in sorted(photos.iterdir()) if path.suffix in (".png", ".jpg")]


def crop(image, share):
    h, w = image.shape[:2]
    return image[int(h * share) : h - int(h * share), int(w * share) : w - int(w * share)]


CHANGES = {
    "mirrored": lambda image: image[:, ::-1],
    "brighter": lambda image: cv2.convertScaleAbs(image, alpha=1.2, beta=25),
    "darker": lambda image: cv2.convertScaleAbs(image, alpha=0.6),
    "cut": lambda image: crop(image, 0.08),
    "small": lambda image: cv2.resize(image, (96, 64), interpolation=cv2.INTER_AREA),
}


def test_the_same_photo_changed_is_nearer_than_any_other_photo(embedder, pictures):
    assert len(pictures) >= 4
    plain = embedder.embed(pictures)
    others = np.sort((plain @ plain.T)[~np.eye(len(pictures), dtype=bool)])[-1]
    for name, change in CHANGES.items():
        same = np.sum(plain * embedder.embed([change(image) for image in pictures]), axis=1)
        assert same.min() > others + 0.1, f"{name}: {same} against {others}"


def test_embeddings_are_of_unit_length_and_the_same_alone_or_in_a_batch(embedder, pictures):
    many = embedder.embed(pictures * 5)
    assert (many.dtype, many.shape) == (np.float32, (5 * len(pictures), 1280))
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(embedder.embed(pictures[:1])[0], many[0], atol=1e-5)
    assert embedder.embed([]).shape[0] == 0
    assert embedder.available() is None
    assert embedder.name == "MobileNetV2 (ImageNet)"


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 300), (300, 1), (4000, 3)])
def test_pictures_of_any_shape(embedder, size_wh):
    found = embedder.embed([np.full((size_wh[1], size_wh[0], 3), 90, np.uint8)])
    assert np.isfinite(found).all()
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


def test_it_is_opened_again_after_it_was_closed(embedder, pictures):
    before = embedder.embed(pictures[:1])
    embedder.close()
    np.testing.assert_allclose(embedder.embed(pictures[:1]), before, atol=1e-5)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    info = RUNTIMES["torchvision"]
    monkeypatch.setitem(RUNTIMES, "torchvision", type(info)(info.name, info.title, ("no_such_library",), "torch", ""))
    made = ImageEmbedder()
    assert "no_such_library is not installed" in made.available()
    assert "pip install" in made.available()
    assert made.name == ""
    with pytest.raises(RuntimeMissing):
        made.embed([np.zeros((8, 8, 3), np.uint8)])


def test_weights_that_are_gone_are_said(monkeypatch, tmp_path):
    from dataclasses import replace

    pytest.importorskip("torchvision")
    card = replace(embedding.load_card(embedding.BUNDLED), origin="local", folder=tmp_path)
    monkeypatch.setattr(embedding, "load_card", lambda name: card)
    with pytest.raises(ModelMissing, match="missing"):
        ImageEmbedder().embed([np.zeros((8, 8, 3), np.uint8)])


class TestWithANetworkForPicturesAndCaptions:
    @pytest.fixture
    def clip(self, tmp_path):
        pytest.importorskip("transformers")
        from scenescope.models.vision.transformers_fakes import tiny_card

        return tiny_card("clip", tmp_path)

    @pytest.fixture
    def installed(self, clip):
        class WithClip(Catalogue):
            def cards(self, task=""):
                return [*super().cards(task), *([clip] if task in ("", clip.task) else [])]

        put_back = use(WithClip())
        yield clip
        put_back()

    def test_it_is_preferred(self, installed, pictures):
        made = ImageEmbedder()
        assert made.name == installed.title
        found = made.embed(pictures)
        assert found.shape[1] != 1280
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(made.embed(pictures[:1])[0], found[0], atol=1e-5)
        made.close()

    def test_when_it_is_broken_the_bundled_one_is_taken(self, installed, pictures):
        (installed.path / "config.json").write_text("{")
        made = ImageEmbedder()
        assert made.embed(pictures[:1]).shape == (1, 1280)
        assert made.name == "MobileNetV2 (ImageNet)"
        made.close()
