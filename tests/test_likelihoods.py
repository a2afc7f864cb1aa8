"""The experiment of likelihoods: its claims and its figure, of records that are typed; and its
variants, as games."""

from experiments import likelihoods
from iae_jax.runs.build import build


def records(**nll):
    return [
        {"metric": metric, "variant": variant.replace("_", "/", 1), "mean": mean, "sd": 0.1}
        for variant, value in nll.items()
        for metric, mean in ((likelihoods.NLL, value), ("kl_code", value - 60))
    ]


def test_claims_can_fail():
    held = likelihoods.claims(records(vae=86.0, flow_iaf=85.4, flow_planar=85.9, hvae=85.8))
    assert [holds for _, holds in held] == [True, False]
    assert "flow/iaf) gains 0.5 nats: 0.60" in held[0][0] and held[1][0].endswith("0.20")
    assert likelihoods.claims(records(hvae=85.0)) == []


def test_the_figure_has_a_point_for_each_variant(tmp_path):
    likelihoods.draw_curve(tmp_path / "curve.png", records(vae=86.0, flow_iaf=85.4))
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


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
