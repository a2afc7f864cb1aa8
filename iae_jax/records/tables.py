"""A table as Markdown, CSV or LaTeX."""

import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple

FORMATS = ("markdown", "csv", "latex")

# What LaTeX reads as a command, or does not have.
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "–": "--",
} | {character: f"\\{character}" for character in "$&#_%"}
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?( ± \d+(\.\d+)?(e[+-]?\d+)?)?")


class Table(NamedTuple):
    """Cells of text. numbers: the columns that are aligned to the right."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: tuple[str, ...] = ()


def markdown(table: Table) -> str:
    rule = ("--:" if name in table.numbers else "---" for name in table.header)
    lines = [" | ".join(table.header), "|".join(rule)]
    lines += [" | ".join(cell.replace("|", "\\|") for cell in row) for row in table.rows]
    return "\n".join(f"|{line}|" if i == 1 else f"| {line} |" for i, line in enumerate(lines))


def comma_separated(table: Table) -> str:
    """CSV as RFC 4180 has it, but for lines that end in \\n."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.header, *table.rows])
    return text.getvalue().rstrip("\n")


def latex(table: Table) -> str:
    """A tabular with the rules of the package booktabs."""
    columns = "".join("r" if name in table.numbers else "l" for name in table.header)
    lines = [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", _latex_row(table.header), "\\midrule"]
    lines += [_latex_row(row) for row in table.rows]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"])


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex_cell, cells)) + r" \\"


def _latex_cell(cell: str) -> str:
    """Numbers in math mode, so that a minus is one; other text escaped."""
    if _NUMBER.fullmatch(cell):
        power = re.sub(r"e([+-]?)0*(\d+)", r" \\cdot 10^{\1\2}", cell).replace("{+", "{")
        return f"${power.replace('±', chr(92) + 'pm')}$"
    return "".join(_LATEX.get(character, character) for character in cell)


def written(table: Table, form: str) -> str:
    """The table in one of FORMATS, without a last newline."""
    return {"markdown": markdown, "csv": comma_separated, "latex": latex}[form](table)
