"""Keras 3: runs .keras and .h5 files, and the networks of keras.applications, on TensorFlow, PyTorch or JAX."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.catalogue.trust import require_trust
from scenescope.models.errors import ModelIncompatible, RuntimeMissing
from scenescope.models.vision.network import Network, TensorInfo, Tensors, explained, present
from scenescope.models.vision.placement import LoadOptions, Placement, not_offered
from scenescope.models.vision.runtimes.tensorflow_common import before_tensorflow

__all__ = ["KerasNetwork"]

_BACKENDS = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}

# Layers that are made of another library's parts, and that library.
_BOUND_LAYERS = {
    "TFSMLayer": "tensorflow",
    "TorchModuleWrapper": "torch",
    "JaxLayer": "jax",
    "FlaxLayer": "jax",
}
_LAMBDA = "It holds code of its own (such as a Lambda layer), which runs when it is used"


class KerasNetwork(Network):
    """A whole model from a file, or ``options["factory"]`` of ``keras.applications`` with weights from a file.

    Keras has one backend for the life of a process, chosen when it is first imported. ``options["backend"]`` names the
    one that a file needs, where it does not say so itself. ``options["factory_options"]`` is passed to the factory:
    ``{classes = 4, input_shape = [224, 224, 3]}``. Nothing is fetched.

    Raises:
        ModelMissing: the file is not there.
        ModelIncompatible: Keras cannot read it, or it needs another backend than this process has.
        ModelRefused: it holds Python code, and nobody has said that it may run.
        RuntimeMissing: the backend is not installed.
    """

    def __init__(self, path: Path, load: LoadOptions, options: Mapping[str, Any]) -> None:
        present(path)
        before_tensorflow()
        try:
            import keras
        except ImportError as error:
            raise RuntimeMissing(
                f"Keras runs on TensorFlow, PyTorch or JAX, and {error.name} cannot be imported.",
                hint="pip install 'scenescope[tensorflow]', or choose another backend for Keras in the settings.",
            ) from error
        self._name = path.name
        self._backend = keras.backend.backend()
        _check_backend(path, options, self._backend)
        title = _BACKENDS.get(self._backend, self._backend)
        self._device, reason = _device(self._backend, load)
        with explained(f"Keras cannot open {path.name}", _readable), keras.device(self._device):
            self._model = _from_factory(path, options) if options.get("factory") else _from_file(path)
            if not getattr(self._model, "inputs", None):
                raise ModelIncompatible(
                    f"{path.name} does not say what its input is: it was saved before it was built."
                )
            self.inputs = tuple(_info(tensor, tensor.name) for tensor in self._model.inputs)
            # A Sequential model has one output, and no list of names.
            names = getattr(self._model, "output_names", None) or [tensor.name for tensor in self._model.outputs]
            outputs = zip(self._model.outputs, names, strict=True)
            self.outputs = tuple(_info(tensor, name) for tensor, name in outputs)
            self._call = _call(self._backend, self._model)
        reason = reason or not_offered(load, f"Keras on {title}")
        weights = self._model.weights
        placed = _where(self._backend, weights[0].value) if weights else ""
        self.placement = Placement(placed or self._device.upper(), load.device, reason, f"{title} backend")

    def run(self, inputs: Mapping[str, Any]) -> Tensors:
        """Outputs by name of their layers. Tensors of the backend are taken as they are."""
        import keras

        values = self.ordered(inputs)
        with explained(f"{self._name} cannot be run on these inputs"), keras.device(self._device), self._inference():
            tensors = [
                keras.ops.convert_to_tensor(value, info.dtype) for value, info in zip(values, self.inputs, strict=True)
            ]
            found = self._call(tensors if len(tensors) > 1 else tensors[0])
            tensors = keras.tree.flatten(found)
            ran_on = _where(self._backend, tensors[0])
            outputs = {info.name: _on_host(t) for info, t in zip(self.outputs, tensors, strict=True)}
        if ran_on and ran_on != self.placement.device:
            self.placement = replace(self.placement, device=ran_on)
        return outputs

    def close(self) -> None:
        self._model = self._call = None

    def _inference(self) -> AbstractContextManager[Any]:
        if self._backend != "torch":
            return nullcontext()
        import torch

        return torch.inference_mode()


def _from_file(path: Path) -> Any:
    import keras

    try:
        return keras.saving.load_model(str(path), compile=False, safe_mode=True)
    except Exception as error:
        if "safe_mode" not in str(error) and "unsafe" not in str(error):
            raise
        require_trust(path, _LAMBDA)
    return keras.saving.load_model(str(path), compile=False, safe_mode=False)


def _from_factory(path: Path, options: Mapping[str, Any]) -> Any:
    import keras

    name = str(options["factory"])
    factory = getattr(keras.applications, name, None)
    if not callable(factory):
        raise ModelIncompatible(
            f"keras.applications has no network called '{name}'.",
            hint="Set options.factory of the card to a name in keras.applications, such as MobileNetV2.",
        )
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in options.get("factory_options", {}).items()}
    model = factory(**{**given, "weights": None})
    model.load_weights(str(path))
    return model


def _check_backend(path: Path, options: Mapping[str, Any], backend: str) -> None:
    needed = str(options.get("backend", ""))
    for layer, library in _BOUND_LAYERS.items():
        if not needed and layer in _layer_classes(path):
            needed = library
    if needed and needed != backend:
        raise ModelIncompatible(
            f"{path.name} needs Keras on {_BACKENDS.get(needed, needed)}; this process has Keras on "
            f"{_BACKENDS.get(backend, backend)}.",
            hint=f"Choose '{needed}' as Keras' backend in the settings and start again.",
        )


def _layer_classes(path: Path) -> set[str]:
    """Class names of the layers in a .keras file; none where they cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return set()
    return set(re.findall(r'"class_name": "(\w+)"', json.dumps(config)))


