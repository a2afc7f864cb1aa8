"""The default: an implicit autoencoder on the handwritten digits that scikit-learn ships (8x8).

python -m iae_jax.launch --config=experiments/digits.py --workdir=runs/digits
"""

from iae_jax.presets import digits as preset

get_config = preset.get_config
