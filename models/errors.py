"""Everything that Scenescope raises on purpose, as one tree.

::

    ScenescopeError
    |-- SourceError            a camera, file or stream cannot be read
    |-- SinkError              a result cannot be written
    |-- SpecError              a pipeline file or a parameter is wrong
    |-- StageError             a stage failed
    |   `-- StageContractError it returned what no stage may return
    |-- ModelError             a model cannot be used
    |   |-- ModelMissing       its file is not there, or is not the file that its card describes
    |   |-- ModelIncompatible  it is there, but its inputs, outputs or format do not fit
    |   |-- ModelRefused       it can run code of its own, and nobody has said that it may
    |   |-- DownloadFailed     it cannot be fetched, now or at all
    |   `-- RuntimeMissing     the library that runs it is not installed
    |-- PluginError            an entry point cannot be imported, or does not keep to its contract
    `-- AssistantError         a provider of the assistant cannot answer

Each one carries what a person needs: ``user_message`` (what happened, naming the file, stage or device),
``hint`` (what to do about it), and ``permanent`` (True when trying again cannot help).
"""

from __future__ import annotations

__all__ = [
    "AssistantError",
    "DownloadFailed",
    "ModelError",
    "ModelIncompatible",
    "ModelMissing",
    "ModelRefused",
    "PluginError",
    "RuntimeMissing",
    "ScenescopeError",
    "SinkError",
    "SourceError",
    "SpecError",
    "StageContractError",
    "StageError",
]


class ScenescopeError(Exception):
    """A failure with a sentence for the user and a cure.

    Args:
        user_message: one sentence that names the thing that failed and why.
        hint: what the user can do; empty when there is nothing to do.
        permanent: True when trying the same again cannot succeed.
    """

    permanent_by_default = False

    def __init__(self, user_message: str, *, hint: str = "", permanent: bool | None = None) -> None:
        super().__init__(user_message)
        self.user_message = user_message
        self.hint = hint
        self.permanent = self.permanent_by_default if permanent is None else permanent

    def __str__(self) -> str:
        return f"{self.user_message} {self.hint}".strip()


class SourceError(ScenescopeError):
    """A camera, file or stream cannot be opened or read."""


class SinkError(ScenescopeError):
    """A recorder or writer cannot write: folder missing, disk full, codec absent."""

    permanent_by_default = True


class SpecError(ScenescopeError):
    """A pipeline file or a stage parameter is not valid."""

    permanent_by_default = True


class StageError(ScenescopeError):
    """A stage failed in ``open`` or ``process``."""


class StageContractError(StageError):
    """A stage returned what no stage may return; ``user_message`` is what it returned, "float64 (480, 640)"."""

    permanent_by_default = True


class ModelError(ScenescopeError):
    """A model cannot be loaded or run."""

    permanent_by_default = True


class ModelMissing(ModelError):
    """The weights are not on this computer, or their hash is not the one on the card."""


class ModelIncompatible(ModelError):
    """The weights are there, but their inputs, outputs or format are not those the decoder knows."""


class ModelRefused(ModelError):
    """Loading the file can run code that is in it, and the user has not said that it may."""


class DownloadFailed(ModelError):
    """A network cannot be fetched: no connection, no such address, no room, or not what was promised."""

    permanent_by_default = False


class RuntimeMissing(ModelError):
    """The library that runs this kind of model is not installed."""


class PluginError(ScenescopeError):
    """A plugin cannot be imported, or what it registers is not what its group promises."""

    permanent_by_default = True


class AssistantError(ScenescopeError):
    """A provider of the assistant cannot answer."""
