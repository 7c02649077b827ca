"""Everything that can be done, in one table. Menus, toolbar, shortcut list and command palette are made from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scenescope.pipelines.display import DisplayMode
from scenescope.widgets.theme import ThemeChoice

__all__ = ["ACTIONS", "CATEGORIES", "ActionSpec"]

CATEGORIES = ("Source", "Playback", "Film", "Pipeline", "Picture", "Inspect", "Results", "Window", "Help")


@dataclass(frozen=True)
class ActionSpec:
    """One row of the table.

    Attributes:
        id: how code calls it.
        text: in menus, with "&" before the letter to press.
        shortcut: as ``QKeySequence`` reads it.
        handler: dotted path from the window to what is called: with ``value`` if there is one, with the last part of
            ``id`` and the new state if it is ``checkable``, else with nothing.
        icon: name of a drawing; empty for none.
        tooltip: one sentence.
        category: the menu it stands in.
        checkable: it is on or off.
        group: of choices that exclude each other.
        scope: "window", or "stages" for a shortcut that works inside the stages dock only.
        separated: True to draw a line above it in the menu.
    """

    id: str
    text: str
    shortcut: str
    handler: str
    icon: str
    tooltip: str
    category: str = ""
    value: Any = None
    checkable: bool = False
    group: str = ""
    scope: str = "window"
    separated: bool = False


def _row(
    category: str, action_id: str, text: str, shortcut: str, handler: str, icon: str, tooltip: str, **more: Any
) -> ActionSpec:
    return ActionSpec(action_id, text, shortcut, handler, icon, tooltip, category, **more)


# One row, one or two lines: a table is read down its columns.
# fmt: off
def _rows() -> Iterator[ActionSpec]:
    menu = "Source"
    yield _row(menu, "source.demo", "&Demo camera", "Ctrl+1", "playback.open_demo", "demo",
               "Show the demo camera, which needs no hardware")
    yield _row(menu, "source.camera", "Choose &camera...", "Ctrl+2", "sources.choose_camera", "camera",
               "Choose a camera, its resolution and its rate")
    yield _row(menu, "source.file", "&Open file...", "Ctrl+O", "sources.choose_file", "file",
               "Play a video or show an image")
    yield _row(menu, "source.folder", "Open &folder of images...", "Ctrl+Shift+O", "sources.choose_folder", "folder",
               "Show the images of a folder")
    yield _row(menu, "source.url", "Open &stream URL...", "Ctrl+U", "sources.choose_url", "link",
               "Show a stream by its address (RTSP, HTTP)")
    yield _row(menu, "snapshot.save", "&Take snapshot", "Ctrl+P", "snapshots.save", "snapshot",
               "Save the analysed picture as PNG, with its overlay and without", separated=True)
    yield _row(menu, "snapshot.copy", "Cop&y snapshot", "Ctrl+Shift+C", "snapshots.copy", "copy",
               "Copy the analysed picture with its overlay")
    yield _row(menu, "snapshot.folder", "S&napshot folder...", "Ctrl+Shift+P", "choose_snapshot_folder", "folder",
               "Choose where snapshots are saved")
    yield _row(menu, "app.quit", "&Quit", "Ctrl+Q", "close", "power",
               "Stop everything and close the window", separated=True)

    menu = "Playback"
    yield _row(menu, "play.start", "&Start", "F5", "playback.start", "play", "Start the source that was shown last")
    yield _row(menu, "play.stop", "S&top", "Shift+F5", "playback.stop", "stop", "Stop the source")
    yield _row(menu, "play.pause", "&Pause or resume", "Space", "playback.toggle_pause", "pause",
               "Hold the picture, or go on", separated=True)
    yield _row(menu, "play.step", "St&ep", ".", "playback.step", "step", "Hold the picture and show the next one")
    yield _row(menu, "play.back", "Skip &back 5 s", "Alt+Left", "skip", "", "Go five seconds back in a film",
               value=-5.0)
    yield _row(menu, "play.forward", "Skip &forward 5 s", "Alt+Right", "skip", "", "Go five seconds forward in a film",
               value=5.0)
    yield _row(menu, "play.restart", "&Restart", "Ctrl+F5", "playback.restart", "restart",
               "Show the source from its beginning")

    menu = "Film"
    yield _row(menu, "film.backwards", "Play &backwards", "Shift+Space", "playback.toggle_backwards",
               "backwards", "Play towards the beginning, or hold the picture")
    yield _row(menu, "film.step_back", "Step b&ack", ",", "inspection.film.step", "step-back",
               "Hold the picture and show the one before", value=-1)
    yield _row(menu, "film.ten_back", "Ten pictures bac&k", "Shift+,", "inspection.film.step", "ten-back",
               "Go ten pictures back", value=-10)
    yield _row(menu, "film.ten_on", "&Ten pictures on", "Shift+.", "inspection.film.step", "ten-forward",
               "Go ten pictures on", value=10)
    yield _row(menu, "film.first", "To the &first picture", "Home", "playback.to_first", "to-first",
               "Go to the first picture")
    yield _row(menu, "film.last", "To the &last picture", "End", "playback.to_last", "to-last",
               "Go to the last picture")
    yield _row(menu, "film.jump", "&Go to...", "Ctrl+G", "inspection.film.ask_where", "jump",
               "Go to a time, a picture or a percentage")
    yield _row(menu, "film.faster", "Faste&r", "Ctrl+.", "playback.faster", "faster", "Play at the next higher speed",
               separated=True)
    yield _row(menu, "film.slower", "Slo&wer", "Ctrl+,", "playback.slower", "slower", "Play at the next lower speed")
    yield _row(menu, "film.normal", "&Normal speed", "Ctrl+;", "playback.normal_speed", "",
               "Play forward as fast as the film is")
    yield _row(menu, "film.mute", "&Mute", "Ctrl+Alt+M", "inspection.film.set_muted", "muted",
               "Hear nothing, or as before", checkable=True)
    yield _row(menu, "film.mark_in", "Mark &in", "[", "inspection.film.mark_in", "mark-in",
               "The marked part begins with this picture", separated=True)
    yield _row(menu, "film.mark_out", "Mark &out", "]", "inspection.film.mark_out", "mark-out",
               "The marked part ends with this picture")
    yield _row(menu, "film.clear_marks", "&Clear marks", "\\", "inspection.film.clear_marks", "marks-clear",
               "Take both marks away")
    yield _row(menu, "film.loop", "Re&peat", "Ctrl+L", "inspection.film.set_looping", "loop",
               "Repeat the marked part, or the whole film", checkable=True)

    menu = "Pipeline"
    yield _row(menu, "edit.undo", "&Undo", "Ctrl+Z", "editor.stack.undo", "undo",
               "Take back the last change of the pipeline, of marks or of zones")
    yield _row(menu, "edit.redo", "&Redo", "Ctrl+Shift+Z", "editor.stack.redo", "redo", "Make the change again")
    yield _row(menu, "stage.add", "&Add stage...", "Ctrl+Shift+A", "stages.ask_add", "add",
               "Add a stage, found by typing", separated=True)
    yield _row(menu, "stage.remove", "Re&move stage", "Delete", "stages.remove_current", "remove",
               "Remove the chosen stage", scope="stages")
    yield _row(menu, "stage.duplicate", "&Duplicate stage", "Ctrl+D", "stages.duplicate_current", "duplicate",
               "Put a copy behind the chosen stage", scope="stages")
    yield _row(menu, "stage.up", "Move stage u&p", "Ctrl+Shift+Up", "stages.move_current", "up",
               "Run the chosen stage earlier", value=-1, scope="stages")
    yield _row(menu, "stage.down", "Move stage do&wn", "Ctrl+Shift+Down", "stages.move_current", "down",
               "Run the chosen stage later", value=1, scope="stages")
    yield _row(menu, "stage.toggle", "&Enable or disable stage", "Ctrl+E", "stages.toggle_current", "power",
               "Switch the chosen stage on or off")
    yield _row(menu, "stage.retry", "Retr&y stage", "Ctrl+R", "stages.retry_current", "retry",
               "Load the chosen stage again after a failure")
    yield _row(menu, "stage.new_file", "New sta&ge file...", "Ctrl+Alt+N", "stage_files.new_file", "new",
               "Write a stage of your own in Python, taken up whenever you save it")
    yield _row(menu, "stage.folder", "Own stage fo&lder", "Ctrl+Alt+O", "stage_files.open_folder", "folder",
               "Show the folder of your own stages")
    yield _row(menu, "pipeline.new", "&New pipeline", "Ctrl+N", "files.new", "new", "Begin with no stages",
               separated=True)
    yield _row(menu, "pipeline.open", "&Open pipeline...", "Ctrl+Shift+F", "files.ask_open", "open",
               "Load a pipeline file")
    yield _row(menu, "pipeline.save", "&Save pipeline", "Ctrl+S", "files.save", "save", "Save the pipeline to its file")
    yield _row(menu, "pipeline.save_as", "Save p&ipeline as...", "Ctrl+Shift+S", "files.ask_save", "save",
               "Save the pipeline to another file")
    yield _row(menu, "pipeline.presets", "&Find preset...", "Ctrl+Shift+R", "help.choose_preset", "presets",
               "Choose a ready-made pipeline by typing")

    menu = "Picture"
    mode: dict[str, Any] = {"checkable": True, "group": "mode"}
    yield _row(menu, "mode.auto", "Display mode: &automatic", "Ctrl+Shift+1", "set_mode", "",
               "Newest for live sources, in step for films and pictures that a stage changes",
               value=DisplayMode.AUTO, **mode)
    yield _row(menu, "mode.in_step", "Display mode: &in step", "Ctrl+Shift+2", "set_mode", "",
               "Show the analysed picture, so that every box is its own", value=DisplayMode.IN_STEP, **mode)
    yield _row(menu, "mode.newest", "Display mode: &newest", "Ctrl+Shift+3", "set_mode", "",
               "Show every picture at once, under the newest overlay and its age", value=DisplayMode.NEWEST, **mode)
    yield _row(menu, "overlay.boxes", "Show &boxes", "B", "set_overlay_part", "", "Draw boxes round objects, or not",
               checkable=True, separated=True)
    yield _row(menu, "overlay.labels", "Show &labels", "L", "set_overlay_part", "", "Name the objects, or not",
               checkable=True)
    yield _row(menu, "overlay.trails", "Show &trails", "T", "set_overlay_part", "",
               "Draw where tracked objects have been, or not", checkable=True)
    yield _row(menu, "overlay.masks", "Show &masks", "M", "set_overlay_part", "", "Tint the areas of objects, or not",
               checkable=True)
    yield _row(menu, "overlay.keypoints", "Show &keypoints", "K", "set_overlay_part", "",
               "Draw joints and other points, or not", checkable=True)
    yield _row(menu, "zoom.in", "&Zoom in", "Ctrl++", "viewport.zoom_in", "zoom-in", "Magnify the picture",
               separated=True)
    yield _row(menu, "zoom.out", "Zoom &out", "Ctrl+-", "viewport.zoom_out", "zoom-out", "Show more of the picture")
    yield _row(menu, "zoom.fit", "Whole &picture", "Ctrl+0", "viewport.zoom_fit", "zoom-fit", "Show the whole picture")

    menu = "Inspect"
    yield _row(menu, "zones.zone", "Draw &zone", "Ctrl+Alt+Z", "inspection.zones.draw_zone", "draw",
               "Draw a zone on the picture in which objects are counted")
    yield _row(menu, "zones.line", "Draw &line", "Ctrl+Alt+L", "inspection.zones.draw_line", "line",
               "Draw a line on the picture at which crossings are counted")
    yield _row(menu, "zones.ground", "Mark the &ground", "Ctrl+Alt+G", "inspection.zones.draw_ground", "ground",
               "Mark a rectangle on the ground by its four corners, to measure speed")
    yield _row(menu, "zones.edit", "&Edit zones", "Ctrl+Alt+E", "inspection.edit_zones", "edit-zones",
               "Drag zones and lines on the picture while it runs, or leave them", checkable=True)
    yield _row(menu, "zones.load", "L&oad zones...", "Ctrl+Alt+I", "inspection.zones.load", "open",
               "Take zones and lines from a file")
    yield _row(menu, "zones.save", "&Save zones...", "Ctrl+Alt+J", "inspection.zones.save", "save",
               "Save zones and lines to a file, also for runs without a window")
    yield _row(menu, "events.mark", "&Mark this moment", "Ctrl+B", "inspection.timeline.mark", "",
               "Put a mark with a text of yours at this picture", separated=True)
    yield _row(menu, "events.next", "&Next event", "Ctrl+Right", "inspection.timeline.next_event", "",
               "Go to the next event that the filter lets through")
    yield _row(menu, "events.previous", "&Previous event", "Ctrl+Left", "inspection.timeline.previous_event", "",
               "Go to the event before")
    yield _row(menu, "events.search", "&Find event...", "Ctrl+F", "inspection.timeline.search", "search",
               "Search what happened by its words")
    yield _row(menu, "events.similar", "Find simila&r", "Ctrl+Alt+F", "inspection.timeline.find_similar", "",
               "Find objects that look like the chosen one")
    yield _row(menu, "events.zoom_all", "Sho&w all events", "Ctrl+Alt+0", "inspection.timeline.zoom_all", "zoom-fit",
               "Show the whole timeline")
    yield _row(menu, "events.follow", "Follow the f&ilm", "Ctrl+Alt+Y", "inspection.timeline.toggle_follow", "",
               "Keep the moment that is shown in view on the timeline, or not", checkable=True)
    yield _row(menu, "events.keep", "&Keep events", "Ctrl+Alt+K", "inspection.keep_events", "",
               "Write down on this computer what happens, for the timeline and the search, or not", checkable=True)

    menu = "Results"
    yield _row(menu, "analysis.start", "&Analyse film", "Ctrl+Shift+E", "inspection.analysis.start", "analysis",
               "Take every picture of the film through the pipeline, and keep what is found")
    yield _row(menu, "analysis.replay", "S&how analysis", "Ctrl+Alt+V", "inspection.analysis.show_replay", "",
               "Show the film with what an analysis has found, without running it again")
    yield _row(menu, "analysis.compare", "&Compare analyses", "Ctrl+Alt+D", "inspection.analysis.compare", "",
               "Tell where two analyses of a film differ")
    yield _row(menu, "record.toggle", "&Record", "Ctrl+Alt+R", "inspection.recording.toggle", "record",
               "Record what is shown, or stop", checkable=True, separated=True)
    yield _row(menu, "record.save_last", "Save &last seconds", "Ctrl+Alt+S", "inspection.recording.save_last", "replay",
               "Save what was seen just now as a film")
    yield _row(menu, "record.options", "Recording &options...", "Ctrl+Alt+Shift+R", "inspection.recording.options", "",
               "Choose what is recorded, where to, and how many seconds are kept")
    yield _row(menu, "export.results", "E&xport...", "Ctrl+Alt+X", "inspection.export.show_export", "save",
               "Write results in the formats of other tools, or clips of events", separated=True)
    yield _row(menu, "export.report", "Re&port...", "Ctrl+Alt+W", "inspection.export.show_report", "",
               "Write one page with pictures, counts and plots")
    yield _row(menu, "export.metrics", "&Judge against ground truth...", "Ctrl+Alt+T", "inspection.export.show_metrics",
               "", "Compare results with what is true: precision, recall, mAP, MOTA, IDF1")

    menu = "Window"
    yield _row(menu, "dock.stages", "&Stages", "F6", "layout_keeper.show_dock", "layers",
               "Show or hide the stages and their parameters", checkable=True)
    yield _row(menu, "dock.assistant", "&Assistant", "F7", "layout_keeper.show_dock", "chat",
               "Show or hide the assistant", checkable=True)
    yield _row(menu, "dock.timing", "&Timing", "F8", "layout_keeper.show_dock", "timing",
               "Show or hide how long each stage takes", checkable=True)
    yield _row(menu, "dock.events", "E&vents", "F9", "layout_keeper.show_dock", "timeline",
               "Show or hide the timeline of events and the search", checkable=True)
    yield _row(menu, "dock.analysis", "A&nalyses", "Shift+F9", "layout_keeper.show_dock", "analysis",
               "Show or hide the analyses of films", checkable=True)
    yield _row(menu, "window.people", "P&eople...", "Ctrl+Alt+P", "tools.people", "people",
               "Enrol, rename and delete the people that 'Recognise faces' knows", separated=True)
    yield _row(menu, "window.calibrate", "&Calibrate camera...", "Ctrl+Alt+C", "tools.calibrate", "camera",
               "Measure the lens of the camera with a printed board")
    yield _row(menu, "window.models", "&Models...", "Ctrl+M", "models.show", "models",
               "See, download, add and delete networks", separated=True)
    yield _row(menu, "window.present", "&Presentation", "F11", "layout_keeper.present", "fullscreen",
               "Fill the screen with the picture alone, Esc ends it", checkable=True, separated=True)
    yield _row(menu, "window.reset", "&Reset layout", "Ctrl+Shift+F11", "layout_keeper.reset", "reset",
               "Put all docks back to their places")
    theme: dict[str, Any] = {"checkable": True, "group": "theme"}
    yield _row(menu, "theme.system", "Theme: as the s&ystem", "Ctrl+Shift+F5", "choose_theme", "theme",
               "Light or dark as the system is", value=ThemeChoice.SYSTEM, separated=True, **theme)
    yield _row(menu, "theme.light", "Theme: &light", "Ctrl+Shift+F6", "choose_theme", "sun",
               "Dark text on light ground", value=ThemeChoice.LIGHT, **theme)
    yield _row(menu, "theme.dark", "Theme: &dark", "Ctrl+Shift+F7", "choose_theme", "moon",
               "Light text on dark ground", value=ThemeChoice.DARK, **theme)

    menu = "Help"
    yield _row(menu, "help.palette", "&Command palette...", "Ctrl+K", "help.show_palette", "search",
               "Find and run any command by typing")
    yield _row(menu, "help.shortcuts", "&Keyboard shortcuts", "F1", "help.show_shortcuts", "keyboard",
               "List all shortcuts")
    yield _row(menu, "help.about", "&About Scenescope", "Shift+F1", "help.show_about", "info",
               "Version, licence and libraries")
# fmt: on


ACTIONS: tuple[ActionSpec, ...] = tuple(_rows())
