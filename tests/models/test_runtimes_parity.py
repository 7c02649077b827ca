"""The same network in every format gives the same answer on every runtime, and says truthfully where it ran."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models.budget import ThreadBudget
from scenescope.models.cards import load_card
from scenescope.models.errors import ModelIncompatible, RuntimeMissing
from scenescope.models.vision.base import open_model
from scenescope.models.vision.placement import LoadOptions
from scenescope.models.vision.runtimes import RUNTIMES, open_network

pytestmark = pytest.mark.slow

PICTURE = np.random.default_rng(11).random((1, 3, 32, 32), dtype=np.float32)


def given(layout: str, picture: np.ndarray = PICTURE) -> np.ndarray:
    return picture if layout == "NCHW" else np.ascontiguousarray(picture.transpose(0, 2, 3, 1))


def opened(tiny, load: LoadOptions | None = None):
    return open_network(tiny.runtime, tiny.path, load or LoadOptions("cpu"), tiny.options)


def answer(network, tensor) -> tuple[np.ndarray, np.ndarray]:
    """The map (1, 4, h, w) and the means (1, 4), whatever they are called."""
    outputs = network.run({network.inputs[0].name: tensor})
    areas, means = sorted(outputs.values(), key=lambda value: -value.ndim)
    return (areas if areas.shape[1] == 4 else areas.transpose(0, 3, 1, 2)), means


def test_every_runtime_of_tensors_is_in_the_table(tiny_networks):
    assert {tiny.runtime for tiny in tiny_networks} == {name for name, info in RUNTIMES.items() if info.network}


def test_every_runtime_gives_the_same_answer(tiny_networks, tiny_onnx):
    reference = open_network("onnxruntime", tiny_onnx, LoadOptions("cpu"))
    expected = answer(reference, PICTURE)
    assert np.ptp(expected[0]) > 1
    for tiny in tiny_networks:
        network = opened(tiny)
        for found, wanted in zip(answer(network, given(tiny.layout)), expected, strict=True):
            assert found.dtype == np.float32
            assert np.abs(found - wanted).max() < 1e-4, tiny
        assert network.placement.device == "CPU", tiny
        assert network.placement.problem == "", tiny
        zeros = network.run_on_zeros(32)
        assert [info.name for info in network.outputs] in ([], list(zeros)), tiny
        network.close()


def test_inputs_are_told_where_the_file_knows_them(tiny_networks):
    sizes = {"NCHW": (3, 32, 32), "NHWC": (32, 32, 3)}
    for tiny in tiny_networks:
        (info,) = opened(tiny).inputs
        assert info.dtype == "float32"
        expected = {"torchvision": (3, None, None)}.get(tiny.runtime, sizes[tiny.layout])
        assert info.shape[1:] == ((None, None, 3) if tiny.path.name == "any.tflite" else expected), tiny


def test_metadata_of_files_is_read(tiny_networks):
    told = {tiny.runtime: dict(opened(tiny).metadata) for tiny in tiny_networks}
    assert told["onnxruntime"] == told["opencv"] == {"task": "classify", "stride": "1"}
    assert told["torchscript"] == {"stride": "8"}
    assert told["torchvision"] == {"task": "classify"}


def test_many_threads_get_their_own_answers(tiny_networks):
    rng = np.random.default_rng(5)
    pictures = [rng.random((1, 3, 32, 32), dtype=np.float32) for _ in range(4)]
    for tiny in tiny_networks:
        network = opened(tiny, LoadOptions("cpu", threads=ThreadBudget(workers=2)))
        tensors = [given(tiny.layout, picture) for picture in pictures]
        expected = [answer(network, tensor)[0].tobytes() for tensor in tensors]
        wrong: list[object] = []

        def work(which: int, network=network, tensors=tensors, expected=expected, wrong=wrong) -> None:
            try:
                for _ in range(15):
                    if answer(network, tensors[which])[0].tobytes() != expected[which]:
                        wrong.append(which)
            except Exception as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(which,)) for which in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == [], tiny


def test_wishes_that_cannot_be_fulfilled_are_told(tiny_networks):
    for tiny in tiny_networks:
        half = opened(tiny, LoadOptions("cpu", half=True)).placement
        assert "precision" in half.problem, tiny
        network = opened(tiny, LoadOptions("mps"))
        assert network.placement.device == "CPU", tiny
        assert network.placement.problem.startswith("Runs on CPU: "), tiny
        assert network.placement.reason, tiny
        with pytest.raises(RuntimeMissing, match=r"MPS|'mps'") as caught:
            opened(tiny, LoadOptions("mps", strict=True))
        assert caught.value.hint, tiny
        answer(network, given(tiny.layout))
        assert network.placement.device == "CPU", tiny
    scripted = next(tiny for tiny in tiny_networks if tiny.runtime == "torchscript")
    assert "cannot be compiled again" in opened(scripted, LoadOptions("cpu", compiled=True)).placement.problem


def test_wrong_inputs_are_named_not_crashed_on(tiny_networks):
    for tiny in tiny_networks:
        network = opened(tiny)
        with pytest.raises(ModelIncompatible, match="also needs the input"):
            network.run({"nonsense": given(tiny.layout)})
        if tiny.path.name != "any.tflite":
            with pytest.raises(ModelIncompatible, match=r"cannot be run|The network takes"):
                network.run({network.inputs[0].name: np.zeros((1, 5, 7, 9), np.float32)})
        answer(network, given(tiny.layout))


def test_numpy_arrays_of_any_kind_are_taken(tiny_networks, tiny_onnx):
    expected = answer(open_network("onnxruntime", tiny_onnx), PICTURE)[1]
    for tiny in tiny_networks:
        network = opened(tiny)
        frozen = given(tiny.layout).copy()
        frozen.flags.writeable = False
        for tensor in (frozen, np.asfortranarray(frozen), frozen.astype(np.float64)):
            assert np.abs(answer(network, tensor)[1] - expected).max() < 1e-4, tiny


def test_a_network_of_any_size_is_resized(tiny_tensorflow_files, tmp_path, tiny_writer):
    onnx = open_network("onnxruntime", tiny_writer(tmp_path / "any.onnx", "side"))
    opencv = open_network("opencv", tmp_path / "any.onnx")
    litert = opened(next(tiny for tiny in tiny_tensorflow_files if tiny.path.name == "any.tflite"))
    assert onnx.inputs[0].shape == (None, 3, None, None)
    rng = np.random.default_rng(1)
    for size in (16, 48, 16):
        picture = rng.random((1, 3, size, size), dtype=np.float32)
        expected = answer(onnx, picture)[0]
        assert expected.shape == (1, 4, size, size)
        assert np.abs(answer(opencv, picture)[0] - expected).max() < 1e-4
        assert np.abs(answer(litert, given("NHWC", picture))[0] - expected).max() < 1e-4


def test_quantised_tensors_are_real_numbers_outside(tiny_tensorflow_files, tiny_onnx):
    path = tiny_tensorflow_files[0].path.parent / "int8.tflite"
    network = open_network("litert", path)
    assert (network.inputs[0].dtype, network.outputs[0].dtype) == ("int8", "float32")
    expected = answer(open_network("onnxruntime", tiny_onnx), PICTURE)
    real = answer(network, given("NHWC"))
    span = np.ptp(expected[0])
    assert np.abs(real[0] - expected[0]).max() < 0.05 * span
    # The picture's 0..1 is this network's -128..127, and these may be given as they are.
    whole = np.clip(np.rint(given("NHWC") * 255) - 128, -128, 127).astype(np.int8)
    assert np.abs(answer(network, whole)[0] - real[0]).max() < 0.05 * span


def test_tensors_of_pytorch_are_taken_as_they_are(tiny_torch_files):
    import torch

    for tiny in tiny_torch_files:
        network = opened(tiny)
        expected = answer(network, PICTURE)[1]
        assert (answer(network, torch.from_numpy(PICTURE))[1] == expected).all()
        assert np.abs(answer(network, torch.from_numpy(PICTURE).double())[1] - expected).max() < 1e-6


def test_tensors_of_tensorflow_are_taken_as_they_are(tiny_tensorflow_files):
    import tensorflow as tf

    for tiny in tiny_tensorflow_files[:2]:
        network = opened(tiny)
        expected = answer(network, given("NHWC"))[1]
        assert (answer(network, tf.constant(given("NHWC")))[1] == expected).all()


@pytest.mark.parametrize("name", ["mobilenet_v2_imagenet1k_v1"])
def test_the_bundled_classifier_sees_a_minibus(name, bus):
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    model = open_model(load_card(name))
    model.load(LoadOptions("cpu"))
    (found,) = model.infer([cv2.imread(str(bus))])
    assert found.labels[:2] == ["minibus", "police van"]
    assert len(found) == 5
    assert found.confidence[0] == pytest.approx(0.48, abs=0.05)
    (three,) = model.infer([np.zeros((2, 3000, 3), np.uint8)], top=3)
    assert len(three) == 3
    model.close()


def test_a_networks_file_may_lie_in_a_folder_of_any_name(tiny_networks, tmp_path):
    import shutil

    folder = tmp_path / "Bücher und 模型"
    folder.mkdir()
    for tiny in tiny_networks:
        to = folder / tiny.path.name
        if not to.exists():
            (shutil.copytree if tiny.path.is_dir() else shutil.copy)(tiny.path, to)
        assert answer(opened(tiny._replace(path=Path(to))), given(tiny.layout))[1].shape == (1, 4)
