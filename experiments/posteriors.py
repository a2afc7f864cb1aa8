"""Slides, "What else relaxes the assumptions of a VAE": how far below log p(x) the bound of each
posterior is, of one decoder, and of a decoder that learns with it.

    python -m iae_jax.launch --config=posteriors:joint/gaussian --workdir=runs/posteriors_decoder
    python -m iae_jax.sweep posteriors --seeds=3

Needs MNIST (`python -m iae_jax.data.prepare mnist`). log p(x) is computed by quadrature over the
code's plane, so that `bound_gap` is KL(q(z|x) || p(z|x)) in nats, up to its sampling. Of the frozen
variants the decoder is one and the same, whatever the seed: train it once and keep its folder, for
a record's config has its path alone. AVB's discriminator is graded: its posterior is a flow, whose
density is known (`discriminator_error`, `bound_gap_estimated`).

Expected, not measured yet: 2 to 10 minutes on 2 CPU cores for a run.
"""

from pathlib import Path
from typing import Any

from iae_jax.presets import posteriors as preset
from iae_jax.records.paired import Claim, compared
from iae_jax.records.references import Headline

get_config = preset.get_config
SHOWN = ("bound_gap", "bound_gap_estimated", "discriminator_error", "evidence")
HEADLINE = tuple(
    Headline("nats below log p(x), one decoder", "bound_gap", f"frozen/{kind}")
    for kind in ("gaussian", "iaf", "hvae_4", "avb")
)


def claims(records: list[dict[str, Any]]) -> list[Claim]:
    """What theory says of one decoder: what contains the Gaussian is no further from the truth, and
    more leapfrogs are nearer."""
    found: list[Claim] = []
    for nearer, further in (
        ("planar", "gaussian"), ("iaf", "gaussian"), ("spline", "gaussian"),
        ("hvae_1", "gaussian"), ("hvae_4", "hvae_1"), ("iaf", "avb"),
    ):  # fmt: skip
        text = f"{nearer} is nearer to log p(x) than {further}"
        found += compared(records, "bound_gap", f"frozen/{nearer}", f"frozen/{further}", text)
    return found


def draw_curve(path: Path, records: list[dict[str, Any]]) -> None:
    """How far each posterior is below log p(x), in nats: mean and SD over seeds. Of AVB also what
    its discriminator T estimates.
    """
    from iae_jax.files.canvas import MODELS
    from iae_jax.files.figures import panels

    found = {(one["metric"], one["variant"]): one for one in records}
    titles = ["one decoder", "trained together"]
    with panels(path, 1, 2, titles, size=420) as axes:
        for ax, how in zip(axes[0], ("frozen", "joint"), strict=True):
            bars = [
                (label, found[metric, f"{how}/{kind}"])
                for kind in preset.KINDS
                for metric, label in (("bound_gap", kind), ("bound_gap_estimated", f"{kind}: T"))
                if (metric, f"{how}/{kind}") in found
            ]
            names, gaps = [name for name, _ in bars], [one["mean"] for _, one in bars]
            spread = [one["sd"] or 0.0 for _, one in bars]
            colors = [MODELS["AVB" if name.startswith("avb") else "VAE"] for name in names]
            ax.bar(names, gaps, yerr=spread, color=colors)
            ax.tick_params(axis="x", rotation=60)
            ax.set(ylabel="nats below log p(x)")
