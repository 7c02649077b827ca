"""Files that no runtime should take at their word: damaged ones, and ones that are programs."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scenescope.models.catalogue import Catalogue, use
from scenescope.models.catalogue.trust import trust
from scenescope.models.errors import ModelError, ModelIncompatible, ModelMissing, ModelRefused
from scenescope.models.vision.placement import LoadOptions
from scenescope.models.vision.runtimes import open_network

SUFFIXES = {
    "onnxruntime": ".onnx",
    "opencv": ".onnx",
    "litert": ".tflite",
    "torchscript": ".pt",
    "torch-export": ".pt2",
    "torchvision": ".safetensors",
    "keras": ".keras",
}
SLOW = ("torchscript", "torch-export", "torchvision", "keras")


@pytest.fixture
def trusting(tmp_path):
    """A catalogue that can remember what is trusted."""
    put_back = use(Catalogue(tmp_path / "data"))
    yield
    put_back()


def each_runtime(names=tuple(SUFFIXES)):
    return [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in names]


# Damaged files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", each_runtime())
def test_what_is_no_network_is_named(runtime, tmp_path, photos):
    kinds = {
        "empty": b"",
        "text": b"This is a text, and not a network at all.\n" * 40,
        "noise": np.random.default_rng(0).bytes(5000),
        "photo": (photos / "rocket.jpg").read_bytes(),
    }
    for name, content in kinds.items():
        path = tmp_path / f"{name}{SUFFIXES[runtime]}"
        path.write_bytes(content)
        with pytest.raises(ModelIncompatible, match=path.name) as caught:
            open_network(runtime, path, options={"factory": "mobilenet_v2"} if runtime == "torchvision" else {})
        assert "\n" not in caught.value.user_message
        assert len(caught.value.user_message) < 350
    with pytest.raises(ModelMissing, match="nowhere"):
        open_network(runtime, tmp_path / f"nowhere{SUFFIXES[runtime]}", options={"factory": "mobilenet_v2"})
    with pytest.raises(ModelIncompatible, match="is a folder, not a file"):
        open_network(runtime, tmp_path, options={"factory": "mobilenet_v2"})


def damaged(path: Path, seed: int, to: Path) -> Path:
    """A copy with a few bytes changed, or cut off."""
    rng = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    for at in rng.integers(0, len(content), rng.choice([1, 2, 8, 32])):
        content[at] = rng.choice([0, 127, 128, 255, int(rng.integers(256))])
    to.write_bytes(content[: rng.integers(len(content))] if seed % 5 == 0 else content)
    return to


def survives(runtime: str, path: Path, options: dict | None = None) -> bool:
    """True when it runs all the same; False when it is refused in our words. Anything else raises."""
    try:
        network = open_network(runtime, path, LoadOptions("cpu"), options)
        network.run_on_zeros(32)
        network.close()
    except ModelError:
        return False
    return True


@pytest.mark.parametrize("runtime", ["onnxruntime", "opencv"])
def test_damaged_onnx_files_harm_nobody(runtime, tiny_onnx, tmp_path):
    ran = [survives(runtime, damaged(tiny_onnx, seed, tmp_path / "x.onnx")) for seed in range(60)]
    assert 0 < sum(ran) < len(ran)


def test_damaged_tflite_files_harm_nobody(tmp_path):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    from scenescope.models.cards import load_card

    path = load_card("selfie_segmentation_256_tflite").path
    ran = [survives("litert", damaged(path, seed, tmp_path / "x.tflite")) for seed in range(30)]
    assert 0 < sum(ran) < len(ran)


@pytest.mark.slow
def test_damaged_files_of_pytorch_and_keras_harm_nobody(tiny_torch_files, tiny_tensorflow_files, tmp_path):
    for tiny in (*tiny_torch_files, *tiny_tensorflow_files[1:3]):
        copy = tmp_path / tiny.path.name
        ran = [survives(tiny.runtime, damaged(tiny.path, seed, copy), tiny.options) for seed in range(12)]
        assert sum(ran) < len(ran), tiny


@pytest.mark.slow
def test_damaged_saved_models_are_named(tiny_tensorflow_files, tmp_path):
    good = tiny_tensorflow_files[0].path
    changes: dict[str, Callable[[Path], object]] = {
        "graph": lambda f: (f / "saved_model.pb").write_bytes((good / "saved_model.pb").read_bytes()[:2000]),
        "no graph": lambda f: (f / "saved_model.pb").unlink(),
        "no weights": lambda f: shutil.rmtree(f / "variables"),
    }
    for name, change in changes.items():
        folder = tmp_path / name
        shutil.copytree(good, folder)
        change(folder)
        with pytest.raises(ModelIncompatible, match=name):
            open_network("tensorflow", folder)
    with pytest.raises(ModelIncompatible, match="has no signature 'unheard-of'; it has"):
        open_network("tensorflow", good, options={"signature": "unheard-of"})
    with pytest.raises(ModelIncompatible, match="is a file, not a folder"):
        open_network("tensorflow", good / "saved_model.pb")


def onnx_file(path: Path, shape: list[int], op: str = "Relu", opset: int = 17, ir: int = 8, domain: str = "") -> Path:
    import onnx
    from onnx import TensorProto, helper

    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], domain=domain)], "g", tensors[:1], tensors[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir), path)
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"opset": 99}, r"uses opset 99, and \d+ is the newest"),
        ({"ir": 99}, r"format is of version 99, and \d+ is the newest"),
        ({"op": "Unheard", "domain": "of"}, "Unheard"),
    ],
)
def test_onnx_files_of_another_time_say_so(changes, words, tmp_path):
    with pytest.raises(ModelIncompatible, match=words):
        open_network("onnxruntime", onnx_file(tmp_path / "x.onnx", [1, 3, 4, 4], **changes))


def test_onnx_weights_in_a_missing_file_are_named(tiny_onnx, tmp_path):
    import onnx

    model = onnx.load(tiny_onnx)
    onnx.save(model, tmp_path / "x.onnx", save_as_external_data=True, location="weights.data", size_threshold=0)
    assert survives("onnxruntime", tmp_path / "x.onnx")
    (tmp_path / "weights.data").unlink()
    with pytest.raises(ModelIncompatible, match=r"the file that holds its weights is missing .*weights\.data"):
        open_network("onnxruntime", tmp_path / "x.onnx")


@pytest.mark.parametrize("runtime", ["onnxruntime", "opencv"])
def test_a_claimed_size_is_not_believed(runtime, tmp_path):
    network = open_network(runtime, onnx_file(tmp_path / "x.onnx", [1, 3, 1_000_000, 1_000_000]))
    with pytest.raises(ModelIncompatible, match="too large to be a picture"):
        network.run_on_zeros()


# Files that are programs ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_torchscript_file_that_writes_files_is_refused_until_trusted(tmp_path, trusting):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

    class Writer(torch.nn.Module):
        def __init__(self, path: str):
            super().__init__()
            self.path = path

        def forward(self, x):
            return x + torch.from_file(self.path, True, 4).sum()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Writer(str(tmp_path / "written"))), tmp_path / "writer.pt")
    with pytest.raises(ModelRefused, match=r"reads or writes files \(from_file\)") as caught:
        open_network("torchscript", tmp_path / "writer.pt")
    assert "trust" in caught.value.hint
    trust(tmp_path / "writer.pt")
    open_network("torchscript", tmp_path / "writer.pt").run({"x": np.zeros(2, np.float32)})
    assert (tmp_path / "written").exists(), "the danger is real"


def rewritten(path: Path, to: Path, change: Callable[[str, bytes], bytes], **more: bytes) -> Path:
    """The archive with ``change`` applied to each of its files by name, and some more files."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, content in more.items():
            new.writestr(f"{new.namelist()[0].partition('/')[0]}/{name}", content)
    return to


