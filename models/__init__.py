"""Result types, the error tree, and the networks that produce results. Imports nothing heavier than numpy."""

from scenescope.models.errors import (
    AssistantError,
    DownloadFailed,
    ModelError,
    ModelIncompatible,
    ModelMissing,
    ModelRefused,
    PluginError,
    RuntimeMissing,
    ScenescopeError,
    SinkError,
    SourceError,
    SpecError,
    StageContractError,
    StageError,
)
from scenescope.models.log_events import EventKind, LogEvent, WithEvents
from scenescope.models.maps import DenseMap
from scenescope.models.measures import Count, SceneScore, ZoneMeasures
from scenescope.models.results import Detections, Keypoints, Labels, Masks, ResultBatch, Texts, Tracks
from scenescope.models.shapes import Markers, OrientedDetections, Shapes

__all__ = [
    "AssistantError",
    "Count",
    "DenseMap",
    "Detections",
    "DownloadFailed",
    "EventKind",
    "Keypoints",
    "Labels",
    "LogEvent",
    "Markers",
    "Masks",
    "ModelError",
    "ModelIncompatible",
    "ModelMissing",
    "ModelRefused",
    "OrientedDetections",
    "PluginError",
    "ResultBatch",
    "RuntimeMissing",
    "SceneScore",
    "ScenescopeError",
    "Shapes",
    "SinkError",
    "SourceError",
    "SpecError",
    "StageContractError",
    "StageError",
    "Texts",
    "Tracks",
    "WithEvents",
    "ZoneMeasures",
]
