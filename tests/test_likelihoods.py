"""The experiment of likelihoods: its claims and its figure, of records that are typed; and its
variants, as games."""

from contextlib import contextmanager

import pytest

from experiments import likelihoods
from iae_jax.files import figures
from iae_jax.records.record import Trainings, record, write_records
from iae_jax.runs.build import build

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
    held = likelihoods.claims(records(vae=86.0, flow_iaf=85.4, flow_planar=85.9, hvae=85.8))
    assert [holds for _, holds in held] == [True, False]
    assert "flow/iaf) gains 0.5 nats on the Gaussian: 85.4 and 86 (difference 0.6" in held[0][0]
    assert "difference 0.2, " in held[1][0]
    assert likelihoods.claims(records(hvae=85.0)) == []


def test_the_figure_has_a_point_for_each_variant(tmp_path, monkeypatch):
    """Those of the right panel that are sampled; and the IAE's line."""
    shown, panels = [], figures.panels

    @contextmanager
    def keeping(*arguments, **options):
        with panels(*arguments, **options) as axes:
            yield axes
            shown.extend(axes[0])

    monkeypatch.setattr(figures, "panels", keeping)
    monkeypatch.setattr(likelihoods, "RESULTS", tmp_path)
    iae = record("label_agreement", "global_10_local_100", [0.97], 10, "", RUNS)
    write_records(tmp_path, "mnist_reconstruction", [iae])
    agreement = {"metric": "label_agreement", "variant": "vae", "mean": 0.93, "sd": None}
    typed = [*records(vae=86.0, flow_iaf=85.4), agreement]
    likelihoods.draw_curve(tmp_path / "curve.png", typed)
    left, right = ([line.get_xydata().tolist() for line in ax.lines] for ax in shown)
    assert [26.0, 86.0] in left[0] and len([line for line in left if len(line) == 1]) == 2
    assert [[26.0, 0.93]] in right and right[-1] == [[0, 0.97], [1, 0.97]]


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