@pytest.mark.slow
def test_an_exported_program_that_runs_python_is_refused(tiny_torch_files, tmp_path):
    good = tiny_torch_files[1].path
    written = tmp_path / "written"
    python = f"open('{written}', 'w').write('x')"

    def in_graph(edit: Callable[[dict], object]) -> Callable[[str, bytes], bytes]:
        def change(name: str, content: bytes) -> bytes:
            if not name.endswith("models/model.json"):
                return content
            graph = json.loads(content)
            edit(graph)
            return json.dumps(graph).encode()

        return change

    def sizes(name: str, content: bytes) -> bytes:
        expression = json.dumps({"as_expr": {"expr_str": python, "hint": None}}).encode()
        return content.replace(b'{"as_int": 8}', expression) if name.endswith("weights_config.json") else content

    def pickled(name: str, content: bytes) -> bytes:
        return b"\x80\x04cposix\nsystem\n." if "sample_inputs" in name else content

    nodes = lambda graph: graph["graph_module"]["graph"]["nodes"][1]  # noqa: E731
    hostile = {
        "target": in_graph(lambda graph: nodes(graph).update(target="torch.hub.os.system")),
        "name": in_graph(lambda graph: nodes(graph).update(name=f"x = {python}")),
        "file": in_graph(lambda graph: nodes(graph).update(target="torch.ops.aten.from_file.default")),
        "sizes": sizes,
        "pickle": pickled,
    }
    for name, change in hostile.items():
        with pytest.raises(ModelRefused, match="It holds"):
            open_network("torch-export", rewritten(good, tmp_path / f"{name}.pt2", change))
    compiled = rewritten(good, tmp_path / "a.pt2", lambda _, c: c, **{"data/aotinductor/model/a.so": b"\x7fELF"})
    with pytest.raises(ModelRefused, match="compiled for one kind of computer"):
        open_network("torch-export", compiled)
    # Guards are Python text as well; they are not looked at, since they are never run.
    guarded = rewritten(good, tmp_path / "g.pt2", in_graph(lambda graph: graph.update(guards_code=[python])))
    assert survives("torch-export", guarded)
    assert survives("torch-export", rewritten(good, tmp_path / "same.pt2", lambda _, content: content))
    assert not written.exists()


