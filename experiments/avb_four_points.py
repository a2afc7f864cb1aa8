"""AVB, Fig. 5 and its table: four data points, a two-dimensional code, three posteriors.

    python -m iae_jax.launch --config=experiments/avb_four_points.py:avb --workdir=runs/avb
    python -m iae_jax.sweep avb_four_points

The log-likelihood is a quadrature over the code; KL(q(z) || p(z)) and the ELBO are estimated from
samples and their nearest neighbours.

Expected: the Gaussian posterior is measurably worse than the others; 10 minutes on 2 CPU cores for
five seeds without the adaptive contrast, which takes another 45. Measured 2026-11-25:
log-likelihood -1.583 ± 0.025 (VAE), -1.408 ± 0.001 (AVB), -1.400 ± 0.001 (adaptive contrast);
KL(q(z) || p(z)) 0.152, 0.009, 0.169; ELBO -1.720, -1.415, -1.570.
"""

from pathlib import Path

import numpy as np

from iae_jax.presets import avb_four_points as preset
from iae_jax.records.references import Headline, Reference

get_config = preset.get_config
SHOWN = ("log_likelihood", "reconstruction_error", "kl_qz_pz", "kl_qzx_pz", "elbo")

REFERENCES = {
    ("log_likelihood", variant): Reference(
        -1.42, "higher", "aim in 4 of 5; the optimum is -log 4 = -1.386", seeds=0.8
    )
    for variant in preset.IMPLICIT
} | {
    ("kl_qz_pz", variant): Reference(0.05, "lower", "aim in 4 of 5", seeds=0.8)
    for variant in preset.IMPLICIT
}
HEADLINE = tuple(
    Headline(
        "log-likelihood of four points; KL(q(z) ‖ p(z)) (nats)",
        "log_likelihood",
        variant,
        beside=("kl_qz_pz",),
    )
    for variant in ("avb", "avb_adaptive_contrast")
)


def draw(path: Path, runs: dict[str, Path]) -> None:
    """The posteriors q(z|x) of four data points, a colour each, of a VAE and of AVB without and
    with adaptive contrast. One seed.

    runs: variant -> its workdir.
    """
    from matplotlib.colors import to_rgb

    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import panels

    names = {"vae": "VAE", "avb": "AVB", "avb_adaptive_contrast": "AVB, adaptive contrast"}
    with panels(path, 1, len(runs), [names[variant] for variant in runs]) as axes:
        for ax, workdir in zip(axes[0], runs.values(), strict=True):
            with np.load(workdir / preset.FIGURE_FILE) as file:
                histograms = file["histograms"]
            shares = histograms / histograms.max()
            ink = np.stack([1 - np.array(to_rgb(color)) for color in COLORS[:4]])
            picture = 1 - np.clip(np.einsum("xij,xc->jic", np.sqrt(shares), ink), 0, 1)
            ax.imshow(
                picture, origin="lower", extent=(-preset.REACH, preset.REACH) * 2, aspect="auto"
            )
            ax.set(xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), xlabel="z₁", ylabel="z₂")
