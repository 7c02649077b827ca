"""A network on this computer that describes pictures."""

from scenescope.models.language.local.folders import (
    TASK,
    ModelFolder,
    local_models,
    model_folder,
    offered_models,
)
from scenescope.models.language.local.limits import Limits
from scenescope.models.language.local.model import LocalModel

__all__ = ["TASK", "Limits", "LocalModel", "ModelFolder", "local_models", "model_folder", "offered_models"]
