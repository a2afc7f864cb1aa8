"""The site and the README: every block of Python is run, every command is run or parsed by the
program itself, and the text that is made from the code has all of it."""

import contextlib
import importlib
import io
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path
from unittest import mock

import pytest
from absl import flags
from absl.testing import flagsaver
from test_launch import launch

import iae_jax.launch
from iae_jax import report, sweep
from iae_jax.data.builders import BUILDERS
from iae_jax.presets.config_words import config_of
from iae_jax.runs import reading
from iae_jax.runs.config import Config
from iae_jax.runs.config_checks import check_numbers

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
BLOCK = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
PYTHON = ("python", "{code-cell}")
PROGRAMS = ("iae-jax", "iae-jax-sweep", "iae-jax-report", "iae-jax-prepare", "python", "pip",
            "sbatch", "fidelity")  # fmt: skip
# So that a training takes seconds.
SMALL = (
    "--config.steps=4", "--config.run.steps_per_call=2", "--config.run.log_steps=2",
    "--config.run.validate_steps=4", "--config.run.figure_steps=4",
    "--config.run.checkpoint_steps=4", "--config.run.devices=1",
    *(f"--config.{player}.network.kind=mlp" for player in
      ("encoder", "generator", "reconstruction", "regularization")),
)  # fmt: skip


def blocks(page):
    """(language, text) of each; commands, also where no language says so."""
    found = []
    for language, text in BLOCK.findall(page.read_text()):
        words = text.split(maxsplit=1)
        if language == "" and words and words[0] in PROGRAMS:
            language = "console"
        if language == "{code-cell}":
            text = re.sub(r"\A(:\w+:.*\n)+", "", text)
        found.append((language, text))
    return found


