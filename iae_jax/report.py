"""Tables of results: RESULTS.md and docs/results/ from results/*.json, or finished runs compared.

    python -m iae_jax.report                                  # RESULTS.md, docs/results/NAME.md
    python -m iae_jax.report --check                          # whether they are up to date
    python -m iae_jax.report --format=csv > results.csv       # every value of every record
    python -m iae_jax.report semisupervised --format=latex --metrics=test_error
    python -m iae_jax.report runs/a runs/b,runs/c --page=runs.html

Words are names of results files, or folders of evaluated runs. Folders separated by commas are the
seeds of one model. Of runs, a page with the same table, their curves over each other and their
pictures is written too (report.html): one HTML file that needs no network, with links to the pages
of runs that have one (iae-jax --mode=page).
"""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from iae_jax.errors import EXIT_USER, InputError
from iae_jax.files import html_page
from iae_jax.files.atomic import open_folder, write_text
from iae_jax.files.home import expanded
from iae_jax.records import comparison, values
from iae_jax.records.comparison import Column
from iae_jax.records.experiment import Experiment, load
from iae_jax.records.experiment_page import page
from iae_jax.records.overview import overview
from iae_jax.records.parser import Parser
from iae_jax.records.runs_page import runs_page
from iae_jax.records.tables import FORMATS, Table, written
from iae_jax.runs.console import show

RESULTS = "RESULTS.md"
PAGE = "report.html"
PAGE_HELP = f"page of runs, in one HTML file ({PAGE})"
SPLITS = ("train", "validation", "test")


def files(options: argparse.Namespace) -> dict[Path, str]:
    """RESULTS.md and the experiments' pages, by path.

    Raises:
      InputError: there is no results file, or one is damaged.
    """
    experiments = _experiments(options.results, [])
    output: Path = options.output or Path(RESULTS)
    found = {
        options.pages / f"{one.name}.md": page(one, options.figures, options.pages)
        for one in experiments
    }
    return {output: overview(experiments, options.pages, output.parent)} | found


def _experiments(folder: Path, names: Sequence[str]) -> list[Experiment]:
    """The named experiments of a folder of results files, or all."""
    paths = [folder / f"{name}.json" for name in names] or sorted(folder.glob("*.json"))
    if not paths:
        raise InputError(f"there is no results file in {folder}: run an experiment")
    return [load(path, own=bool(names)) for path in paths]


def write(options: argparse.Namespace) -> None:
    """Writes RESULTS.md and the pages. Raises: InputError as `files`, or it cannot."""
    contents = files(options)
    open_folder(options.pages, "--pages")
    for number, (path, text) in enumerate(contents.items()):
        _write(path, text, "--pages" if number else "--output")
        print(path)


def check(options: argparse.Namespace) -> None:
    """Raises: InputError if a file is not what this would write, or is left over."""
    contents = files(options)
    for path, text in contents.items():
        if not path.is_file() or path.read_text() != text:
            raise InputError(f"{path} is not up to date: python -m iae_jax.report writes it")
    for path in sorted(options.pages.glob("*.md")):
        if path not in contents:
            raise InputError(f"{path} has no results file: remove it")
    print(f"{len(contents)} files are up to date")


