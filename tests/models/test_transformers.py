"""Models of transformers: tiny networks of every kind give what the library's own pipelines give, without a network."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models import (
    DenseMap,
    Detections,
    Labels,
    Masks,
    ModelIncompatible,
    ModelMissing,
    ModelRefused,
    RuntimeMissing,
)
from scenescope.models.cards import ModelCard
from scenescope.models.catalogue import Catalogue, use
from scenescope.models.catalogue.trust import trust
from scenescope.models.vision.base import open_model
from scenescope.models.vision.placement import LoadOptions, Placement
from scenescope.models.vision.transformers import TransformersModel
from scenescope.models.vision.transformers_fakes import KINDS, LABELS, tiny_card

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed"),
]

QUICK = ("yolos", "vit", "segformer", "clip")
TYPES = {"detection": Detections, "classification": Labels, "segmentation": Masks, "depth": DenseMap}


def kinds(*names: str) -> list:
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    attempts = []

    def refuse(*args, **kwargs):
        attempts.append(args)
        raise OSError("a model must not reach for the network")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert attempts == []


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Callable[[str], ModelCard]:
    folder = tmp_path_factory.mktemp("tiny")
    return cache(lambda kind: tiny_card(kind, folder))


@pytest.fixture
def image(photos) -> np.ndarray:
    return cv2.imread(str(photos / "rocket.jpg"))


@pytest.fixture
def own_catalogue(tmp_path):
    put_back = use(Catalogue(tmp_path / "catalogue"))
    yield
    put_back()


def loaded(card, options: LoadOptions | None = None) -> TransformersModel:
    model = open_model(card)
    assert isinstance(model, TransformersModel)
    model.load(options or LoadOptions("cpu"))
    return model


def the_library(task: str, card, image: np.ndarray, **options):
    """What the library's pipeline for the task finds."""
    from PIL import Image
    from transformers import pipeline

    picture = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
    return pipeline(task, model=str(card.path), device="cpu")(picture, **options)


@pytest.mark.parametrize("kind", kinds(*KINDS))
def test_every_kind_of_network_gives_the_result_of_its_task(tiny, image, kind):
    card = tiny(kind)
    model = loaded(card)
    assert model.placement() == Placement("CPU", "cpu")
    found = model.infer([image], confidence=0.0, prompts=("a red bus", "cat"))[0]
    assert isinstance(found, TYPES[card.task.split("-")[-1]])
    assert len(found) > 0
    assert loaded(replace(card, task="")).infer([image], prompts=("cat",))[0].__class__ is type(found), (
        "read from config"
    )
    model.close()


@pytest.mark.parametrize("kind", kinds("vit", "yolos", "segformer", "mask2former", "dpt", "clip", "owlvit"))
def test_a_picture_of_any_shape_is_looked_at(tiny, kind):
    model = loaded(tiny(kind))
    for height, width in ((1, 1), (3, 5), (2, 1500), (1500, 2)):
        found = model.infer([np.full((height, width, 3), 90, np.uint8)], confidence=0.0, prompts=("cat",))[0]
        if isinstance(found, Detections):
            assert (found.xyxy >= 0).all()
            assert (found.xyxy <= [width, height, width, height]).all()
        elif isinstance(found, Masks):
            assert found.size_wh == (width, height)
            assert all(x + a.shape[1] <= width for a, (x, _) in zip(found.alpha, found.top_left_xy, strict=True))
        elif isinstance(found, DenseMap):
            assert found.values[0].shape == (height, width)


@pytest.mark.parametrize("kind", kinds("yolos", *(kind for kind in KINDS if "detr" in kind)))
def test_boxes_are_those_of_the_pipeline(tiny, image, kind):
    card = tiny(kind)
    found = loaded(card).infer([image], confidence=0.2)[0]
    expected = the_library("object-detection", card, image, threshold=0.2)
    assert len(found) == len(expected) > 0
    assert found.labels == [one["label"] for one in expected]
    assert found.confidence == pytest.approx([one["score"] for one in expected], abs=1e-5)
    boxes = np.array([[one["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")] for one in expected])
    height, width = image.shape[:2]
    # The pipeline cuts off what is behind the point, and leaves what is outside of the picture.
    assert np.abs(found.xyxy - np.clip(boxes, 0, [width, height, width, height])).max() <= 1
    assert found.class_names == tuple(LABELS.values())


def test_labels_are_those_of_the_pipeline(tiny, image):
    card = tiny("vit")
    found = loaded(card).infer([image], top=2)[0]
    expected = the_library("image-classification", card, image, top_k=2)
    assert found.labels == [one["label"] for one in expected]
    assert found.confidence == pytest.approx([one["score"] for one in expected], abs=1e-6)


@pytest.mark.parametrize("kind", kinds("clip", "siglip"))
def test_chosen_labels_are_those_of_the_pipeline(tiny, image, kind):
    card = tiny(kind)
    asked = ("cat", "red bus", "a person")
    found = loaded(card).infer([image], prompts=asked)[0]
    expected = the_library("zero-shot-image-classification", card, image, candidate_labels=list(asked))
    assert found.labels == [one["label"] for one in expected]
    assert found.confidence == pytest.approx([one["score"] for one in expected], abs=1e-6)
    assert found.class_names == asked


@pytest.mark.slow
def test_named_objects_are_those_of_the_pipeline(tiny, image):
    from PIL import Image
    from transformers import pipeline

    card = tiny("owlvit")
    found = loaded(card).infer([image], prompts=("red bus",), confidence=0.1)[0]
    picture = {"image": Image.fromarray(image[..., ::-1].copy()), "candidate_labels": ["red bus"]}
    expected = pipeline("zero-shot-object-detection", model=str(card.path), device="cpu")([picture], threshold=0.1)[0]
    order = np.argsort(-found.confidence, kind="stable")
    assert len(found) == len(expected) > 0
    assert found[order].confidence == pytest.approx([one["score"] for one in expected], abs=1e-5)
    assert set(found.labels) == {"red bus"}


@pytest.mark.slow
def test_words_that_grounding_dino_saw_are_told_as_the_prompt_that_is_meant(tiny, image):
    model = loaded(tiny("grounding_dino"))
    asked = ("a red bus.", "Cat", "person")
    found = model.infer([image], prompts=asked, confidence=0.0)[0]
    assert found.class_names == asked
    inputs, _ = model.preprocess(image, asked)
    by_hand = model._processor.post_process_grounded_object_detection(
        model.forward(inputs)["raw"], threshold=0.0, text_threshold=0.0, target_sizes=[image.shape[:2]]
    )[0]
    assert set(found.confidence.tolist()) <= set(by_hand["scores"].tolist())
    # With no threshold for words every prompt was seen in every box, and the longest is most like all of them.
    assert set(found.labels) == {"a red bus."}


def test_areas_are_those_of_the_pipeline(tiny, image):
    card = tiny("segformer")
    found = loaded(card).infer([image])[0]
    expected = the_library("image-segmentation", card, image, subtask="semantic")
    assert found.labels == [one["label"] for one in expected]
    assert ((found.confidence > 1 / len(LABELS)) & (found.confidence < 1)).all()
    for area, one in zip(full(found), expected, strict=True):
        assert np.array_equal(area, np.asarray(one["mask"]))


@pytest.mark.parametrize("kind", kinds("mask2former", "maskformer"))
def test_objects_with_areas_are_those_of_the_pipeline(tiny, image, kind):
    card = tiny(kind)
    found = loaded(card).infer([image], confidence=0.1)[0]
    expected = the_library("image-segmentation", card, image, subtask="instance", threshold=0.1)
    assert found.labels == [one["label"] for one in expected]
    assert found.confidence == pytest.approx([one["score"] for one in expected], abs=1e-5)
    for area, one in zip(full(found), expected, strict=True):
        # The pipeline gives a pixel to one object only, the last.
        assert (area[np.asarray(one["mask"]) > 0] == 255).all()
    areas = loaded(replace(card, task="semantic-segmentation")).infer([image])[0]
    semantic = the_library("image-segmentation", card, image, subtask="semantic")
    assert areas.labels == [one["label"] for one in semantic]
    assert all(np.array_equal(a, np.asarray(one["mask"])) for a, one in zip(full(areas), semantic, strict=True))


def full(masks: Masks) -> np.ndarray:
    areas = np.zeros((len(masks), *masks.size_wh[::-1]), np.uint8)
    for area, alpha, (x, y) in zip(areas, masks.alpha, masks.top_left_xy, strict=True):
        area[y : y + alpha.shape[0], x : x + alpha.shape[1]] = alpha
    return areas


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "unit"), [("dpt", ""), ("glpn", "m"), ("depth_anything", "m")])
def test_depth_is_that_of_the_pipeline(tiny, image, kind, unit):
    card = tiny(kind)
    found = loaded(card).infer([image])[0]
    expected = the_library("depth-estimation", card, image)["predicted_depth"].numpy()
    assert found.values[0].shape == image.shape[:2]
    assert np.allclose(found.values[0], expected, rtol=1e-4, atol=1e-5)
    assert (found.kind, found.unit) == ("depth", unit)


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is_asked(tiny, image):
    for kind in ("clip", "owlvit"):
        assert len(loaded(tiny(kind)).infer([image])[0]) == 0


# What is refused ----------------------------------------------------------------------------------------------------


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_pickled_weights_are_refused_before_they_are_read(tmp_path, own_catalogue):
    import torch

    card = tiny_card("vit", tmp_path)
    (card.path / "model.safetensors").unlink()
    torch.save({"weights": Evil(tmp_path / "owned")}, card.path / "pytorch_model.bin")
    with pytest.raises(ModelRefused, match="pickles") as caught:
        loaded(card)
    assert "trust" in caught.value.hint
    assert not (tmp_path / "owned").exists()


def test_pickled_weights_are_read_when_the_user_trusts_them(tmp_path, image, own_catalogue):
    import torch
    from safetensors.torch import load_file

    card = tiny_card("vit", tmp_path)
    expected = loaded(card).infer([image])[0]
    weights = card.path / "model.safetensors"
    torch.save(load_file(weights), card.path / "pytorch_model.bin")
    weights.unlink()
    trust(card.path)
    assert loaded(card).infer([image])[0].confidence == pytest.approx(expected.confidence)


@pytest.mark.slow
def test_code_that_comes_with_a_model_is_refused_before_it_is_run(tmp_path, own_catalogue):
    card = tiny_card("vit", tmp_path)
    config = json.loads((card.path / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.MineConfig"}}
    (card.path / "config.json").write_text(json.dumps(config))
    marker = tmp_path / "owned"
    (card.path / "mine.py").write_text(f"from pathlib import Path\nPath({str(marker)!r}).mkdir()\n")
    with pytest.raises(ModelRefused, match="Python code of its own"):
        loaded(card)
    assert not marker.exists()


def test_what_cannot_be_opened_says_why(tmp_path, tiny):
    card = tiny("vit")
    (tmp_path / "empty").mkdir()
    cases = [
        (replace(card, folder=tmp_path, file="nowhere"), ModelMissing, "nowhere is not on this computer"),
        (replace(card, folder=tmp_path, file="empty"), ModelMissing, "not a folder with a config.json"),
        (replace(card, task="depth"), ModelIncompatible, "can be used for classification, not for depth"),
    ]
    for wrong, kind, message in cases:
        with pytest.raises(kind, match=message):
            loaded(wrong)
    # A network for words.
    for content in ("not json", "[]", "{}", '{"model_type": "bert", "architectures": ["BertModel"]}'):
        (tmp_path / "empty" / "config.json").write_text(content)
        with pytest.raises(ModelIncompatible):
            loaded(replace(card, folder=tmp_path, file="empty"))


# Where it runs ------------------------------------------------------------------------------------------------------


def test_half_precision_on_the_processor_is_not_pretended(tiny):
    placement = loaded(tiny("vit"), LoadOptions("cpu", half=True)).placement()
    assert placement.problem.startswith("Runs on CPU: half precision is for GPUs")
    assert placement.detail == ""


def test_what_the_compiler_cannot_do_runs_as_it_is(tiny, image, monkeypatch):
    import torch

    def broken(model):
        def run(*args, **kwargs):
            raise RuntimeError("no compiler here")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    model = loaded(tiny("vit"), LoadOptions("cpu", compiled=True))
    assert model.placement().problem == "Runs on CPU: torch.compile cannot do it"
    assert len(model.infer([image])[0]) == 3


def test_a_device_that_is_not_there_is_refused_or_told(tiny):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    card = tiny("vit")
    with pytest.raises(RuntimeMissing, match="not on CUDA as wished"):
        loaded(card, LoadOptions("cuda", strict=True))
    assert loaded(card, LoadOptions("cuda")).placement().problem.startswith("Runs on CPU:")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("half", [False, True], ids=["full", "half"])
def test_on_a_gpu_the_result_is_the_same(tiny, image, kind, half):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    card, asked = tiny(kind), {"prompts": ("cat",), "confidence": 0.0}
    model = loaded(card, LoadOptions("cuda", strict=True, half=half))
    assert model.placement() == Placement("CUDA:0", "cuda", detail="half precision" if half else "")
    found, expected = model.infer([image], **asked)[0], loaded(card).infer([image], **asked)[0]
    assert type(found) is type(expected)
    if not half and not isinstance(found, DenseMap):
        count = min(len(found), len(expected))
        assert count > 0
        assert np.sort(found.confidence)[:count] == pytest.approx(np.sort(expected.confidence)[:count], abs=1e-2)
