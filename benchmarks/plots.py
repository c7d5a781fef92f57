"""Draw results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def soak_plot(figures: dict[str, Any], path: Path) -> None:
    """Draw memory, tasks, sockets and the loop's worst lag of each second over the time of a soak."""
    minutes = [sample[0] / 60 for sample in figures["samples"]]
    figure = Figure(figsize=(8, 7), layout="constrained")
    names = ("resident memory (MB)", "tasks", "open files and sockets", "worst lag of the loop in a second (ms)")
    for row, (axes, name) in enumerate(zip(figure.subplots(4, 1, sharex=True), names, strict=True), start=1):
        axes.plot(minutes, [sample[row] for sample in figures["samples"]], linewidth=0.8, rasterized=False)
        axes.set_ylim(bottom=0)
        axes.set_title(name, loc="left", fontsize=9)
    axes.set_xlabel("minutes")
    versions = figures["versions"]
    figure.suptitle(
        f"{figures['per_second']:.0f} requests/s, {figures['machine']}, "
        f"Python {versions['python']}, aiohttp {versions['aiohttp']}",
        fontsize=10,
    )
    figure.savefig(path)
