"""Every number of the README that is a result of this project is that of a record."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from iae_jax.presets.beyond import beyond

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
CHANCE = "50"


def records(experiment):
    return json.loads((ROOT / "results" / f"{experiment}.json").read_text())["records"]


def mean(experiment, variant, metric, places, scale=1.0):
    """As the README prints it, without its spread."""
    (one,) = (
        one for one in records(experiment) if (one["variant"], one["metric"]) == (variant, metric)
    )
    return f"{scale * one['mean']:.{places}f}"


def spread(experiment, variant, metric, places, scale=1.0):
    """With its standard deviation, which takes three seeds."""
    (one,) = (
        one for one in records(experiment) if (one["variant"], one["metric"]) == (variant, metric)
    )
    value = f"{scale * one['mean']:.{places}f}"
    return f"{value} ± {scale * one['sd']:.{places}f}" if one["n_seeds"] > 2 else value


def seeds(experiment, variant, metric):
    (number,) = {
        one["n_seeds"]
        for one in records(experiment)
        if (one["variant"], one["metric"]) == (variant, metric)
    }
    return number


def cell(experiment, metric, variants, places, scale=1.0, unit=""):
    """Values of several variants with as many seeds."""
    (number,) = {seeds(experiment, variant, metric) for variant in variants}
    values = "; ".join(spread(experiment, one, metric, places, scale) for one in variants)
    return f"{values}{unit} ({number})"


def error(variant, places=2):
    return cell("semisupervised", "test_error", [f"{variant}/mnist/100"], places, unit=" %")


def mnist(metric, variants, places, scale=1.0, unit=""):
    return cell("mnist_reconstruction", metric, variants, places, scale, unit)


def plain(metric, variant, places, scale=1.0):
    return mean("mnist_reconstruction", variant, metric, places, scale)


LEARNED = [
    f"{name}/learned_prior" for name in ("deterministic_20", "global_10_local_100", "vae_20")
]
FIXED = ["deterministic_20", "vae_20"]
KEPT = "; ".join(plain("label_agreement", name, 1, 100) for name in LEARNED)
OURS = {
    "MNIST, 100 labels: test error": error("iae_best"),
    "the same, no augmentation and no teacher": error("iae_plain"),
    "the same by Improved-GAN; AAE": f"{error('improved_gan')}; {error('aae', 1)}",
    "MNIST, 10 clusters, no labels: accuracy": cell(
        "mnist_clustering", "cluster_accuracy", ["k10"], 2, 100, " %"
    ),
    "MNIST, 20D: reconstructions in which a classifier sees the same digit; IAE; VAE": mnist(
        "label_agreement", FIXED, 2, 100, " %"
    ),
    "Fréchet distance of reconstructions (classifier's features); IAE; VAE": mnist(
        "frechet_reconstruction", FIXED, 2
    ),
    "of samples from N(0, I) (other real images: "
    f"{plain('frechet_data', 'deterministic_20', 1)}); IAE; VAE": mnist("frechet_sample", FIXED, 0),
    "of samples from a mixture that learns as p(z); IAE 20D; 10D + 100D; VAE 20D "
    f"({KEPT} % of the digits kept)": mnist("frechet_sample", LEARNED, 1),
    "25 Gaussians: modes found": cell("gaussian_mixture", "modes_captured", ["grid25/iae"], 0),
}


def apart(variant):
    return plain("two_sample_accuracy", variant, 0, 100)


def minutes():
    """The fastest seed of each variant that reads MNIST, of the experiments with networks."""
    found = {}
    for name in ("mnist_reconstruction", "mnist_clustering", "semisupervised"):
        for one in records(name):
            if "svhn" not in one["variant"]:
                found[one["variant"]] = min(one["seconds"]) / 60
    own = found.pop("improved_gan/mnist/100")
    return f"{min(found.values()):.0f} to {max(found.values()):.0f} minutes", f"{own:.0f}"


def speeds():
    """The slowest and the fastest row of a step beside PyTorch."""
    found = {
        one["variant"]: one["mean"]
        for one in records("benchmark")
        if one["metric"] == "throughput_ratio" and one["command"].find("--prefix") < 0
    }
    low, high = min(found, key=found.get), max(found, key=found.get)
    assert low.startswith("conv32_r1/") and high.startswith("mlp_"), (low, high)
    return f"{found[low]:.2f} (32x32, R1)", f"{found[high]:.1f} times (MLP)"


JOINT = "global_10_local_100/joint_model"
SAID = [
    f"({plain('frechet_sample', 'deterministic_20', 0)} against "
    f"{plain('frechet_sample', 'vae_20', 0)})",
    f"near ({plain('frechet_sample', JOINT, 1)}) with "
    f"{plain('label_agreement', JOINT, 0, 100)} % of the digits kept",
    f"{apart('deterministic_20')} % (chance {CHANCE}; VAE {apart('vae_20')}, "
    f"AAE {apart('aae_20')}, ALI {apart('ali_20')}; "
    f"{apart('deterministic_20/learned_prior')} with a prior that learns)",
    f"the {mean('semisupervised', 'iae_best/mnist/100', 'test_error', 2)} %",
    "took {} on 1 or 2 CPU cores (the fastest seed of each; Improved-GAN {})".format(*minutes()),
    "{} to {}".format(*speeds()),
]


def section(title):
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table(column):
    """First column -> another one."""
    lines = [one for one in section("Results at a glance").splitlines() if one.startswith("|")]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return {cells[0]: cells[column] for cells in rows[2:]}


def test_the_table_is_that_of_the_records():
    assert table(2) == OURS


def added(preset, variant):
    return beyond(import_module(f"iae_jax.presets.{preset}").get_config(variant))


def test_what_was_added_is_what_the_configs_have():
    """Oracle: the configs, by `beyond`, which test_beyond reads field by field."""
    few = {name: added("semisupervised", f"{name}/mnist/100") for name in
           ("iae_best", "iae_plain", "improved_gan", "aae")}  # fmt: skip
    whole, local, vae = (added("mnist_reconstruction", name) for name in LEARNED)
    fixed, prior = added("mnist_reconstruction", "deterministic_20"), "a prior that learns"
    (own,) = set(local.split(", ")) - set(whole.split(", "))
    assert (few["improved_gan"], added("mnist_reconstruction", "vae_20")) == ("", "")
    assert (whole, vae) == (f"{fixed}, {prior}", prior)
    assert list(table(4).values()) == [
        few["iae_best"],
        few["iae_plain"],
        f"(AAE) {few['aae']}",
        added("mnist_clustering", "k10"),
        f"(IAE) {fixed}",
        "as above",
        "as above",
        f"(IAE) as above; (10D + 100D) also {own}; (all) {prior}",
        added("gaussian_mixture", "grid25/iae"),
    ]


@pytest.mark.parametrize("text", SAID)
def test_a_number_in_a_sentence_is_that_of_a_record(text):
    assert text in " ".join(TEXT.split())


def test_no_other_number_is_said():
    said = " ".join(section("Speed and scale").split() + section("What does not work").split())
    for text in SAID:
        said = said.replace(text, "")
    names = r"N\(0, I\)|p\(z\)"
    assert re.findall(r"\S*\d\S*", re.sub(names, "", said)) == []