def table_of(options: argparse.Namespace) -> Table:
    """The table that was asked for; of runs, it writes their page.

    Raises:
      InputError: a word is neither a run nor a results file, or they are both; or as the modules
        that make the table.
    """
    metrics: list[str] = options.metrics.split(",") if options.metrics else []
    names = [word for word in options.words if (options.results / f"{word}.json").is_file()]
    runs = [word for word in options.words if all(Path(one).is_dir() for one in word.split(","))]
    if strange := [word for word in options.words if word not in (*names, *runs)]:
        raise InputError(
            f"{strange[0]} is neither a folder nor in {options.results}: name evaluated runs or "
            "results files"
        )
    if options.words and not names:
        columns = comparison.columns_of(options.words, options.split)
        table = comparison.side_by_side(columns, metrics)
        made = _page(options, table, columns, metrics)
        print(*comparison.earlier(columns), made, sep="\n", file=sys.stderr)
        if options.format == "csv":
            return comparison.every_value(columns, metrics)
        return table
    if len(names) < len(options.words):
        raise InputError("these are runs and results files: name one kind")
    make = values.every_value if options.format == "csv" else values.means
    table = make(_experiments(options.results, names))
    if not metrics:
        return table
    own = table.header.index("metric")
    rows = [row for row in table.rows if row[own] in metrics]
    if missing := [metric for metric in metrics if all(row[own] != metric for row in table.rows)]:
        raise InputError(f"no record has {', '.join(missing)}: see the metrics in {options.pages}")
    return table._replace(rows=rows)


def _page(
    options: argparse.Namespace, table: Table, columns: Sequence[Column], metrics: list[str]
) -> str:
    """Writes the page of runs, and returns its path; where it was not asked for and there is no
    jinja2, what would have made it."""
    path: Path = options.page or Path(PAGE)
    if options.page is None and importlib.util.find_spec("jinja2") is None:
        return f"for {path} too: pip install 'iae_jax[train]'"
    html_page.write(path, runs_page(table, columns, path, metrics), "--page")
    return str(path)


def _write(path: Path, text: str, flag: str = "--output") -> None:
    """flag: by which another place is chosen."""
    try:
        write_text(path, text)
    except OSError as error:
        reason = f"cannot write {path} ({error.strerror}): choose another {flag}"
        raise InputError(reason) from error


def _options(arguments: list[str] | None) -> argparse.Namespace:
    """Raises: InputError for words and flags that do not go together."""
    parser = Parser(prog="python -m iae_jax.report", allow_abbrev=False)
    parser.add_argument("words", nargs="*", metavar="NAME|RUN", help="results files, or runs")
    parser.add_argument("--format", choices=FORMATS, help="of the table (markdown)")
    parser.add_argument("--output", type=expanded, help=f"file of the table, or of {RESULTS}")
    parser.add_argument("--metrics", default="", help="rows of the table, separated by commas")
    parser.add_argument("--page", nargs="?", type=expanded, const=Path(PAGE), help=PAGE_HELP)
    parser.add_argument("--split", choices=SPLITS, default="test", help="of runs (test)")
    parser.add_argument("--check", action="store_true", help="write nothing, but compare")
    parser.add_argument("--results", type=expanded, default=Path("results"), help="(results)")
    parser.add_argument("--figures", type=expanded, default=Path("docs"), help="(docs)")
    parser.add_argument(
        "--pages", type=expanded, default=Path("docs/results"), help="(docs/results)"
    )
    options = parser.parse_args(arguments)
    options.tabular = bool(options.words or options.format)
    if options.check and options.tabular:
        raise InputError(f"--check is of {RESULTS} and its pages: leave words and --format out")
    if options.metrics and not options.tabular:
        raise InputError("--metrics is of a table: name a --format, results files or runs")
    if options.page and not options.words:
        raise InputError("--page is of runs: name their folders, and then --page or --page=FILE")
    # Before the page of runs is written.
    if options.output and not options.output.parent.is_dir():
        raise InputError(f"there is no folder {options.output.parent}: choose another --output")
    options.format = options.format or FORMATS[0]
    return options


def main(arguments: list[str] | None = None) -> int:
    sys.path.insert(0, str(Path.cwd()))
    try:
        options = _options(arguments)
        if options.check:
            check(options)
        elif not options.tabular:
            write(options)
        else:
            text = written(table_of(options), options.format)
            if options.output:
                _write(options.output, f"{text}\n")
                print(options.output, file=sys.stderr)
            else:
                show(text)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER
    return 0


if __name__ == "__main__":
    sys.exit(main())
