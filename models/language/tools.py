"""Tools: what the assistant can look up or do, declared once for models, rules, menus and tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel

    from scenescope.models.language.base import Evidence

__all__ = ["Args", "Risk", "Tool", "ToolResult", "ToolSpec", "Undo", "phrase_parts"]

Args = TypeVar("Args", bound="BaseModel")
Undo = Callable[[], None]


class Risk(StrEnum):
    """What a tool can do to the user, and so who has to agree to a call of it."""

    READ = "read"
    """Looks and changes nothing."""
    REVERSIBLE = "reversible"
    """Moves the view or the playback; done without asking."""
    AUTOMATIC_WITH_UNDO = "automatic with undo"
    """Changes the pipeline; done without asking, shown as a difference, undone with one click."""
    MUST_CONFIRM = "must be confirmed"
    """Touches privacy or data; done only after the user has agreed to this very call."""


@dataclass(frozen=True)
class ToolSpec:
    """What a provider is told about a tool. ``args_schema`` is the JSON Schema of an object."""

    name: str
    description: str
    args_schema: Mapping[str, Any]
    risk: Risk


@dataclass(frozen=True)
class ToolResult:
    """What a call gave: JSON data for the provider, a sentence for people, and where to look at it.

    Attributes:
        proves: claims may rest on it; not on what a model said that it saw.
        seen: the words in ``value`` that were read or seen in pictures; they leave this computer only as pictures may.
        without: ``value`` without them; None where nothing is left then.
    """

    value: Any
    text: str
    evidence: tuple[Evidence, ...] = ()
    proves: bool = True
    seen: str = ""
    without: Any = None


@dataclass(frozen=True)
class Tool(Generic[Args]):
    """Something the app can do or look up.

    Attributes:
        name: how models and rules call it.
        description: one or two sentences for a model.
        args: the arguments; ``extra="forbid"``, and every field with a description and bounds.
        risk: the least risk that a call has.
        run: does it, on any thread. Raises a :class:`~scenescope.models.ScenescopeError` when it cannot.
        title: what a call does, for people: "Add 'Detect edges'".
        risk_of: the risk of this very call, where arguments raise it (switching a privacy stage off).
        inverse: called before ``run`` with the same arguments; gives what undoes the call, None if it would change
            nothing. A tool that is automatic with undo has one.
        phrases: ways to say it, which the rules understand: "blur faces". What is to be said in place of an example
            is in brackets: "track the [dog]". For the palette.
    """

    name: str
    description: str
    args: type[Args]
    risk: Risk
    run: Callable[[Args], ToolResult]
    title: Callable[[Args], str]
    risk_of: Callable[[Args], Risk] | None = None
    inverse: Callable[[Args], Undo | None] | None = None
    phrases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.risk is Risk.AUTOMATIC_WITH_UNDO and self.inverse is None:
            raise ValueError(f"the tool '{self.name}' is automatic with undo, but has no inverse")

    @property
    def spec(self) -> ToolSpec:
        """What a provider is told."""
        return ToolSpec(self.name, self.description, self.args.model_json_schema(), self.risk)


def phrase_parts(phrase: str) -> tuple[str, str, str]:
    """The words of a tool's phrase before its gap, the example that fills the gap, and the words after it."""
    before, _, rest = phrase.partition("[")
    example, _, after = rest.partition("]")
    return before, example, after
