"""A report as one HTML page that needs nothing else: pictures and plots are in it, scripts are not."""

from __future__ import annotations

import base64
import math
from importlib.resources import files
from pathlib import Path

from scenescope.models import SinkError
from scenescope.pipelines.exchange.files import EXPORT_EXTRA, new_file
from scenescope.pipelines.exchange.report_data import Plot, PlotRow, ReportData, clock

__all__ = ["check_can_render", "render", "write_page"]

ROW_HEIGHT = 28.0
WIDTH = 720.0
TICKS = 6


def check_can_render() -> None:
    """Say early what would be missing at the end of a long run.

    Raises:
        SinkError: jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise SinkError("Reports need jinja2, which is not installed.", hint=EXPORT_EXTRA) from error


def render(data: ReportData) -> str:
    """The page. Equal data give equal pages; all words are escaped.

    Raises:
        SinkError: jinja2 is not installed.
    """
    check_can_render()
    import jinja2

    template = files("scenescope.resources").joinpath("report", "report.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(clock=clock, uri=_uri, bars=_bars, number=_number)
    environment.globals["ticks"] = _ticks
    return environment.from_string(template).render(data=data, width=WIDTH, height=ROW_HEIGHT)


def write_page(data: ReportData, path: Path) -> None:
    """Write the page to a file.

    Raises:
        SinkError: it cannot be written there, or jinja2 is not installed.
    """
    page = render(data)
    with new_file(path) as file:
        file.write(page)


def _uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _bars(row: PlotRow) -> str:
    """The outline of a row's bars as an SVG path."""
    if row.highest <= 0:
        return ""
    step = WIDTH / len(row.values)
    points = []
    for at, value in enumerate(row.values):
        y = ROW_HEIGHT * (1 - value / row.highest)
        points.append(f"L{at * step:.1f},{y:.1f}H{(at + 1) * step:.1f}")
    return f"M0,{ROW_HEIGHT:.1f}{''.join(points)}V{ROW_HEIGHT:.1f}Z"


def _ticks(plot: Plot) -> list[tuple[float, str]]:
    """Where the time is written under a plot, 0 to 1, and what: round times, about ``TICKS`` of them."""
    span = plot.end_s - plot.start_s
    steps = [step * 10.0**power for power in range(-3, 0) for step in (1, 2, 5)]
    steps += [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400]
    step = next((step for step in steps if span / step <= TICKS), math.ceil(span / TICKS))
    first = math.ceil(plot.start_s / step - 1e-9)
    last = math.floor(plot.end_s / step + 1e-9)
    return [((at * step - plot.start_s) / span, _short(at * step, step)) for at in range(first, last + 1)]


def _short(t_s: float, step: float) -> str:
    words = clock(t_s)
    return words[:-4] if step >= 1 else words


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
