"""The engine: frames from a source through stages to sinks, on threads of its own. Never imports Qt."""

from scenescope.pipelines.frame import Frame, Result, Stamp
from scenescope.pipelines.params import Device, FilePath, Line, ModelOf, Region, StageParams
from scenescope.pipelines.registry import SINKS, SOURCES, STAGES
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import DeviceFormat, DeviceInfo, Source, SourceInfo
from scenescope.pipelines.spec import PipelineSpec, StageSpec
from scenescope.pipelines.stage import Stage, StageContext, StageInfo

__all__ = [
    "SINKS",
    "SOURCES",
    "STAGES",
    "Device",
    "DeviceFormat",
    "DeviceInfo",
    "FilePath",
    "Frame",
    "Line",
    "ModelOf",
    "PipelineSpec",
    "Region",
    "Result",
    "Sink",
    "Source",
    "SourceInfo",
    "Stage",
    "StageContext",
    "StageInfo",
    "StageParams",
    "StageSpec",
    "Stamp",
]
