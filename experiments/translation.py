"""Unpaired translation by the implicit autoencoder and its flipped form (the paper's abstract names
the task; its own text was not to be had): grey digits to coloured ones and back.

    python -m iae_jax.launch --config=translation:iae --workdir=runs/translation
    python -m iae_jax.sweep translation --seeds=3

Needs MNIST (`python -m iae_jax.data.prepare mnist`). No pair and no label is read in training: x is
the first half of the images, white on black; the other set has the second half, in any hue on
white. F(x, n) has to keep the digit and to draw the hue from its noise; G has to drop it. Nothing
in the objective asks for the former: `independent`, each network a draw from the other set whatever
it reads, solves the games too. What breaks the tie is that convolutions keep shapes in their place.

Expected, not measured yet: 30 minutes on 2 CPU cores for a run.
"""

from pathlib import Path
from typing import Any

import numpy as np

from iae_jax.metrics.translation import FIGURE_FILE
from iae_jax.presets import translation as preset
from iae_jax.records.paired import Claim, compared
from iae_jax.records.references import Headline, Reference

get_config = preset.get_config
REFERENCES = {
    ("label_agreement", "iae"): Reference(0.9, "higher", "aim"),
    ("hue_entropy_share", "iae"): Reference(0.8, "higher", "aim"),
}
SHOWN = (
    "label_agreement", "hue_entropy_share", "saturation", "hue_information", "cycle_error",
    "cycle_error_noisy",
)  # fmt: skip
HEADLINE = (
    Headline(
        "translations that keep the label (share); "
        "entropy of the hue given x (share of the data's)",
        "label_agreement",
        "iae",
        beside=("hue_entropy_share",),
    ),
)


def claims(records: list[dict[str, Any]]) -> list[Claim]:
    """Whether pairs of images by discriminators do what a distance does, without hiding."""
    return [
        *compared(
            records, "label_agreement", "iae", "l1_cycle",
            "the IAE keeps more labels than an L1 cycle", "higher",
        ),
        *compared(
            records, "hue_entropy_share", "iae", "l1_cycle",
            "the IAE draws more hues than an L1 cycle", "higher",
        ),
    ]  # fmt: skip


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Originals; of each variant translations F with several n, and the way back, G(F). One seed.

    runs: variant -> its workdir.
    """
    from iae_jax.files.figures import rows_of_images

    groups: list[tuple[str, list[np.ndarray]]] = []
    for variant, workdir in runs.items():
        with np.load(workdir / FIGURE_FILE) as file:
            grey, there, again = (file[name] for name in ("x", "translated", "again"))
        if not groups:
            groups.append(("original", [_in_colour(grey)]))
        groups.append((f"{variant}: F", list(there)))
        groups.append((f"{variant}: G(F)", [_in_colour(again)]))
    rows_of_images(path, groups)


def _in_colour(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey, 3, axis=-1)
