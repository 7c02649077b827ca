"""Tools that touch data or privacy: each call must be confirmed, and paths come from the user's own dialogs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from scenescope.app.assistant.tools.edit import edit_plan
from scenescope.app.assistant.tools.host import ZONES_KIND, Host, zones_of
from scenescope.app.assistant.tools.plan import AppTool, NoArgs, Plan, ToolArgs, done, planned_tool
from scenescope.models import AssistantError
from scenescope.models.language import Risk
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.scene_state import clean_text

__all__ = ["confirm_tools", "exact_name"]

_MUST = Risk.MUST_CONFIRM


class ClearZone(ToolArgs):
    name: Annotated[str, Field(min_length=1, max_length=60, description="Name of the zone or line.")]


def confirm_tools(host: Host) -> list[AppTool[Any]]:
    """The tools of ``host`` that must be confirmed."""

    def asked(title: str, ask: Callable[[], None], why: str) -> Callable[[NoArgs], Plan]:
        def do() -> Any:
            ask()
            return done(f"{title}: the dialog is open.")

        return lambda _: Plan(title, do, _MUST, why)

    def record(on: bool) -> Callable[[NoArgs], Plan]:
        title = "Start recording" if on else "Stop recording"
        why = "It writes what is shown to a file." if on else "What happens after it would not be recorded."

        def plan(_: NoArgs) -> Plan:
            def do() -> Any:
                if host.recording == on:
                    raise AssistantError("It is being recorded already." if on else "Nothing is being recorded.")
                if on and not host.source.active:
                    raise AssistantError("No source is open.", hint="Open a camera or a video first.")
                host.set_recording(on)
                return done("Recording began." if on else "Recording ended.")

            if host.recording == on:
                return Plan(title, lambda: done(f"{title}: that is so already."), _MUST, why, idle=True)
            # What was agreed to is the recording of this source as this pipeline shows it.
            return Plan(title, do, _MUST, why, about=(host.source.key, host.spec.model_dump_json()))

        return plan

    def clear(args: ClearZone) -> Plan:
        def edit(spec: PipelineSpec) -> tuple[PipelineSpec, str]:
            zones = zones_of(spec)
            name = exact_name(args.name, zones.names, "zone or line")
            stage = next(stage for stage in spec.stages if stage.kind == ZONES_KIND)
            left = zones.model_copy(
                update={
                    "zones": tuple(zone for zone in zones.zones if zone.name != name),
                    "lines": tuple(line for line in zones.lines if line.name != name),
                }
            )
            what = "line" if name in [line.name for line in zones.lines] else "zone"
            shapes = left.model_dump(mode="json")
            return spec.with_params(stage.id, shapes=shapes), f"Clear the {what} '{clean_text(name, 60)}'"

        return edit_plan(host, edit, "What was drawn would be gone, and so would its counts.")

    opens = "Opens the app's own dialog, in which the user chooses."
    return [
        planned_tool(
            "load_source", f"Show another camera or video. {opens}", NoArgs, _MUST,
            asked("Open another source", host.ask_source, "What is shown now would end."),
            ("open another video",),
        ),
        planned_tool(
            "start_recording", "Record what is shown.", NoArgs, _MUST, record(True), ("start recording",)
        ),
        planned_tool("stop_recording", "End the recording.", NoArgs, _MUST, record(False), ("stop recording",)),
        planned_tool(
            "export", f"Write results to files. {opens}", NoArgs, _MUST,
            asked("Export results", host.ask_export, "It writes files."), ("export the results",),
        ),
        planned_tool(
            "clear_zone", "Remove a zone or a line that was drawn.", ClearZone, _MUST, clear, ("clear the zone",)
        ),
    ]  # fmt: skip


def exact_name(name: str, known: tuple[str, ...], what: str) -> str:
    """The known name that is meant, however its letters' case.

    Raises:
        AssistantError: there is none, or there are several.
    """
    if name in known:
        return name
    wanted = clean_text(name, 60).casefold()
    found = [one for one in known if clean_text(one, 60).casefold() == wanted]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"'{clean_text(one, 60)}'" for one in known[:8])
    raise AssistantError(
        f"There is no {what} called '{clean_text(name, 60)}'." if not found else f"Several are called '{wanted}'.",
        hint=f"There are {names}." if names else f"There is no {what} yet.",
    )
