"""Text that the site takes from the code and from the records when it is built: a Sphinx extension.

A line `<!-- generated: NAME ARGUMENTS -->` of a page is replaced by what NAME below returns, as
Markdown. Nothing of it is committed, so that nothing of it can be out of date.
"""

import ast
import inspect
import io
import json
import os
import re
import shlex
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from absl import flags
from public_names import plain_docstring, public_names
from texts import cell, fenced, plain

from iae_jax import launch, presets, report, sweep
from iae_jax.data import prepare
from iae_jax.files.numbers import mean_and_sd
from iae_jax.metrics import available, evaluate, evidence, posterior_gap, rates
from iae_jax.metrics.metric import Metric
from iae_jax.records.experiment import load
from iae_jax.records.tables import Table, markdown
from iae_jax.runs import health
from iae_jax.runs.config import Config
from iae_jax.runs.config_help import fields_of

DOCS = Path(__file__).parent
ROOT = DOCS.parent
MARK = re.compile(r"^<!-- generated: (.+?) -->$", re.MULTILINE)
# The families of measures, each a module whose docstring says what its records are.
FAMILIES = (
    *(family.__name__.rpartition(".")[2] for family in evaluate.FAMILIES),
    "rates", "evidence", "annealed", "posterior_gap", "amortization", "translation",
)  # fmt: skip


def docstring(module: str) -> str:
    """Of a module's source, so that nothing has to be imported."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    return ast.get_docstring(ast.parse(path.read_text())) or ""


# ------------------------------------------------------------------------------- command line


def launcher_flags() -> str:
    """The flags of iae-jax."""
    rows = []
    for flag in sorted(flags.FLAGS.get_key_flags_for_module(launch.__name__), key=by_name):
        default = "" if flag.default in (None, "", [], False) else str(flag.default)
        words = f"--{flag.name}" if flag.boolean else f"--{flag.name}=..."
        rows.append((f"`{words}`", cell(" ".join(flag.help.split())), default and f"`{default}`"))
    return markdown(Table(("flag", "what it is", "default"), rows))


def by_name(flag: Any) -> str:
    return str(flag.name)


def launcher_text() -> str:
    return fenced(launch.__doc__ or "")


def help_of(command: str) -> str:
    """What --help says of a command that is not the launcher."""
    main: Callable[[list[str]], Any] = {
        "sweep": sweep.main, "report": report.main, "prepare": prepare.main,
    }[command]  # fmt: skip
    written = io.StringIO()
    os.environ["COLUMNS"] = "100"
    with redirect_stdout(written), suppress(SystemExit):
        main(["--help"])
    return fenced(written.getvalue())


def preset_list() -> str:
    """Every preset with its first lines and its variants."""
    parts = []
    for name in presets.NAMES:
        text = (presets.preset(name).__doc__ or "").split("\n\n")[0]
        parts.append(f"## {name}\n\n{cell(' '.join(text.split()))}")
        if variants := presets.variants_of(name):
            parts.append(fenced("\n".join(variants)))
    return "\n\n".join(parts)


# --------------------------------------------------------------------------------------- config


def config_fields() -> str:
    """A heading for each section of the config, a row for each field."""
    parts: list[str] = []
    rows: list[tuple[str, ...]] = []

    def flush() -> None:
        if rows:
            header = ("field", "type", "default", "what it is")
            parts.append(markdown(Table(header, list(rows))))
            rows.clear()

    fields = [("", None, inspect.cleandoc(Config.__doc__ or "").split(". ")[0] + ".")]
    for name, default, text in [*fields, *fields_of(Config())]:
        if default is None and name.count(".") < 1:
            flush()
            parts.append(f"## {name or 'config'}\n\n{cell(text)}")
        elif default is None:
            rows.append((f"**{name}**", "", "", cell(text)))
        else:
            rows.append((f"`{name}`", type(default).__name__, f"`{default!r}`", cell(text)))
    flush()
    return "\n\n".join(parts)


# -------------------------------------------------------------------------------------- metrics


def metric_families() -> str:
    """What each record is, by the docstring of its module."""
    parts = []
    for family in FAMILIES:
        title, *rest = docstring(f"iae_jax.metrics.{family}").split("\n\n")
        records = [one for one in rest if one.startswith("Records. ")]
        text = " ".join(records[0].removeprefix("Records. ").split())
        named = re.sub(r"(?<![\w`])([a-z][a-zA-Z]*_\w+|[A-Z]+_\w+)(?![\w`(])", r"`\1`", text)
        parts.append(f"## {family}\n\n{cell(' '.join(title.split()))}\n\n{plain(named)}")
    return "\n\n".join(parts)


def metric_table() -> str:
    """Every metric that is a value, and what it needs."""
    others = (one for m in (rates, evidence, posterior_gap) for one in getattr(m, "MEASURES", ()))
    found = [one for one in (*evaluate.METRICS, *others) if isinstance(one, Metric)]
    rows = [
        (f"`{one.name}`", one.extractor or "nats", ", ".join(one.reads))
        for one in found
        if not one.rows
    ]
    return markdown(Table(("metric", "measured in", "needs"), rows))


def metric_needs() -> str:
    """The words of the table's last column."""
    words = vars(available.Available).items()
    rows = [
        (f"`{name}`", cell(" ".join((one.__doc__ or "").split())))
        for name, one in words
        if isinstance(one, property)
    ]
    return markdown(Table(("word", "what is there"), rows))


