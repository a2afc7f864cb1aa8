"""Claims and the curve of the records of the reconstruction of MNIST."""

import itertools
from contextlib import contextmanager

import numpy as np

from experiments.mnist_reconstruction import claims, draw, draw_curve
from iae_jax.files import figures


def of_seeds(metric, variant, mean):
    """Alike for all seeds: differences have no spread."""
    return {"metric": metric, "variant": variant, "seeds": [0, 1, 2], "values": [mean] * 3}


def test_what_the_figure_claims():
    """By hand, and each claim can fail."""
    means = {
        "label_agreement": (0.98, 0.96, 0.9),
        "pixel_error": (0.03, 0.06, 0.09),
        "local_spread": (0.0, 0.05, 0.08),
    }
    shown = ("deterministic_20", "global_10_local_100", "global_5_local_100")

    def records(**changed):
        found = [
            of_seeds(metric, variant, mean)
            for metric, own in (means | changed).items()
            for variant, mean in zip(shown, own, strict=True)
        ]
        return [*found, of_seeds("frechet_reconstruction", "vae_20", 1.0)]

    def held(**changed):
        frechet = (1.0, 1.4, 1.8)
        return [holds for _, holds in claims(records(frechet_reconstruction=frechet, **changed))]

    assert held() == [True] * 5
    assert held(label_agreement=(0.98, 0.9, 0.96)) == [False, True, True, True, True]
    assert held(pixel_error=(0.06, 0.06, 0.09)) == [True, None, True, True, True]
    assert held(local_spread=(0.01, 0.0, 0.08)) == [True, True, False, True, True]
    worse = claims(records(frechet_reconstruction=(1.4, 1.6, 9.0)))
    assert [holds for _, holds in worse] == [True, True, True, False, False]
    assert "0.9800, 0.9600, 0.9000" in worse[0][0] and "1.6 and 1 (" in worse[4][0]
    assert claims([]) == []
    for ours, theirs in ((3.0, 7.0), (8.0, 7.0)):
        samples = [
            of_seeds("frechet_sample", f"{one}/learned_prior", mean)
            for one, mean in (("deterministic_20", ours), ("vae_20", theirs))
        ]
        assert [holds for _, holds in claims(samples)] == [ours < theirs]


def keep_panels(monkeypatch):
    """The panels of the figure that is drawn next."""
    kept, panels = [], figures.panels

    @contextmanager
    def keeping(*arguments):
        with panels(*arguments) as axes:
            yield axes
            kept.extend(itertools.chain(*axes))

    monkeypatch.setattr(figures, "panels", keeping)
    return kept


def test_the_curve_is_of_the_records(tmp_path, monkeypatch):
    kept = keep_panels(monkeypatch)
    means = {
        "global_20_local_100": 0.9,
        "global_2_local_100": 0.3,
        "deterministic_20": 0.97,
        "vae_20": 0.5,
    }
    records = [
        {"metric": "label_agreement", "variant": variant, "mean": mean, "sd": mean / 10}
        for variant, mean in means.items()
    ]
    draw_curve(tmp_path / "curve.png", records)
    line, dotted = kept[0].lines
    np.testing.assert_allclose(line.get_xydata(), [[2, 0.3], [20, 0.9]])
    (shade,) = kept[0].collections
    corners = np.unique(shade.get_paths()[0].vertices.round(6), axis=0)
    np.testing.assert_allclose(corners, [[2, 0.27], [2, 0.33], [20, 0.81], [20, 0.99]])
    assert dotted.get_ydata()[0] == 0.97
    assert kept[1].get_title() == "pixel error" and not kept[1].lines


def test_agreement_is_drawn_over_the_distance_of_samples(tmp_path, monkeypatch):
    """In the order of the weights; a variant without all three metrics is left out."""
    shown = keep_panels(monkeypatch)
    iae = "global_10_local_100"
    rows = {
        iae: (50, 2, 0.97), f"{iae}/weight_1": (12, 2, 0.9), f"{iae}/weight_0.3": (24, 2, 0.95),
        f"{iae}/learned_prior": (4, 2, 0.96), "ali_20": (10, 2.5, 0.87),
    }  # fmt: skip
    metrics = ("frechet_sample", "frechet_data", "label_agreement")
    records = [
        {"metric": metric, "variant": variant, "mean": mean, "sd": None}
        for variant, values in rows.items()
        for metric, mean in zip(metrics, values, strict=True)
    ]
    records.append({"metric": "frechet_sample", "variant": f"{iae}/weight_3", "mean": 9, "sd": 1})
    draw_curve(tmp_path / "curve.png", records)
    lines = {line.get_label(): line.get_xydata().tolist() for line in shown[-2].lines}
    named = [text.get_text() for text in shown[-1].get_legend().get_texts()]  # beside it
    assert named == ["IAE, N(0, I)", "IAE, learned prior", "ALI"]
    assert lines["IAE, N(0, I)"] == [[25, 0.97], [12, 0.95], [6, 0.9]]
    assert lines["IAE, learned prior"] == [[2, 0.96]]
    assert lines["ALI"] == [[4, 0.87]]
    assert not {"IAE, ALI's term", "VAE", "AAE"} & set(lines)


def test_samples_stand_below_the_reconstructions(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "rows_of_images", lambda path, groups: shown.extend(groups))
    runs = {}
    for i, variant in enumerate(("deterministic_20", "global_5_local_100/learned_prior")):
        runs[variant] = tmp_path / str(i)
        runs[variant].mkdir()
        x = np.full((5, 2, 2, 1), i / 10)
        np.savez(runs[variant] / "reconstructions.npz", x=x, x_hat=[x + 0.2] * (1 + i))
        np.savez(runs[variant] / "samples.npz", x=np.full((9, 2, 2, 1), i / 10 + 0.4))
    draw(tmp_path / "figure.png", runs)
    found = [
        (name, len(rows), len(rows[0]), round(float(rows[0].max()), 1)) for name, rows in shown
    ]
    assert found == [
        ("original", 1, 5, 0.0), ("20D", 1, 5, 0.2), ("5D + 100D", 2, 5, 0.3),
        ("20D, samples", 1, 5, 0.4), ("5D + 100D, samples", 1, 5, 0.5),
    ]  # fmt: skip
