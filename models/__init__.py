"""Result types, the error tree, and the networks that produce results. Imports nothing heavier than numpy."""

from scenescope.models.errors import (
    AssistantError,
    ModelError,
    ModelIncompatible,
    ModelMissing,
    PluginError,
    RuntimeMissing,
    ScenescopeError,
    SinkError,
    SourceError,
    SpecError,
    StageContractError,
    StageError,
)
from scenescope.models.results import Detections, Keypoints, Labels, Masks, ResultBatch, Texts, Tracks

__all__ = [
    "AssistantError",
    "Detections",
    "Keypoints",
    "Labels",
    "Masks",
    "ModelError",
    "ModelIncompatible",
    "ModelMissing",
    "PluginError",
    "ResultBatch",
    "RuntimeMissing",
    "ScenescopeError",
    "SinkError",
    "SourceError",
    "SpecError",
    "StageContractError",
    "StageError",
    "Texts",
    "Tracks",
]
