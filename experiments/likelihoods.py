"""Slides, "What else relaxes the assumptions of a VAE": posteriors by flows and by Hamiltonian
dynamics, autoregressive decoders, in nats of binarized MNIST.

    python -m iae_jax.launch --config=experiments/likelihoods.py:flow/iaf --workdir=runs/iaf
    python -m iae_jax.sweep likelihoods --seeds=3

The table and the figure of `decoders.py` are the slides' comparison in numbers: what the code still
says as the decoder gets stronger (`kl_code`, and the share of reconstructions that keep the label:
samples of p(x|z), of a factorized one its mean; by a classifier of binarized images), beside the
implicit autoencoder of 10D + 100D, whose local code is noise (by one of grey images).

Needs MNIST (`python -m iae_jax.data.prepare mnist`). Pixels are drawn anew each time that an image
is read in training, and once in the test split, so that numbers compare with others of *dynamic*
binarization alone. `nll_iwae_500` is -log p(x) by 500 samples of q(z|x), an upper bound; `kl_code`,
E KL(q(z|x) || p(z)), is what the code says: a decoder that explains x by itself leaves it empty.
Of decoders without convolutions also `nll_iwae_5000_of_1000`, 5,000 samples for each of the first
1,000 images, and of the factorized ones `ais_lower` and `ais_upper`, bounds of log p(x) by annealed
importance sampling, of images that the model generates.

Expected, not measured yet: 10 to 30 minutes on 2 CPU cores for a run.
"""

from typing import Any

from experiments.decoders import NLL, draw_curve, table
from iae_jax.presets import likelihoods as preset
from iae_jax.records.paired import Claim, compared
from iae_jax.records.references import Headline, Reference

__all__ = ["claims", "draw_curve", "get_config", "table"]

get_config = preset.get_config

WINDOWS = ("window_3", "window_5", "window_7")
AIMS = {"vae": 86.5, **dict.fromkeys(("made", *WINDOWS), 84.0), "pixelcnn": 82.5}
REFERENCES = {(NLL, variant): Reference(aim, "lower", "aim") for variant, aim in AIMS.items()} | {
    ("kl_code", variant): Reference(5.0, "higher", "aim") for variant in ("made", *WINDOWS)
}
SHOWN = (
    NLL, "nll_iwae_5000_of_1000", "negative_elbo", "kl_code", "distortion", "active_units",
    "marginal_kl", "amortization_gap", "ais_lower", "ais_upper", "ais_gap", "label_agreement",
    "code_nearest_accuracy",
)  # fmt: skip
HEADLINE = tuple(
    Headline(f"-log p(x), IWAE-{preset.SAMPLES} (nats)", NLL, variant)
    for variant in ("vae", "flow/iaf", "hvae", "made", "pixelcnn")
)


def claims(records: list[dict[str, Any]]) -> list[Claim]:
    """Whether what goes beyond a Gaussian and a product over pixels gains so many nats."""
    means = {one["variant"]: one["mean"] for one in records if one["metric"] == NLL}
    found: list[Claim] = []
    if flows := {name: value for name, value in means.items() if name.startswith("flow/")}:
        best = min(flows, key=lambda name: flows[name])
        text = f"the best flow ({best}) gains 0.5 nats on the Gaussian"
        found += compared(records, NLL, best, "vae", text, margin=-0.5)
    text = "the Hamiltonian posterior gains 0.3 nats on the Gaussian of as many steps"
    return found + compared(records, NLL, "hvae", "vae/short", text, margin=-0.3)
