"""docs/your-first-stage.md, followed word for word: from an empty folder to an installed plugin."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "your-first-stage.md"


def steps(text: str) -> list[tuple[str, str, str]]:
    """What a reader does, in order: ("save", file name, content) and ("run", "", command)."""
    found: list[tuple[str, str, str]] = []
    for before, language, content in re.findall(r"([^\n]*)\n\n```(\w+)\n(.*?)```", text, re.DOTALL):
        if language == "sh":
            found += [("run", "", line) for line in content.splitlines()]
        else:
            name = re.search(r"`([\w.]+)`:$", before)
            assert name, f"the page does not say what this is saved as: {before}"
            found.append(("save", name.group(1), content))
    return found


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment of its own in which Scenescope is installed: the packages of this one, and room for more."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=True, symlinks=True)
    variables = {"base": str(home), "platbase": str(home)}
    site_packages = Path(sysconfig.get_path("purelib", vars=variables))
    ours = sysconfig.get_path("purelib")
    # addsitedir also follows an editable install.
    (site_packages / "these.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    scripts = Path(sysconfig.get_path("scripts", vars=variables))
    command = scripts / "scenescope"
    command.write_text(f"#!{scripts / 'python'}\nfrom scenescope.app.cli import main\nmain()\n")
    command.chmod(0o755)
    return {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")},
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        # What builds the package is here already; nothing needs to be fetched.
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "SCENESCOPE_CONFIG_DIR": str(tmp_path / "config"),
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="the page's commands are written for a POSIX shell")
def test_the_page_leads_to_an_installed_plugin(tmp_path: Path, environment: dict[str, str]):
    here = tmp_path / "reader"
    here.mkdir()
    said: dict[str, str] = {}
    for what, name, content in steps(PAGE.read_text(encoding="utf-8")):
        if what == "save":
            (here / name).write_text(content, encoding="utf-8")
        elif content.startswith("cd "):
            here = here / content.removeprefix("cd ")
        else:
            done = subprocess.run(
                content, shell=True, cwd=here, env=environment, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, f"{content}\n{done.stdout}\n{done.stderr}"
            said[content] = done.stdout
    assert "1 passed" in said["python -m pytest test_outline.py"]
    assert [line for line in said["scenescope stages list"].splitlines() if line.startswith("outline ")]
    assert "30 frames in" in said["scenescope run demo --pipeline outline.yaml --policy every --max-frames 30"]
