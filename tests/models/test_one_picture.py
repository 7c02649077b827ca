"""Networks that ask for the picture's size too, as RT-DETR's own export does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenescope.models import Detections, ModelIncompatible
from scenescope.models.cards import ModelCard
from scenescope.models.catalogue.guess import guess
from scenescope.models.vision.base import open_model
from scenescope.models.vision.one_picture import of_one_picture
from scenescope.models.vision.runtimes import open_network

onnx = pytest.importorskip("onnx")
TRUTH = np.array([[0.1, 0.2, 0.5, 0.6], [0.4, 0.4, 0.9, 0.8]], np.float32)


def rtdetr_like(path: Path, second: str = "orig_target_sizes", side: int = 64) -> Path:
    """Labels, boxes in pixels of the size that it is told, and scores; the boxes are always the same."""
    from onnx import TensorProto, helper, numpy_helper

    constant = {
        "fractions": TRUTH[None],
        "labels_": np.array([[3, 1]], np.int64),
        "scores_": np.array([[0.9, 0.6]], np.float32),
        "zero": np.zeros(1, np.float32),
        "twice": np.array([2], np.int64),
        "one": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Cast", [second], ["size"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["one", "twice"], ["times"], axis=0),
        helper.make_node("Tile", ["size", "times"], ["sides"]),
        helper.make_node("Mul", ["fractions", "sides"], ["boxes"]),
        helper.make_node("Identity", ["labels_"], ["labels"]),
        helper.make_node("Add", ["scores_", "nothing"], ["scores"]),
    ]
    inputs = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, side, 2 * side]),
        helper.make_tensor_value_info(second, TensorProto.INT64, ["N", 2]),
    ]
    outputs = [
        helper.make_tensor_value_info("labels", TensorProto.INT64, [1, 2]),
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 2, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2]),
    ]
    weights = [numpy_helper.from_array(value, name) for name, value in constant.items()]
    graph = helper.make_graph(nodes, "rtdetr", inputs, outputs, initializer=weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_boxes_are_where_they_are(tmp_path):
    path = rtdetr_like(tmp_path / "net.onnx")
    card = ModelCard(
        name="net", title="Net", summary="", task="detection", architecture="ssd", runtime="onnxruntime",
        file=path.name, sha256="", licence="", source="", upstream="", folder=tmp_path,
        input={"size_wh": [128, 64], "fit": "stretch"}, labels=("a", "b", "c", "d"),
    )  # fmt: skip
    model = open_model(card)
    model.load()
    (found,) = model.infer([np.zeros((300, 500, 3), np.uint8)], confidence=0.5)
    model.close()
    assert isinstance(found, Detections)
    assert found.labels == ["d", "b"]
    assert np.abs(found.xyxy - TRUTH * [500, 300, 500, 300]).max() < 0.01


@pytest.mark.slow
def test_it_is_guessed_and_tried(tmp_path):
    made = guess(rtdetr_like(tmp_path / "net.onnx"))
    assert made.problem == ""
    assert (made.card.task, made.card.input["size_wh"], made.card.input["layout"]) == ("detection", [128, 64], "NCHW")


@pytest.mark.parametrize("name", ["prompt", "scale_factor"])
def test_what_else_a_network_wants_is_named(tmp_path, name):
    network = open_network("onnxruntime", rtdetr_like(tmp_path / "net.onnx", second=name))
    with pytest.raises(ModelIncompatible, match=rf"net.onnx has 2 inputs \(images, {name}\)"):
        of_one_picture(network, "net.onnx")
    network.close()
