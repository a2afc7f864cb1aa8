"""A run as one HTML file, which needs no server and no network: page.html.

What it is, sliders over its codes, curves, pictures, numbers, config, and how to make it again. All
of it is read from the run's folder: no data set is opened, and pictures that are there are shown as
they are.
"""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from iae_jax.files import curves, html_page, metrics_log
from iae_jax.files.chart import Chart, chart
from iae_jax.files.numbers import number
from iae_jax.metrics.definitions import definitions
from iae_jax.objectives.model_names import model_name
from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.config_help import fields_of
from iae_jax.runs.config_source import PLACES, config_source
from iae_jax.runs.explorer import explorer
from iae_jax.runs.loaded import Model
from iae_jax.runs.measured import evaluations
from iae_jax.runs.request import Request
from iae_jax.runs.run_pictures import pictures

NAME = "page.html"


class Setting(NamedTuple):
    """A field of the config. changed: whether it differs from its default."""

    field: str
    value: str
    default: str
    text: str
    changed: bool


def run_page(request: Request) -> list[Path]:
    """Writes page.html.

    Raises:
      InputError: there is another file of that name, or an evaluation is damaged.
    """
    model, workdir = request.model, request.workdir
    config = model.run.config
    explored = explorer(model)
    text = html_page.page(
        "run.html",
        "explorer.js",
        name=workdir.resolve().name,
        model=model_name(config.reconstruction.kind, config.regularization.kind),
        story=_story(model),
        facts=_facts(model, workdir),
        explorer=None if isinstance(explored, str) else explored,
        no_explorer=explored if isinstance(explored, str) else "",
        uri=html_page.png_uri,
        numbered=lambda count: [f"{one} of {count}" for one in range(1, count + 1)],
        checkpoint_step=model.run.step,
        seeds=config.run.seeds,
        charts=charts(metrics_log.read(workdir / "metrics.jsonl"), model.values),
        pictures=pictures(workdir),
        evaluations=evaluations(workdir),
        definitions=definitions(),
        settings=settings(config),
        source=config_source(config),
        workdir=shlex.quote(str(workdir)),
        folder=repr(str(workdir)),
        versions=_saved(workdir).get("versions", {}),
        commit=_saved(workdir).get("commit", ""),
    )
    path = request.output / NAME
    html_page.write(path, text, "--output")
    return [path]


def charts(lines: list[dict[str, Any]], values: str) -> list[Chart]:
    """Of a run's metrics log. values: of x, see `Model`."""
    found = []
    for panel, members in curves.panels(lines).items():
        named = {name.replace("_", " "): [curve] for name, curve in members.items()}
        found.append(chart(panel, curves.unit(panel, values), named))
    return [one for one in found if one is not None]


def settings(config: Config) -> list[Setting]:
    """Every field but places of the machine: those that differ from the default first."""
    chosen, usual = (json.loads(json.dumps(to_dict(one))) for one in (config, Config()))
    found = []
    for field, default, text in fields_of(Config()):
        if default is not None and field not in PLACES:
            value, before = (_at(one, field) for one in (chosen, usual))
            found.append(Setting(field, _text(value), _text(before), text, value != before))
    return sorted(found, key=lambda one: not one.changed)


def _at(plain: Mapping[str, Any], field: str) -> Any:
    for part in field.split("."):
        plain = plain[part]
    return plain


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def _story(model: Model) -> str:
    """What the networks of the model do, in plain words."""
    encoder, generator = model.run.game.networks[:2]
    told = ["An encoder turns an example x into a code z." if encoder else ""]
    if generator is not None:
        decodes = "A decoder turns a code z into an example"
        local = ", whose details it makes up from a local code n of its own" * bool(generator.noise)
        told.append(f"{decodes}{local}.")
    return " ".join(filter(None, told))


def _facts(model: Model, workdir: Path) -> list[tuple[str, str]]:
    """(what, value) of what a reader asks first."""
    run, prior, saved = model.run, model.run.game.prior, _saved(workdir)
    config, networks = run.config, model.run.game.networks
    classes = f", {model.classes} classes" if model.classes else ""
    if model.class_names:
        classes += f" ({', '.join(model.class_names)})"
    code = [f"{prior.size} numbers"] if prior.size else []
    code += [f"one of {prior.categories} categories"] if prior.categories else []
    last = config.run.seeds + config.seed - 1
    facts = [
        ("Data", f"{config.data.name}: {_kind(model)}{classes}"),
        ("Global code z", " and ".join(code)),
    ]
    if networks.generator is not None:
        noise = networks.generator.noise
        facts.append(("Local code n", f"{noise} numbers" if noise else "none"))
    trained = f"{run.step:,} of {config.steps:,}, {config.batch_size} examples each"
    facts.append(("Steps", trained + ("" if saved else ": the training has not ended")))
    facts.append(("Seed", str(config.seed) + (f" to {last}" if config.run.seeds > 1 else "")))
    if saved.get("training_seconds"):
        facts.append(("Training", f"{number(saved['training_seconds'])} s on {saved['device']}"))
    return facts


def _kind(model: Model) -> str:
    """What an example is."""
    what = f"{' × '.join(map(str, model.shape))} numbers"
    if len(model.shape) == 3:
        height, width, channels = model.shape
        what = f"{height} × {width} pixels, {channels} channel{'s' * (channels > 1)}"
    return what + (", values in 0 to 1" if model.values == "unit" else "")


def _saved(workdir: Path) -> dict[str, Any]:
    """run.json, which a finished run has; nothing of another one."""
    try:
        found = json.loads((workdir / "run.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