# ------------------------------------------------------------------------------------- examples


def source(path: str) -> str:
    """A file of the repository."""
    return fenced((ROOT / path).read_text(), "python")


def module_text(module: str) -> str:
    """What a module says of itself."""
    return fenced(docstring(module))


# -------------------------------------------------------------------------------------- records


def numbers(experiment: str, *variants: str) -> str:
    """The recorded values of some variants of an experiment that are worth a reader's time."""
    one = load(ROOT / "results" / f"{experiment}.json")
    known = {record["variant"] for record in one.records}
    if missing := [variant for variant in variants if variant not in known]:
        raise ValueError(f"results/{experiment}.json has no variant {', '.join(missing)}")
    rows = []
    for record in one.shown:
        if record["variant"] not in variants:
            continue
        against = one.reference(record)
        value = f"{mean_and_sd(record['mean'], record['sd'])} ({record['n_seeds']})"
        rows.append(
            (record["variant"], f"`{record['metric']}`", value, against.sourced if against else "")
        )
    header = ("variant", "metric", "mean ± SD (seeds)", "published or aim")
    where = f"[results/{experiment}](results/{experiment}.md)"
    return f"{markdown(Table(header, rows))}\n\nAll values and commands: {where}."


def bad_runs() -> str:
    """The last line of each run of bad_runs.json."""
    runs = json.loads((DOCS / "bad_runs.json").read_text())
    names = list(dict.fromkeys(name for run in runs.values() for name in run["measured"]))
    rows = []
    for name, run in runs.items():
        values = [run["measured"].get(one) for one in names]
        rows.append((name, *("" if one is None else f"{one:.3g}" for one in values)))
    return markdown(Table(("run", *(f"`{one}`" for one in names)), rows))


def health_signs() -> str:
    """What a line of a training says, and when."""
    rows = [(f"*{one.words}*", one.when) for one in health.SIGNS]
    return markdown(Table(("what the line says", "what is seen"), rows))


def bad_run_flags(name: str) -> str:
    """The command of one of them."""
    run = json.loads((DOCS / "bad_runs.json").read_text())[name]
    words = [f"iae-jax --config=digits --workdir=runs/{name.replace(' ', '_')}", *run["flags"]]
    return fenced(" \\\n    ".join(words), "console")


# ---------------------------------------------------------------------------------------- pages

TEXTS: dict[str, Callable[..., str]] = {
    one.__name__: one
    for one in (
        launcher_flags, launcher_text, help_of, preset_list, config_fields, metric_families,
        metric_table, metric_needs, source, module_text, numbers, bad_runs, bad_run_flags,
        health_signs, public_names,
    )
}  # fmt: skip


def generated(text: str, page: str) -> str:
    """A page with its marks replaced. page: its name, as "models/vae"."""

    def replaced(match: re.Match[str]) -> str:
        name, *arguments = shlex.split(match[1])
        if name not in TEXTS:
            raise ValueError(f"{page}: nothing generates {name!r}: {', '.join(TEXTS)}")
        up = "../" * page.count("/")
        return TEXTS[name](*arguments).replace("](results/", f"]({up}results/")

    return MARK.sub(replaced, text)


def linked(text: str, page: str) -> str:
    """Links to what is on the site under another name: RESULTS.md and its like have a page, and
    files of the repository, which have none, are named."""
    if "/" not in page:
        text = text.replace("](../RESULTS.md)", "](results.md)")
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+((?:tests|experiments|iae_jax)/[^)#]+)\)", shown, text)


def shown(match: re.Match[str]) -> str:
    label, path = match[1], match[2]
    return f"`{path}`" if label.strip("`") in path else f"{label} (`{path}`)"


def read(app: Any, page: str, content: list[str]) -> None:
    content[0] = linked(generated(content[0], page), page)


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", plain_docstring, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
