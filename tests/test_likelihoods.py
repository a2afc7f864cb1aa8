"""The experiment of likelihoods: its claims, and the table and the figure of its decoders, of
records that are typed; and its variants, as games."""

from contextlib import contextmanager

import jax
import numpy as np
import pytest

from experiments import decoders, likelihoods
from iae_jax.files import figures
from iae_jax.kinds import lookup
from iae_jax.networks.pixelcnn import PixelCNN
from iae_jax.records.record import Trainings, record, write_records
from iae_jax.runs.build import DECODERS, build

RUNS = Trainings([0], "command", [1.0], "cpu", "0" * 7)


def records(**nll):
    return [
        {
            "metric": metric,
            "variant": variant.replace("_", "/", 1),
            "mean": mean,
            "sd": 0.1,
            "seeds": [1, 2, 5],
            "values": [mean] * 3,
        }
        for variant, value in nll.items()
        for metric, mean in ((likelihoods.NLL, value), ("kl_code", value - 60))
    ]


def test_claims_can_fail():
    held = likelihoods.claims(
        records(vae=86.0, flow_iaf=85.4, flow_planar=85.9, vae_short=86.3, hvae=86.1)
    )
    assert [holds for _, holds in held] == [True, False]
    assert "flow/iaf) gains 0.5 nats on the Gaussian: 85.4 and 86 (difference 0.6" in held[0][0]
    assert "difference 0.2, " in held[1][0]
    assert likelihoods.claims(records(vae=87.0, hvae=85.0)) == []


def agreement(variant, mean):
    return {"metric": "label_agreement", "variant": variant, "mean": mean, "sd": None}


@pytest.fixture
def iae(tmp_path, monkeypatch):
    """Records of the implicit autoencoder."""
    monkeypatch.setattr(decoders, "RESULTS", tmp_path)
    found = [
        record(metric, variant, [value], 10, "", RUNS)
        for metric, variant, value in (
            ("label_agreement", "global_10_local_100", 0.97),
            ("label_agreement", "vae_20", 0.5),
            ("code_nearest_accuracy", "global_10_local_100", 0.91),
        )
    ]
    write_records(tmp_path, "mnist_reconstruction", found)


def test_the_table_has_a_row_for_each_decoder_and_the_iae(iae):
    """In the order of what a pixel reads; a posterior is no decoder."""
    typed = [*records(flow_iaf=85.4, made=84.0, vae=86.0), agreement("made", 0.8)]
    typed += [{**agreement("pixelcnn", 0.7), "metric": "label_agreement"}]  # not measured otherwise
    head, _, *rows = likelihoods.table(typed).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[0] for row in cells] == [
        "`vae`", "`made`", "IAE, `mnist_reconstruction:global_10_local_100`",
    ]  # fmt: skip
    assert cells[0][1:] == ["none: factorized", "86.00 ± 0.10", "26.00 ± 0.10", "–", "–"]
    assert cells[1][4] == "0.8" and cells[2][2:] == ["–", "–", "0.97", "0.91"]
    assert head.count("|") == rows[0].count("|") + 1  # one is escaped
    assert likelihoods.table(records(flow_iaf=85.4)) == ""


def test_the_figure_has_a_point_for_each_decoder(iae, tmp_path, monkeypatch):
    """Of the other panels those that are sampled; and the IAE's lines."""
    shown, panels = [], figures.panels

    @contextmanager
    def keeping(*arguments, **options):
        with panels(*arguments, **options) as axes:
            yield axes
            shown.extend(axes[0])

    monkeypatch.setattr(figures, "panels", keeping)
    typed = [*records(vae=86.0, window_5=83.5, flow_iaf=85.4), agreement("vae", 0.93)]
    for one in typed:
        one["variant"] = one["variant"].replace("window/", "window_")
    likelihoods.draw_curve(tmp_path / "curve.png", typed)
    left, middle, right = ([line.get_xydata().tolist() for line in ax.lines] for ax in shown)
    points = [line[0] for line in left if len(line) == 1]
    assert points == [[26.0, 86.0], [23.5, 83.5]]
    assert [[26.0, 0.93]] in middle and middle[-1] == [[0, 0.97], [1, 0.97]]
    assert right == [[[0, 0.91], [1, 0.91]]]


@pytest.mark.heavy
def test_a_pixel_reads_as_many_others_as_the_table_says():
    """Oracle: the pixels whose gradient is not 0, of one in the middle of a large image."""
    for variant in ("window_3", "window_5", "window_7", "pixelcnn"):
        _, sizes = lookup(likelihoods.get_config(variant).generator.kind, DECODERS, "")
        network = PixelCNN(**sizes, numbers=1)
        x, z = (jax.random.normal(jax.random.key(i), (1, 28, 28, i)) for i in (1, 2))
        params = network.init(jax.random.key(0), x, z)

        def one(x, network=network, params=params, z=z):
            return network.apply(params, x, z)[0, 14, 14, 0, 0]

        found = np.asarray(jax.jit(jax.grad(one))(x))
        assert int((found != 0).sum()) == int(decoders.READS[variant]), variant
    assert decoders.READS["vlae"].split(";")[0] == decoders.READS["window_5"]
    assert (
        likelihoods.get_config("vlae").generator.kind
        == likelihoods.get_config("window_5").generator.kind
    )


@pytest.mark.heavy
def test_every_variant_is_a_game_and_nats_are_of_its_code():
    """What is played is the ELBO; the decoder writes a value at a time where it should."""
    for variant in likelihoods.preset.VARIANTS:
        config = likelihoods.get_config(variant)
        game = build(config, (28, 28, 1))
        assert config.data.binarize and config.reconstruction.kind == "likelihood"
        assert config.regularization.kind in ("analytic_kl", "sampled_kl")
        slow = variant in likelihoods.preset.DECODERS
        assert game.networks.generator.slow == slow
        assert game.networks.generator.noise == (784 if slow else 0)
