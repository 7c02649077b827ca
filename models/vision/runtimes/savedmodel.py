"""TensorFlow: runs SavedModel folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scenescope.models.errors import ModelIncompatible
from scenescope.models.vision.network import Network, TensorInfo, Tensors, explained, named_outputs, present
from scenescope.models.vision.placement import LoadOptions, Placement, not_offered
from scenescope.models.vision.runtimes.programs import check_saved_model
from scenescope.models.vision.runtimes.tensorflow_common import before_tensorflow, device_name, tensorflow_device

__all__ = ["SavedModelNetwork"]

_SIGNATURE = "serving_default"


class SavedModelNetwork(Network):
    """One signature of a SavedModel: ``options["signature"]``, "serving_default", or the only one there is.

    Raises:
        ModelMissing: the folder is not there.
        ModelIncompatible: TensorFlow cannot read it, or it has no such signature.
        ModelRefused: its graph does more than compute, and nobody has said that it may.
    """

    def __init__(self, path: Path, load: LoadOptions, options: Mapping[str, Any]) -> None:
        check_saved_model(present(path, folder=True))
        before_tensorflow()
        import tensorflow as tf

        self._name = path.name
        self._device, reason = tensorflow_device(load)
        with explained(f"TensorFlow cannot open {path.name}"), tf.device(self._device):
            # Kept, since its signatures hold its variables only weakly.
            self._model = tf.saved_model.load(str(path))
            self._function = _chosen(self._model.signatures, options.get("signature"), path.name)
            given = self._function.structured_input_signature[1]
            found = self._function.structured_outputs
        self.inputs = tuple(_info(name, spec) for name, spec in given.items())
        self.outputs = tuple(_info(name, spec) for name, spec in found.items())
        self._dtypes = [spec.dtype for spec in given.values()]
        variables = self._function.variables
        placed = device_name(variables[0].device if variables else self._device)
        self.placement = Placement(placed, load.device, reason or not_offered(load, "TensorFlow"))

    def run(self, inputs: Mapping[str, Any]) -> Tensors:
        """Outputs by name. Tensors of TensorFlow are taken as they are."""
        import tensorflow as tf

        values = self.ordered(inputs)
        with explained(f"{self._name} cannot be run on these inputs"), tf.device(self._device):
            given = {
                info.name: value if tf.is_tensor(value) else tf.constant(value, dtype)
                for info, value, dtype in zip(self.inputs, values, self._dtypes, strict=True)
            }
            found = self._function(**given)
            ran_on = device_name(next(iter(found.values())).device)
            outputs = named_outputs(found, lambda tensor: tensor.numpy())
        if ran_on != self.placement.device:
            self.placement = replace(self.placement, device=ran_on)
        return outputs

    def close(self) -> None:
        self._model = self._function = None


def _chosen(signatures: Mapping[str, Any], wished: str | None, file: str) -> Any:
    name = wished or (_SIGNATURE if _SIGNATURE in signatures or len(signatures) != 1 else next(iter(signatures)))
    if name not in signatures:
        there = ", ".join(signatures) or "none"
        raise ModelIncompatible(f"{file} has no signature '{name}'; it has {there}.", hint="Set options.signature.")
    return signatures[name]


def _info(name: str, spec: Any) -> TensorInfo:
    # One that does not say its rank is taken to be a picture.
    shape = (None,) * 4 if spec.shape.rank is None else tuple(spec.shape.as_list())
    return TensorInfo(name, shape, spec.dtype.name)
