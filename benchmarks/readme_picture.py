"""Make the README's picture: the window with the demo camera, a conversation and a change that was ordered.

python benchmarks/readme_picture.py docs/screenshot.png
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from scenescope.app.environment import prepare_process

SIZE_WH = (1440, 900)
# So that the whole talk is seen.
DOCK_HEIGHTS = (635, 155)
# Until timings and tracks are steady, before the talk and after it.
DEMO_S = 3.0
AFTER_S = 2.0
TALK = ("when did the cat appear?", "track only cats and people")


def main() -> None:
    """Show the demo, talk, and keep what the window shows; no screen is needed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    prepare_process()
    from PySide6.QtCore import Qt

    from scenescope.app.assistant.office_fakes import Talk
    from scenescope.app.settings import Environment
    from scenescope.app.window import Desktop, make_application
    from scenescope.models.language import MessageKind
    from scenescope.pipelines import presets
    from scenescope.widgets.settings import MemorySettings

    make_application()
    with TemporaryDirectory() as folder:
        environment = Environment(Path(folder) / "config", Path(folder) / "data", offline=True)
        settings = MemorySettings()
        settings.set("theme", "light")
        desktop = Desktop(presets.load(presets.DEFAULT), settings, environment)
        talk = Talk(desktop, environment)
        talk.window.resize(*SIZE_WH)
        talk.window.show()
        docks = talk.window.layout_keeper.docks
        talk.window.resizeDocks([docks["assistant"], docks["timing"]], DOCK_HEIGHTS, Qt.Orientation.Vertical)
        talk.window.open_source_text("demo")
        talk.until(lambda: any(one.kind is MessageKind.DESCRIPTION for one in talk.assistant.messages))
        scene = desktop.observer
        talk.until(lambda: scene.state.pts_s > DEMO_S)
        # Nothing more is described meanwhile.
        talk.press("Ctrl+Shift+D")
        for text in TALK:
            talk.view(talk.say(text))
        asked_s = scene.state.pts_s
        talk.until(lambda: scene.state.pts_s > asked_s + AFTER_S)
        talk.press("Ctrl+Shift+D")
        if not talk.window.grab().save(str(file), "PNG"):
            raise SystemExit(f"Cannot write {file}.")
        desktop.close()


if __name__ == "__main__":
    main()
