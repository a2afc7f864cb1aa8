"""The experiments on colour images: their configs, and the layout of their figure."""

from functools import partial

import jax
import numpy as np
import pytest
from PIL import Image

from experiments import celeba_reconstruction, svhn_reconstruction
from iae_jax import init, train_step
from iae_jax.errors import InputError
from iae_jax.runs.build import build
from iae_jax.runs.pictures import STOCHASTIC_ROWS

SIDES = {svhn_reconstruction: 32, celeba_reconstruction: 64}


@pytest.mark.heavy
@pytest.mark.parametrize("module", SIDES, ids=lambda module: module.__name__.split(".")[1])
def test_every_variant_is_a_game(module):
    everything = module.preset.VARIANTS + module.preset.FULL
    assert len(set(everything)) == 8
    # Each figure is of one scale, set and kind of prior: both codes, the deterministic one first.
    assert len(module.FIGURES) == 4
    for name, variants in module.FIGURES.items():
        codes, *rest = zip(*(variant.split("/") for variant in variants), strict=True)
        assert "_".join(one[0] for one in rest) == name and all(len(set(one)) == 1 for one in rest)
        assert codes[0] == "deterministic_150" and len(codes) == 2
    for variant in everything:
        config = module.get_config(variant)
        code, scale, data, *learned = variant.split("/")
        assert (config.prior.kind != "gaussian") == bool(learned)
        sizes = [int(part) for part in code.split("_") if part.isdigit()]
        assert [config.code.size, config.generator.noise] == (sizes + [0])[:2]
        assert config.data.name == (
            f"images:{module.__name__.split('.')[1].split('_')[0]}_standin.zip"
            if data == "standin"
            else data
        )
        game = build(config, (SIDES[module], SIDES[module], 3))
        assert game.networks.encoder is not None and game.diffaugment is not None
    # Configs are independent: a change of one is not in the next.
    config.data.train = "changed"
    assert module.get_config(variant).data.train != "changed"


@pytest.mark.heavy
def test_a_step_of_the_full_scale_leaves_every_leaf_what_it_was():
    """R1 of residual blocks in bfloat16, of changed pairs; traced, not computed."""
    game = build(svhn_reconstruction.get_config(svhn_reconstruction.preset.FULL[-1]), (32, 32, 3))
    state = jax.eval_shape(partial(init, game), jax.random.key(0))
    x = jax.ShapeDtypeStruct((6, 32, 32, 3), np.float32)
    after, metrics = jax.eval_shape(partial(train_step, game), state, x)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), state) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), after
    )
    assert {metric.dtype for metric in metrics.values()} == {np.dtype("float32")}


@pytest.mark.parametrize("module", SIDES, ids=lambda module: module.__name__.split(".")[1])
@pytest.mark.parametrize("variant", ["deterministic_150", "deterministic_150/no/standin", "a/b/c"])
def test_an_unknown_variant_is_refused(module, variant):
    with pytest.raises(InputError, match="CODE/SCALE/SET"):
        module.get_config(variant)


def test_the_layout_of_the_figure(tmp_path):
    """Each group of rows in a colour of its own."""
    runs = {}
    for i, variant in enumerate(svhn_reconstruction.FIGURES["small_standin"]):
        workdir = runs[variant] = tmp_path / str(i)
        workdir.mkdir()

        def flat(red, *shape, i=i):
            return np.full((*shape, 32, 32, 3), [red / 255, i / 2, 0.0], np.float32)

        rows = STOCHASTIC_ROWS if i else 1
        np.savez(workdir / "reconstructions.npz", x=flat(10, 12), x_hat=flat(20, rows, 12))
        np.savez(workdir / "samples.npz", x=flat(30, 12))
        np.savez(workdir / "interpolations.npz", x=flat(40, 12, 12))
    path = tmp_path / "figure.png"
    svhn_reconstruction.draw(path, runs)
    # Down the middle of the sixth column, where nothing is written.
    column = np.asarray(Image.open(path).convert("RGB"))[:, 388].astype(int)
    inside = column[(column != 255).any(axis=1)]
    found = [tuple(int(v) for v in inside[0])]
    for pixel in inside:
        if tuple(pixel) != found[-1]:
            found.append(tuple(int(v) for v in pixel))
    expected = [(10, 0), (20, 0), (20, 128), (30, 0), (30, 128), (40, 0), (40, 128)]
    assert [one[:2] for one in found] == expected
    # An original, 1 and 3 draws, a row of samples each, 3 ways each; 64 pixels an image.
    assert len(inside) == 64 * (1 + 1 + 3 + 2 + 6)
