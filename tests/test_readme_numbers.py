"""Every number of the README that is a result of this project is that of a record."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from iae_jax.presets.beyond import beyond

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


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


MODELS = {
    "deterministic_20": "`deterministic_20`: IAE, z of 20, p(z) = N(0, I)",
    "global_10_local_100": "`global_10_local_100`: IAE, z of 10 and n of 100",
    "global_10_local_100/joint_model": "`global_10_local_100/joint_model`: "
    "(x, z) against p(x, z), as ALI, in place of codes",
    "vae_20": "`vae_20`",
    "aae_20": "`aae_20`",
    "ali_20": "`ali_20`",
    "deterministic_20/learned_prior": "`deterministic_20/learned_prior`: "
    "p(z) a mixture that learns",
    "global_10_local_100/learned_prior": "`global_10_local_100/learned_prior`",
    "vae_20/learned_prior": "`vae_20/learned_prior`",
}
# Column -> metric, places, scale.
COLUMNS = {
    1: ("label_agreement", 2, 100),
    2: ("frechet_reconstruction", 2, 1),
    3: ("frechet_sample", 1, 1),
    4: ("two_sample_accuracy", 1, 100),
}
FEW = "semisupervised"
# Task -> ours, and the preset and variant that it is of.
TASKS = {
    "IAE, MNIST, 100 labels: test error": (error("iae_best"), FEW, "iae_best/mnist/100"),
    "the same, no augmentation and no teacher": (error("iae_plain"), FEW, "iae_plain/mnist/100"),
    "the same task by Improved-GAN": (error("improved_gan"), FEW, "improved_gan/mnist/100"),
    "the same task by AAE": (error("aae", 1), FEW, "aae/mnist/100"),
    "IAE, MNIST, 10 clusters, no labels: accuracy": (
        cell("mnist_clustering", "cluster_accuracy", ["k10"], 2, 100, " %"),
        "mnist_clustering",
        "k10",
    ),
    "IAE, 25 Gaussians: modes found": (
        cell("gaussian_mixture", "modes_captured", ["grid25/iae"], 0),
        "gaussian_mixture",
        "grid25/iae",
    ),
}


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


def samples(variant, places=0):
    return mean("mnist_reconstruction", variant, "frechet_sample", places)


def kept(variant):
    return mean("mnist_reconstruction", variant, "label_agreement", 0, 100)


LOCAL = "global_10_local_100"
LEARNED = f"{LOCAL}/learned_prior"
SAID = [
    f"(real images: {mean('mnist_reconstruction', 'vae_20', 'frechet_data', 1)})",
    f"Fréchet {samples('deterministic_20')} (z of 20), {samples(LOCAL)} (with n), "
    f"VAE {samples('vae_20')}. A prior that learns mends them ({samples(LEARNED)}); "
    f"so does ALI's discriminator ({samples(f'{LOCAL}/joint_model')}), and then the digit is kept "
    f"in {kept(f'{LOCAL}/joint_model')} %, not {kept(LOCAL)} %.",
    f"the {mean('semisupervised', 'iae_best/mnist/100', 'test_error', 2)} %",
    "took {} on 1 or 2 CPU cores (the fastest seed of each; Improved-GAN {})".format(*minutes()),
    "{} to {}".format(*speeds()),
]


def section(title):
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table(which, column):
    """First column -> another one, of the first or the second table of results."""
    found = re.findall(r"(?:^\|.*\n)+", section("Results at a glance"), re.MULTILINE)
    rows = [re.split(r" \| |\| | \|", line) for line in found[which].splitlines()[2:]]
    return {cells[1]: cells[column + 1] for cells in rows}


@pytest.mark.parametrize("column", COLUMNS)
def test_the_table_of_models_is_that_of_the_records(column):
    metric, places, scale = COLUMNS[column]
    assert table(0, column) == {
        title: cell("mnist_reconstruction", metric, [name], places, scale)
        for name, title in MODELS.items()
    }


def test_the_table_beside_published_numbers_is_that_of_the_records():
    assert table(1, 2) == {task: ours for task, (ours, *_) in TASKS.items()}


def key():
    """Letter -> what a model has beyond the slides, without whose it is."""
    found = section("Results at a glance").replace("\n", " ")
    words = re.findall(r"\*\*([A-Z])\*\* (.+?)(?= ·|\. \*\*Not)", found)
    return {letter: re.sub(r" \([^()]*(\d{4}|IMSAT)\)$", "", what) for letter, what in words}


def test_the_letters_are_what_the_configs_have():
    """Oracle: the configs, by `beyond`, which test_beyond reads field by field."""
    configs = {title: ("mnist_reconstruction", name) for name, title in MODELS.items()}
    configs |= {task: of for task, (_, *of) in TASKS.items()}
    said, known = table(0, 5) | table(1, 4), key()
    assert len(set(known.values())) == len(known)
    for title, (preset, variant) in configs.items():
        config = import_module(f"iae_jax.presets.{preset}").get_config(variant)
        assert ", ".join(known[one] for one in said[title].split()) == beyond(config), title
    assert {one for letters in said.values() for one in letters.split()} == set(known)


@pytest.mark.parametrize("text", SAID)
def test_a_number_in_a_sentence_is_that_of_a_record(text):
    assert text in " ".join(TEXT.split())


def test_no_other_number_is_said():
    said = " ".join(section("Speed and scale").split() + section("What does not work").split())
    for text in SAID:
        said = said.replace(text, "")
    names = r"N\(0, I\)|p\(z\)"
    assert re.findall(r"\S*\d\S*", re.sub(names, "", said)) == []
