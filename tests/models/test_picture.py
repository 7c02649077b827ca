"""One picture for several networks: the same tensor on the host and on a device, copied there once."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import cv2
import numpy as np
import pytest

from scenescope.models import Detections
from scenescope.models.cards import load_card
from scenescope.models.vision.copies import COPIES, CopyCount
from scenescope.models.vision.inputs import InputSpec, prepare
from scenescope.models.vision.picture import Picture, prepare_on
from scenescope.models.vision.placement import Placement
from scenescope.models.vision.tensor_model import TensorModel
from scenescope.pipelines.meters import CopyMeter

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed"),
]

SPECS = [
    InputSpec((320, 320)),
    InputSpec((320, 192), fit="letterbox top left", colour="BGR", mean=(103.5, 116.3, 123.7), std=(57.4, 57.1, 58.4)),
    InputSpec((200, 300), fit="stretch", layout="NHWC", mean=(127.5,), std=(127.5,)),
    InputSpec((224, 224), fit="crop", crop_fraction=0.875),
    InputSpec((64, 64), colour="grey", padding=0),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.fit} {spec.colour} {spec.layout}")
@pytest.mark.parametrize("photo", ["chelsea.png", "rocket.jpg"])
def test_a_device_prepares_the_same_tensor(photos, photo, spec):
    image = cv2.imread(str(photos / photo))
    on_host, geometry = prepare(image, spec)
    on_device, same = prepare_on(Picture(image).on("cpu"), spec)
    assert on_device.shape == on_host.shape == spec.shape
    assert np.array_equal(geometry.to_picture, same.to_picture)
    assert geometry[1:] == same[1:]
    # In grey values: rounding alone for bilinear scaling; two kinds of averaging where a crop is made smaller.
    difference = np.abs(on_device.numpy() - on_host) * min(spec.std)
    assert np.percentile(difference, 99) <= (12 if spec.fit == "crop" else 1.03)
    assert difference.mean() <= (1.5 if spec.fit == "crop" else 0.3)


def test_a_picture_is_copied_once_to_each_device():
    image = np.zeros((40, 60, 3), np.uint8)
    picture = Picture(image)
    before = COPIES.count
    for device in ("meta", "meta", "cpu", "meta"):
        assert picture.on(device).shape == (40, 60, 3)
    made = COPIES.count - before
    assert made == CopyCount(uploads=2, uploaded_bytes=2 * image.nbytes)


class OnDevice:
    """Stands in for a network on a GPU: takes tensors, gives arrays."""

    torch_device = "cpu"
    placement = Placement("CUDA:0")

    def __init__(self, network) -> None:
        self._network = network
        self.inputs = network.inputs

    def run(self, inputs):
        return self._network.run({name: np.asarray(value) for name, value in inputs.items()})


def test_two_networks_on_a_device_share_one_copy_of_the_picture(photos):
    image = cv2.imread(str(photos / "chelsea.png"))
    models = []
    for _ in range(2):
        model = TensorModel(load_card("nanodet_g_416_coco"))
        model.load()
        models.append(model)
    (on_host,) = models[0].infer([image])
    for model in models:
        model.network = OnDevice(model.network)
    picture, before = Picture(image), COPIES.count
    found = [model.look_at(picture) for model in models]
    made = COPIES.count - before
    assert made.uploads == 1
    assert made.downloads == 2 * 6
    for one in found:
        assert isinstance(one, Detections)
        assert one.labels == on_host.labels
        assert np.abs(one.xyxy - on_host.xyxy).max() < 3


def test_arrays_for_a_network_on_a_device_are_counted_too(photos):
    image = cv2.imread(str(photos / "chelsea.png"))
    model = TensorModel(replace(load_card("nanodet_g_416_coco")))
    model.load()
    model.network.placement = Placement("CUDA:0")
    before = COPIES.count
    model.look_at(Picture(image))
    made = COPIES.count - before
    assert (made.uploads, made.downloads) == (1, 6)
    assert made.uploaded_bytes == 4 * 3 * 416 * 416


def test_copies_are_told_for_every_frame():
    meter = CopyMeter()
    assert meter.update(0).uploads == 0
    for _ in range(10):
        COPIES.uploaded(1_000_000)
        COPIES.downloaded(500_000)
    rate = meter.update(5)
    assert (rate.uploads, rate.downloads, rate.megabytes) == (2, 2, 3)
