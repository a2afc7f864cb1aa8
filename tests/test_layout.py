"""The file map: imports run strictly downward, read from the source; a light `import iae_jax`."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ORDER = [
    "types", "priors", "networks", "augmentation", "draws", "scoring", "terms", "charges",
    "objectives", "elbo", "game", "step", "hosts", "parallel", "seeds", "sampling", "data",
    "modes", "quadrature", "clusters", "probes", "distances", "frechet", "quality", "journal",
    "checksums", "checkpoint", "judge", "descriptor", "metrics", "evaluate", "figures", "stopwatch",
    "config", "assembly", "interruption", "workdir", "train", "views", "launch", "results", "study",
    "compare", "sweep", "report",
]
PACKAGE = Path(__file__).parent.parent / "iae_jax"
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = [
    "tensorflow", "tensorflow_datasets", "grain", "orbax", "matplotlib", "sklearn",
    "ml_collections", "tqdm", "PIL",
]


def module_of(path):
    """iae_jax/data/mnist.py -> "data"."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """Every dotted name that a file imports, wherever in the file."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import, line {node.lineno}"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def test_there_is_something_to_read():
    assert len(FILES) > 15
    assert "jax.numpy" in imported(PACKAGE / "terms.py")
    assert "iae_jax.types.Array" in imported(PACKAGE / "terms.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downward(path):
    if path == PACKAGE / "__init__.py":  # the public names, from everywhere
        return
    module = module_of(path)
    assert module in ORDER, f"{module} has no place in the order of the file map"
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "iae_jax":
            continue
        assert parts[1] in ORDER, f"{path.name} imports {name}"
        inside_one_package = parts[1] == module and path.parent != PACKAGE
        assert inside_one_package or ORDER.index(parts[1]) < ORDER.index(module), (
            f"{path.name} imports {name}, which is not below it"
        )


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_layers_only_inside_networks(path):
    layers = [n for n in imported(path) if n.startswith(("flax.linen", "flax.nnx"))]
    assert not layers or module_of(path) == "networks", f"{path.name} imports {layers}"


def test_every_file_is_a_noun():
    names = {path.stem for path in PACKAGE.parent.rglob("*.py") if ".venv" not in path.parts}
    assert not names & {"utils", "util", "common", "helpers", "helper", "misc"}


def test_importing_the_package_is_light():
    code = f"import sys, iae_jax; print(*[m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []
