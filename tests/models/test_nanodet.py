"""The bundled detector on real pictures, and what happens when its file or its runtime is not what it should be."""

from __future__ import annotations

import hashlib
from collections import Counter

import cv2
import numpy as np
import pytest

from scenescope.models import ModelIncompatible, ModelMissing, RuntimeMissing
from scenescope.models.budget import ThreadBudget
from scenescope.models.cards import ModelCard, bundled_cards, checked_file, load_card
from scenescope.models.vision.base import open_model
from scenescope.models.vision.placement import LoadOptions, Placement
from scenescope.models.vision.runtimes import open_network

NAME = "nanodet_g_416_coco"


@pytest.fixture(scope="module")
def network():
    model = open_model(load_card(NAME))
    model.load(LoadOptions("cpu", threads=ThreadBudget(1, 2)))
    return model


def test_bus_has_one_bus_and_at_least_three_persons(network, bus):
    (found,) = network.infer([cv2.imread(str(bus))], confidence=0.30)
    counts = Counter(found.labels)
    assert counts["bus"] == 1
    assert counts["person"] >= 3
    box = found.xyxy[found.labels.index("bus")]
    assert np.abs(box - [33, 214, 789, 736]).max() < 15
    assert found.confidence[0] == pytest.approx(0.76, abs=0.02)
    assert (np.diff(found.confidence) <= 0).all()


@pytest.mark.parametrize(
    ("photo", "label"), [("astronaut.png", "person"), ("chelsea.png", "cat"), ("coffee.png", "cup")]
)
def test_photos_show_what_they_show(network, photos, photo, label):
    (found,) = network.infer([cv2.imread(str(photos / photo))])
    assert label in found.labels


def test_boxes_lie_in_the_picture_and_scale_with_it(network, photos):
    image = cv2.imread(str(photos / "astronaut.png"))
    (small,) = network.infer([image])
    wide = cv2.copyMakeBorder(cv2.resize(image, None, fx=2, fy=2), 0, 0, 0, 600, cv2.BORDER_CONSTANT)
    (large,) = network.infer([wide])
    for found, picture in ((small, image), (large, wide)):
        assert (found.xyxy >= 0).all()
        assert (found.xyxy[:, 2] <= picture.shape[1]).all()
        assert (found.xyxy[:, 3] <= picture.shape[0]).all()
    person_small = small.xyxy[small.labels.index("person")]
    person_large = large.xyxy[large.labels.index("person")]
    assert np.abs(person_small * 2 - person_large).max() < 60


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 900), (4000, 2)])
def test_pictures_of_any_shape_are_taken(network, size_wh):
    (found,) = network.infer([np.full((size_wh[1], size_wh[0], 3), 127, np.uint8)])
    assert found.xyxy.shape[1] == 4


def test_the_same_picture_gives_the_same_bytes_with_one_thread(bus):
    image = cv2.imread(str(bus))
    runs = []
    for _ in range(2):
        model = open_model(load_card(NAME))
        model.load(LoadOptions("cpu", threads=ThreadBudget(1, 1)))
        (found,) = model.infer([image])
        runs.append(found.xyxy.tobytes() + found.confidence.tobytes())
    assert runs[0] == runs[1]


def test_the_provider_is_read_back(network):
    assert network.placement() == Placement("CPU", "cpu")


def test_cards_tell_what_a_user_must_know():
    cards = bundled_cards()
    assert NAME in [card.name for card in cards]
    for card in cards:
        assert checked_file(card).stat().st_size == card.size_bytes > 0
        assert hashlib.sha256(checked_file(card).read_bytes()).hexdigest() == card.sha256
        assert card.licence
        assert card.source
        assert card.upstream
    assert len(load_card(NAME).labels) == 80


def changed(card: ModelCard, **values) -> ModelCard:
    from dataclasses import replace

    return replace(card, **values)


def test_a_changed_file_is_refused():
    with pytest.raises(ModelMissing, match="is not the file that its card describes"):
        checked_file(changed(load_card(NAME), sha256="0" * 64))


def test_a_missing_file_and_a_missing_card_are_named():
    with pytest.raises(ModelMissing, match=r"nowhere\.onnx"):
        checked_file(changed(load_card(NAME), file="nowhere.onnx"))
    with pytest.raises(ModelMissing, match="no model called 'yolo99'"):
        load_card("yolo99")


def test_a_model_without_a_decoder_is_named():
    with pytest.raises(ModelIncompatible, match="no decoder for unheard-of"):
        open_model(changed(load_card(NAME), architecture="unheard-of"))


def test_a_file_that_is_no_network_is_refused(tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(ModelIncompatible, match=r"ONNX Runtime cannot open x\.onnx"):
        open_network("onnxruntime", path)
    with pytest.raises(ModelMissing):
        open_network("onnxruntime", tmp_path / "y.onnx")


def test_a_provider_that_is_not_there_is_refused_not_replaced():
    with pytest.raises(RuntimeMissing, match="no provider for 'directml'"):
        open_network("onnxruntime", checked_file(load_card(NAME)), LoadOptions("directml", strict=True))


def test_a_network_with_other_outputs_is_refused(tmp_path, monkeypatch):
    import onnx
    from onnx import TensorProto, helper

    node = helper.make_node("Identity", ["x"], ["y"])
    shape = (1, 3, 416, 416)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    path = tmp_path / "identity.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    monkeypatch.setattr("scenescope.models.vision.tensor_model.checked_file", lambda card: path)
    with pytest.raises(ModelIncompatible, match="no NanoDet head of stride 8"):
        open_model(load_card(NAME)).load()