def commands(text):
    """The words of each line, without comments."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def name_of(page):
    return str(page.relative_to(ROOT))


def marked(page):
    """The pages that have something to run: those of minutes are slow, of seconds heavy."""
    runs = any(language in (*PYTHON, "console") for language, _ in blocks(page))
    cells = any(language == "{code-cell}" for language, _ in blocks(page))
    marks = [pytest.mark.slow] if cells else [pytest.mark.heavy] if runs else []
    return pytest.param(page, marks=marks, id=name_of(page))


class Reader:
    """Somebody who does what a page says, in an empty folder. python: also its Python."""

    def __init__(self, python):
        self.python, self.names, self.done = python, {}, []

    def follow(self, page):
        for language, text in blocks(page):
            if language in PYTHON and self.python:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(text, name_of(page), "exec"), self.names)
            elif language == "console":
                for words in commands(text):
                    self.done.append(words)
                    self.command(*words)

    def command(self, program, *words):
        if program == "python":
            self.module(*words)
        elif program == "iae-jax":
            self.launch(words)
        elif program == "iae-jax-sweep":
            with mock.patch.object(sweep, "perform"):
                assert sweep.main([*words]) == 0, words
        elif program == "iae-jax-report":
            self.report(words)
        elif program == "iae-jax-prepare":
            assert all(word in BUILDERS for word in words if not word.startswith("-")), words
        elif program == "pip":
            self.install(words)
        elif program == "sbatch":
            (file,) = [word for word in words if word.endswith(".sh")]
            assert (ROOT / file).is_file()
        else:
            assert program in PROGRAMS, program

    def module(self, flag, name, *words):
        """python -m NAME."""
        assert flag == "-m"
        own = {"iae_jax.launch": "iae-jax", "iae_jax.sweep": "iae-jax-sweep",
               "iae_jax.report": "iae-jax-report"}  # fmt: skip
        if name in own:
            self.command(own[name], *words)
            return
        text = Path(importlib.import_module(name).__file__).read_text()
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0].removeprefix("--no_").strip("-") in text, word

    def launch(self, words):
        """A mode of a run that is here, and a training of data that is here, are done. All others
        are parsed. NAME stands for a file of the same folder."""
        words = [word.replace("extending/NAME", "extending/contrast") for word in words]
        named = dict(word.removeprefix("--").partition("=")[::2] for word in words)
        here = named.get("data.name") is None and named.get("config", "") == "digits"
        if {"list", "help_config", "version"} & set(named):
            assert launch(*words)[0] == 0
        elif "mode" in named and Path(named["workdir"]).is_dir():
            code, _, err = launch(*words)
            assert code == 0, (words, err)
        elif "mode" not in named and here and not {"distributed", "seeds"} & set(named):
            if Path(named["workdir"]).is_dir():
                return  # the same run again, by another page's words
            code, _, err = launch(*words, *SMALL)
            assert code == 0, (words, err)
        else:
            self.parsed(words)

    def parsed(self, words):
        argv = ["iae-jax", *words]
        with flagsaver.flagsaver(), mock.patch("sys.argv", argv):
            flags.FLAGS.unparse_flags()
            assert len(iae_jax.launch.parse(argv)) == 1
            config, mode = config_of(flags.FLAGS), flags.FLAGS.mode
            reading.check_flags(mode)
            assert flags.FLAGS.workdir
            if config is not None:
                assert isinstance(config, Config)
                check_numbers(config)

    def report(self, words):
        options = report._options([*words])
        if options.check:
            with contextlib.chdir(ROOT):
                assert report.main([*words]) == 0
        elif all(Path(word).is_dir() for word in options.words):
            assert report.main([*words]) == 0

    def install(self, words):
        assert words[0] == "install"
        extras = re.findall(r"\[(.*?)\]", " ".join(words))
        assert {one for each in extras for one in each.split(",")} <= set(EXTRAS)
        for before, word in zip(words, words[1:], strict=False):
            assert before != "-c" or (ROOT / word).is_file()


@pytest.fixture
def folder(monkeypatch, tmp_path, data_directory):
    """A folder to be in, with nothing but the files of the repository that pages name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", data_directory)
    for name in ("experiments", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize("page", map(marked, PAGES))
def test_a_reader_who_does_what_a_page_says_gets_through(page, folder):
    """Of the README, test_readme.py runs the Python."""
    reader = Reader(python=page.name != "README.md")
    if page.name in ("numbers.md", "runs.md"):  # which begin where the first run has ended
        reader.command("iae-jax", "--config=digits", "--workdir=runs/digits")
        reader.command("iae-jax", "--workdir=runs/digits", "--mode=evaluate")
    reader.follow(page)


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CONTRIBUTING.md"])
def test_pages_that_the_site_takes_from_elsewhere_have_no_links_to_files(name):
    """They would be sought beside the page that takes them."""
    links = re.findall(r"\]\(([^)]*)\)", (ROOT / name).read_text())
    assert all(link.startswith(("https://", "#")) for link in links), links


def test_there_are_blocks_and_each_has_a_language_that_is_known():
    found = {page: blocks(page) for page in PAGES}
    known = {"python", "console", "text", "bibtex", "{code-cell}", "{toctree}", "{include}",
             "{eval-rst}"}  # fmt: skip
    for page, own in found.items():
        if "results" in page.parts:
            continue
        assert {language for language, _ in own} <= known, page
    assert sum(language in PYTHON for own in found.values() for language, _ in own) > 50
    assert sum(language == "console" for own in found.values() for language, _ in own) > 30


# ---------------------------------------------------------------------------------- generated text


@pytest.fixture(scope="module")
def generated_text():
    with mock.patch("sys.path", [str(DOCS), *sys.path]):
        return importlib.import_module("generated_text")


def test_the_reference_has_every_flag_and_field_and_record(generated_text):
    flags_text = generated_text.launcher_flags()
    assert "| `--workdir=...` |" in flags_text and "`--select=...`" in flags_text
    config = generated_text.config_fields()
    assert "`generator.ramp_start_steps`" in config and "## auxiliary" in config
    assert "`auxiliary.marginal.weight.start_steps`" in config
    metrics = generated_text.metric_families()
    for name in (
        "pixel_error_pca", "two_sample_accuracy", "cluster_accuracy", "kl_code", "negative_elbo",
        "amortization_gap", "pixel_error_median", "label_agreement_second", "frechet_data_unpaired",
    ):  # fmt: skip
        assert name in metrics.replace("\\", ""), name
    assert "--random_seed" in generated_text.help_of("sweep")
    with pytest.raises(ValueError, match="nothing generates 'moon'"):
        generated_text.generated("<!-- generated: moon -->", "page")
    with pytest.raises(ValueError, match="has no variant vae_21"):
        generated_text.numbers("mnist_reconstruction", "vae_21")


def test_the_numbers_of_a_model_are_those_of_its_records(generated_text):
    table = generated_text.numbers("avb_four_points", "avb")
    records = json.loads((ROOT / "results" / "avb_four_points.json").read_text())["records"]
    (own,) = [
        one for one in records if (one["variant"], one["metric"]) == ("avb", "log_likelihood")
    ]
    assert f"{own['mean']:.4f} ± {own['sd']:.4f} ({own['n_seeds']})" in table