@pytest.mark.slow
def test_exported_programs_of_any_size_are_harmless(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

    class Halves(torch.nn.Module):
        def forward(self, x):
            half = torch.nn.functional.interpolate(x, scale_factor=0.5, mode="bilinear")
            return {"half": half, "parts": [half.amax(), x.flatten(1)[:, : x.shape[3] // 2]]}

    side = torch.export.Dim("side", min=8, max=256)
    program = torch.export.export(Halves(), (torch.zeros(1, 3, 32, 32),), dynamic_shapes=[{2: 2 * side, 3: 2 * side}])
    torch.export.save(program, tmp_path / "any.pt2")
    network = open_network("torch-export", tmp_path / "any.pt2")
    assert network.inputs[0].shape == (1, 3, None, None)
    outputs = network.run({"x": np.ones((1, 3, 64, 64), np.float32)})
    assert {name: value.shape for name, value in outputs.items()} == {
        "half": (1, 3, 32, 32),
        "parts.0": (),
        "parts.1": (1, 32),
    }


@pytest.mark.slow
def test_a_saved_model_that_writes_files_is_refused_until_trusted(tmp_path, trusting):
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    written = tmp_path / "written"

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32)])
        def __call__(self, x):
            tf.io.write_file(str(written), "x")
            return x

    tf.saved_model.save(Writer(), str(tmp_path / "writer"))
    with pytest.raises(ModelRefused, match=r"reads or writes files \(WriteFile\)"):
        open_network("tensorflow", tmp_path / "writer")
    trust(tmp_path / "writer")
    open_network("tensorflow", tmp_path / "writer").run({"x": np.zeros(1, np.float32)})
    assert written.exists(), "the danger is real"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_layer_is_refused_until_trusted(suffix, tmp_path, trusting, tiny_tensorflow_files):
    import keras

    given = keras.Input((4, 4, 3))
    path = tmp_path / f"lambda{suffix}"
    keras.Model(given, keras.layers.Lambda(lambda x: x * 2, output_shape=(4, 4, 3))(given)).save(path)
    with pytest.raises(ModelRefused, match="Lambda"):
        open_network("keras", path)
    trust(path)
    assert open_network("keras", path).run_on_zeros()


@pytest.mark.slow
def test_a_keras_file_for_another_backend_says_so(tmp_path, tiny_tensorflow_files):
    path = tiny_tensorflow_files[1].path
    with pytest.raises(ModelIncompatible, match="needs Keras on JAX; this process has Keras on TensorFlow"):
        open_network("keras", path, options={"backend": "jax"})

    def to_torch(name: str, content: bytes) -> bytes:
        return content.replace(b'"Conv2D"', b'"TorchModuleWrapper"') if name == "config.json" else content

    with pytest.raises(ModelIncompatible, match="needs Keras on PyTorch"):
        open_network("keras", rewritten(path, tmp_path / "torch.keras", to_torch))


@pytest.mark.slow
def test_networks_of_keras_applications_take_weights_from_a_file(tmp_path, tiny_tensorflow_files):
    import keras

    small = {"input_shape": [32, 32, 3], "classes": 7, "alpha": 0.25}
    model = keras.applications.MobileNet(weights=None, **{**small, "input_shape": (32, 32, 3)})
    model.save_weights(tmp_path / "m.weights.h5")
    options = {"factory": "MobileNet", "factory_options": small}
    network = open_network("keras", tmp_path / "m.weights.h5", options=options)
    picture = np.random.default_rng(2).random((1, 32, 32, 3), dtype=np.float32)
    (found,) = network.run({network.inputs[0].name: picture}).values()
    assert np.abs(found - model(picture, training=False).numpy()).max() < 1e-5
    with pytest.raises(ModelIncompatible, match="no network called 'Unheard'"):
        open_network("keras", tmp_path / "m.weights.h5", options={"factory": "Unheard"})


@pytest.mark.slow
def test_torchvision_weights_must_be_those_of_the_network(tiny_torch_files, tmp_path):
    from scenescope.models.cards import load_card

    weights = load_card("mobilenet_v2_imagenet1k_v1").path
    cases = {
        "no network called 'unheard_of'": {"factory": "unheard_of"},
        "does not hold the weights of resnet18: of 122 tensors": {"factory": "resnet18"},
        "of 314 tensors 2 have another shape": {"factory": "mobilenet_v2", "factory_options": {"num_classes": 3}},
        "cannot build mobilenet_v2 with these options": {"factory": "mobilenet_v2", "factory_options": {"nonsense": 1}},
    }
    for words, options in cases.items():
        with pytest.raises(ModelIncompatible, match=words):
            open_network("torchvision", weights, options=options)
    # A factory whose backbone would be fetched is built without, and its nested outputs get names.
    import torchvision
    from safetensors.torch import save_file

    detector = torchvision.models.get_model("ssdlite320_mobilenet_v3_large", weights=None, weights_backbone=None)
    save_file(detector.state_dict(), tmp_path / "ssd.safetensors")
    network = open_network(
        "torchvision", tmp_path / "ssd.safetensors", options={"factory": "ssdlite320_mobilenet_v3_large"}
    )
    outputs = network.run({"input": np.zeros((1, 3, 64, 96), np.float32)})
    assert set(outputs) == {"boxes", "scores", "labels"}
    assert outputs["boxes"].shape[1:] == (4,)