def _device(backend: str, load: LoadOptions) -> tuple[str, str]:
    """Keras' name of the device for a wish, and why it is another one than was wished."""
    load.threads.apply()
    if backend == "tensorflow":
        from scenescope.models.vision.runtimes.tensorflow_common import tensorflow_device

        name, reason = tensorflow_device(load)
        return name.strip("/").lower(), reason
    if backend == "torch":
        from scenescope.models.vision.runtimes.torch_common import torch_device

        device, reason = torch_device(load)
        return ("cpu:0" if device.type == "cpu" else str(device)), reason
    import jax

    gpus = [device for device in jax.devices() if device.platform == "gpu"]
    family, _, number = load.device.lower().partition(":")
    index = int(number) if number.isdigit() else 0
    if family in ("auto", "cuda") and index < len(gpus):
        return f"gpu:{index}", ""
    return "cpu:0", "" if family in ("auto", "cpu") else f"JAX finds no device '{load.device}' here"


def _call(backend: str, model: Any) -> Any:
    """A function from tensors to tensors, compiled as the backend does it."""
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(lambda tensors: model(tensors, training=False), reduce_retracing=True)
    if backend == "jax":
        import jax

        trained = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        pure = jax.jit(lambda a, b, tensors: model.stateless_call(a, b, tensors, training=False)[0])
        return lambda tensors: pure(trained, others, tensors)
    return lambda tensors: model(tensors, training=False)


def _where(backend: str, tensor: Any) -> str:
    """The device of a tensor, as a placement names it."""
    if backend == "tensorflow":
        from scenescope.models.vision.runtimes.tensorflow_common import device_name

        return device_name(tensor.device)
    if backend == "torch":
        return str(tensor.device).upper()
    device = next(iter(tensor.devices()))
    return f"CUDA:{device.id}" if device.platform == "gpu" else device.platform.upper()


def _on_host(tensor: Any) -> NDArray[Any]:
    import keras

    array = np.asarray(keras.ops.convert_to_numpy(tensor))
    return array.astype(np.float32) if array.dtype.itemsize < 4 and array.dtype.kind in "fV" else array


def _info(tensor: Any, name: str) -> TensorInfo:
    return TensorInfo(name, tuple(tensor.shape), tensor.dtype)


def _readable(said: str) -> str:
    """Keras' words without its advice to programmers."""
    if said.startswith("File not found"):
        return "it is no whole .keras archive"
    return said.split(" Please ensure")[0]
