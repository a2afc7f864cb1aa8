"""The learning curves of a run: everything in metrics.jsonl, by step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iae_jax.files import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curves = dict[str, list[tuple[float, float]]]  # name -> (step, value) of each point
VALIDATION = "validation_"  # the prefix of metrics of held-out images in metrics.jsonl


def draw(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Draws validation metrics, losses, logits and gradient norms, each unit in a panel of its own.

    Args:
      path: the PNG.
      lines: records with "step" and numbers; a metric that a line lacks is a gap in its curve.
    """
    drawn = panels(lines)
    count = max(1, len(drawn))
    height = 260 * count
    figure = canvas.blank(1000, height)
    # By hand: a layout engine draws everything three times, and a run redraws its curves often.
    figure.subplots_adjust(
        left=0.1,
        right=0.65,
        bottom=50 / height,
        top=1 - 40 / height,
        hspace=0.22,
    )
    axes = figure.subplots(count, 1, squeeze=False, sharex=True)[:, 0]
    for ax, (panel, members) in zip(axes, drawn.items(), strict=False):
        for i, (name, rows) in enumerate(members.items()):
            if rows:
                marker = "o" if len(rows) < 30 else None
                ax.plot(
                    *zip(*rows, strict=True),
                    color=canvas.COLORS[i % len(canvas.COLORS)],
                    label=name,
                    linestyle=("-", "--", ":")[i // len(canvas.COLORS) % 3],
                    marker=marker,
                    markersize=3.5,
                    linewidth=1.6,
                )
        canvas.style(ax)
        ax.set_title(panel, loc="left", fontsize=11)
        ax.set_ylabel(unit(panel))
        _legend(ax)
    axes[-1].set_xlabel("training step")
    canvas.save(figure, path)


def panels(lines: Sequence[Mapping[str, Any]]) -> dict[str, Curves]:
    """Panel -> metric -> its curve: validation first, which is what a reader looks for."""
    names = sorted({name for line in lines for name in line} - {"step", "seconds"})
    found: dict[str, Curves] = {}
    for name in names:
        found.setdefault(_panel(name), {})[name] = curve(lines, name)
    return dict(sorted(found.items(), key=lambda item: ("validation" not in item[0], item[0])))


def unit(panel: str, values: str = "") -> str:
    """What the numbers of a panel of curves are, for its axis. values: of x, see `Model`."""
    if "pixel error" in panel:
        return "mean |x̂ − x|, x in 0 to 1" if values == "unit" else "mean |x̂ − x|"
    if "label error" in panel:
        return "per cent"
    if "gradient" in panel:
        return "L2 norm"
    return "logit, nats" if "logit" in panel else "loss" if "loss" in panel else "value"


def curve(lines: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    """(step, value) of a metric wherever it is a finite number."""
    return [
        (line["step"], line[name])
        for line in lines
        if _drawable(line.get(name)) and _drawable(line.get("step"))
    ]


def _panel(name: str) -> str:
    """The panel of a metric: one for each unit and scale, one for each validation metric."""
    if name.startswith(VALIDATION):
        return f"validation: {name.removeprefix(VALIDATION).replace('_', ' ')}"
    if name.endswith("_logit"):
        return "logits"
    if name.endswith("gradient_norm"):
        return "gradient norms"
    return f"losses of {'discriminators' if 'discriminator' in name else 'encoder and generator'}"


def _drawable(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _legend(ax: "Axes") -> None:
    """Beside the curves. A validation panel needs none: its title is the metric's name."""
    handles, labels = ax.get_legend_handles_labels()
    if handles and not labels[0].startswith(VALIDATION):
        names = [label.replace("_", " ") for label in labels]
        ax.legend(
            handles, names, frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0)
        )
