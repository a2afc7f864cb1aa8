"""Slides, "Aggregated ELBO": every cell of the grid on one set in the plane.

The cells are reconstruction x regularization, InfoGAN, the flipped IAE, ALI and GAN, each term
beside the same divergence computed numerically.

    python -m iae_jax.launch --config=experiments/elbo_grid.py:likelihood/joint_code \\
        --workdir=runs/avb
    python -m iae_jax.sweep elbo_grid

What the table shows: reconstruction + regularization is -ELBO for the VAE and AVB; AAE is short of
it by I(z;x); the adversarial row by H(x|z), so that IAE is short by their sum, H_data, a constant,
while the adversarial row under analytic_kl and joint_code is not the ELBO.

Expected: every estimate within 0.1 nats; 49 minutes on one CPU core for three seeds, 15 of them
trainings. Measured 2026-12-01, so: the gap is at most 0.069 (adversarial row under joint code), and
0.006 for AVB.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from iae_jax.presets import elbo_grid as preset
from iae_jax.records.paired import Claim, compared
from iae_jax.records.references import Headline, Reference
from iae_jax.records.tables import Table, markdown

get_config = preset.get_config

REFERENCES = {"elbo_gap": Reference(0.1, "lower", "aim, nats", seeds=1.0)}
SHOWN = ("elbo_gap",)  # beside the table below
REACH = 3.2  # of the axes of the figure
ROWS = ("likelihood", "joint_reconstruction")
HEADLINE = (
    Headline(
        "largest error of an estimated term (nats)",
        "elbo_gap",
        "joint_reconstruction/marginal_code",
    ),
)


def table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown: each cell's terms by its discriminators, and exactly; nats, mean over seeds."""
    means: dict[str, dict[str, float]] = {}
    for record in records:
        means.setdefault(record["variant"], {})[record["metric"]] = record["mean"]
    columns = ("reconstruction", "reconstruction_exact", "regularization", "regularization_exact",
               "negative_elbo_exact", "sum_minus_negative_elbo", "sample_divergence")  # fmt: skip
    header = ("cell", "reconstruction", "exactly", "regularization", "exactly", "-ELBO",
              "sum less -ELBO", "KL(p_data \u2016 p(x))")  # fmt: skip
    rows = [
        (variant, *(f"{known[name]:.3f}" if name in known else "" for name in columns))
        for variant, known in means.items()
    ]
    return markdown(Table(header, rows))


# Samples are as near to the data as others' if their divergence is larger by at most this; nats.
MARGIN = 0.05


def claims(records: list[dict[str, Any]]) -> list[Claim]:
    """Whether the IAE's samples are as near to the data as those of ALI, which has no other aim."""
    ours, theirs = "joint_reconstruction/marginal_code", "joint_model/none"
    text = f"KL(p_data || p(x)) of the IAE is at most {MARGIN} nats above that of ALI"
    return compared(records, "sample_divergence", ours, theirs, text, margin=MARGIN)


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Samples of each model and codes of data, coloured by mode, for each cell of the grid (adv.:
    of the adversarial row), InfoGAN, the flipped IAE, ALI and GAN; the last panel is the data. One
    seed.

    runs: variant -> its workdir.
    """
    from iae_jax.files.canvas import COLORS, MODELS
    from iae_jax.files.figures import panels, plane

    names = {
        "likelihood/none": "autoencoder", "likelihood/analytic_kl": "VAE",
        "likelihood/joint_code": "AVB", "likelihood/marginal_code": "AAE",
        "joint_reconstruction/none": "adv. / none",
        "joint_reconstruction/analytic_kl": "adv. / KL",
        "joint_reconstruction/joint_code": "adv. / joint code",
        "joint_reconstruction/marginal_code": "IAE",
        "joint_model/none": "ALI", "marginal_data/none": "GAN",
        "flipped_likelihood/marginal_data": "InfoGAN",
        "flipped_reconstruction/marginal_data": "flipped IAE",
    }  # fmt: skip
    # Likelihood and adversarial row side by side, so that text has room.
    order = [f"{row}/{column}" for column in preset.COLUMNS for row in ROWS]
    order += ["flipped_likelihood/marginal_data", "flipped_reconstruction/marginal_data"]
    order += ["joint_model/none", "marginal_data/none"]
    titles = [f"{names[variant]}\n{what}" for variant in order for what in ("samples", "codes")]
    titles[-1] = "data"
    data, mode = (np.asarray(part) for part in preset.DATA.sample(jax.random.key(33), preset.CLOUD))
    colors = np.array(COLORS)
    with panels(path, len(order) // 2, 4, titles, size=220) as axes:
        flat = list(itertools.chain(*axes))
        for variant, left, right in zip(order, flat[::2], flat[1::2], strict=True):
            with np.load(runs[variant] / preset.FIGURE_FILE) as file:
                cloud = dict(file)
            plane(left, cloud["samples"], REACH, "x", color=MODELS.get(names[variant], "0.3"))
            if "codes" in cloud:
                plane(right, cloud["codes"], REACH, "z", c=colors[cloud["modes"]])
            else:
                plane(right, data, REACH, "x", c=colors[mode])
        for ax in flat:
            ax.label_outer()
