"""PixelGAN autoencoders: what discriminators read of a relaxed category, the preset's games, and a
run at toy size, whose clusters are counted by hand."""

import json
from functools import partial

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import iae_jax
from experiments import pixelgan_clusters
from iae_jax.game import game, step
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.runs.data_sets import load_split
from iae_jax.runs.evaluation import evaluate_run
from iae_jax.runs.train import train
from iae_jax.sampling.noise import Noise, example_keys, normal
from iae_jax.types import Code

B, D, K = 6, 2, 4


def relaxed(row, column):
    config = Config(batch_size=B)
    config.code.size, config.code.categories, config.code.relaxed = D, K, True
    for player in config.players:
        player.network.kind, player.network.hidden, player.network.depth = "mlp", 5, 1
    config.reconstruction.kind, config.regularization.kind = row, column
    if row == "likelihood":
        config.generator.likelihood = "bernoulli"
    config.regularization.weight = 0.7
    return build(config, games.SHAPE)


@pytest.mark.heavy
@pytest.mark.parametrize("part", ["reconstruction", "regularization"])
def test_discriminators_read_a_relaxed_category_as_part_of_the_vector(part):
    """Oracle: the networks called by hand, and their gradient for the encoder, which passes through
    the probabilities. Samples of the prior are corners."""
    cell = {
        "reconstruction": ("joint_reconstruction", "none"),
        "regularization": ("likelihood", "marginal_code"),
    }
    built = relaxed(*cell[part])
    params = step.init(built, jax.random.key(1)).params
    x, noise = games.batch(2, B), Noise(example_keys(jax.random.key(3), 0, B))
    encoder, generator = built.networks[:2]
    judge, own = (getattr(player, f"{part}_discriminator") for player in (built.networks, params))
    prior = built.prior.sample(None, noise("prior", built.prior.draw))
    assert set(np.unique(prior.category)) == {0.0, 1.0}

    def by_hand(theta):
        encoding = encoder.apply(theta, x, noise("encoder", normal(0)))
        q = jax.nn.softmax(encoding.logits)
        z, corner = (
            jnp.concatenate([one.vector, one.category], axis=-1)
            for one in (Code(encoding.vector, q), prior)
        )
        if part == "regularization":
            a, b, weight = judge.apply(own, None, z), judge.apply(own, None, corner), 0.7
        else:
            x_hat = generator.sample(params.generator, Code(encoding.vector, q), jnp.zeros((B, 0)))
            a, b, weight = judge.apply(own, x, z), judge.apply(own, x_hat, z), 1.0
        assert a.shape == (B, 1)
        return weight * (jnp.logaddexp(0, a) + jnp.logaddexp(0, -b))[:, 0]

    def term(theta):
        return game.losses(built, params._replace(encoder=theta), noise, {"x": x}, 0)[1][part]

    np.testing.assert_allclose(term(params.encoder), by_hand(params.encoder), rtol=1e-5)
    found, expected = (
        np.concatenate(
            [np.ravel(leaf) for leaf in jax.tree.leaves(jax.grad(
                lambda theta, value=value: jnp.sum(value(theta))
            )(params.encoder))]
        )
        for value in (term, by_hand)
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(expected).max() > 1e-3


@pytest.mark.heavy
def test_every_variant_is_a_game_that_samples_nothing():
    """A sample costs a pass for each pixel: no term may read one."""
    for variant in pixelgan_clusters.preset.VARIANTS:
        config = pixelgan_clusters.get_config(variant)
        built = build(config, (28, 28, 1))
        terms = [one.name for one in built.objective[:2]]
        assert terms == ["likelihood", "marginal_code"]
        judge = built.networks.regularization_discriminator
        generator, shapes = built.networks.generator, jax.eval_shape(judge.init, jax.random.key(0))
        assert generator.slow and judge.reads == ("z",)
        # It reads all of the code as numbers.
        widths = {leaf.shape[0] for leaf in jax.tree.leaves(shapes)}
        assert widths == {256, 1, 20 if variant == "vector_20" else 30}
        unreadable = generator._replace(sample=None)
        networks_of = built.networks._replace(generator=unreadable)
        batch = {"x": jnp.zeros((3, 28, 28, 1))}
        noise = Noise(example_keys(jax.random.key(0), 0, 3))
        state = jax.eval_shape(partial(step.init, built), jax.random.key(0))
        played = built._replace(networks=networks_of)

        def losses(state, played=played, noise=noise, batch=batch):
            return game.losses(played, state.params, noise, batch, state.step, state.ema)

        values, _ = jax.eval_shape(losses, state)
        assert values.encoder.shape == values.regularization_discriminator.shape == ()
        more = {loss.name for loss in built.objective.auxiliary}
        assert len(more) == (3 if variant == "k30/imsat" else 0)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["k30", "vector_20"])
def test_a_run_of_three_steps_is_measured(variant, data_directory, tmp_path):
    """Oracle: clusters named by the labels of the validation split, counted by hand."""
    config = pixelgan_clusters.get_config(variant)
    config.data = Config().data
    config.data.directory, config.data.binarize = data_directory, True
    config.data.train, config.data.validation = "train[:1350]", "train[1350:]"
    config.data.test = "test[:150]"
    config.steps, config.batch_size, config.run.classifier = 3, 8, False
    config.run.steps_per_call = config.run.log_steps = config.run.checkpoint_steps = 3
    config.generator.kind = "pixelcnn(layers=1, width=2, first=3, kernel=3)"
    for player in config.players:
        player.network.width, player.network.hidden = 2, 8
    train(config, tmp_path / "run")
    path = evaluate_run(config, tmp_path / "run", "latest", "test")
    found = {one["metric"]: one["value"] for one in json.loads(path.read_text())["records"]}
    # A pixel by chance has log 2, of 64; the decoder has hardly learned.
    assert 20 < found["distortion"] < 64
    if variant == "vector_20":
        assert "code_nearest_accuracy" in found and "cluster_accuracy" not in found
        return
    model = iae_jax.load(tmp_path / "run")
    names: dict[int, int] = {}
    for split in ("validation", "test"):
        data = load_split(config, split)
        clusters = model.encode(data.x).probabilities.argmax(axis=1)
        if split == "validation":
            for one in set(clusters.tolist()):
                names[one] = int(np.bincount(data.labels[clusters == one]).argmax())
    right = [
        names.get(int(one), -1) == label for one, label in zip(clusters, data.labels, strict=True)
    ]
    assert found["cluster_accuracy"] == pytest.approx(np.mean(right), abs=1e-6)
    assert len(names) > 1 and 0.05 < found["cluster_accuracy"] < 1


def test_a_figure_has_the_categories_of_each_run_in_blocks(monkeypatch, tmp_path):
    drawn, runs = [], {}
    monkeypatch.setattr("iae_jax.files.figures.rows_of_images", lambda *shown: drawn.append(shown))
    for variant, count in (("k30", 30), ("k30/imsat", 30)):
        runs[variant] = tmp_path / variant.replace("/", "_")
        runs[variant].mkdir()
        x = np.zeros((5, count, 2, 2, 1)) + np.arange(count)[:, None, None, None]
        np.savez(runs[variant] / "traversals.npz", x=x)
    pixelgan_clusters.draw(tmp_path / "a.png", runs)
    ((_, groups, columns),) = drawn
    assert columns == 10 and [name for name, _ in groups] == ["k30", "", "", "k30/imsat", "", ""]
    assert [int(rows[0][0, 0, 0, 0]) for _, rows in groups] == [0, 10, 20] * 2
