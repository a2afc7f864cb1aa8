"""An exported model: read back by a process that has JAX and NumPy alone, and the parameters."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
import tiny
from safetensors import safe_open

from iae_jax.errors import InputError
from iae_jax.game.step import init
from iae_jax.runs import export
from iae_jax.runs.build import build
from iae_jax.runs.loaded import Model
from iae_jax.runs.request import Request
from iae_jax.runs.trained import TrainedRun

SHAPE = (8, 8, 2)
READER = """
import sys
for name in ("iae_jax", "flax", "optax", "chex", "orbax", "safetensors"):
    sys.modules[name] = None
import jax, jax.export, numpy as np
given = dict(np.load("given.npz"))
functions = {n: jax.export.deserialize(open(f"export/{n}.jax", "rb").read())
             for n in ("encoder", "reconstruction", "prior", "generator")}
found, key = functions["encoder"].call(given["key"], given["x"]), given["key"]
codes = functions["prior"].call(key, np.arange(9, dtype=np.int32))
x = functions["generator"].call(key, codes)
x_hat = functions["reconstruction"].call(key, given["x"])
np.savez("found.npz", x_hat=x_hat, sample=x, **found)
"""


def model(kind):
    """One that nobody trained, with a category and a local code."""
    config = tiny.get_config("vae" if kind == "vae" else "iae")
    if kind != "vae":
        config.code.categories = 4
    for player in config.players:
        player.network.width = 4
        if kind == "conv":
            player.network.kind = "conv"
    game = build(config, SHAPE)
    params = init(game, jax.random.key(3)).params
    run = TrainedRun(config, game, params, 17)
    return Model(run, params, SHAPE, "unit", None)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["conv", "vae"])
def test_jax_alone_runs_it(kind, tmp_path):
    own = model(kind)
    paths = export.export(Request(own, tmp_path))
    names = [
        "README.txt",
        "encoder.jax",
        "export.json",
        "generator.jax",
        "parameters.safetensors",
        "prior.jax",
    ]
    assert [path.name for path in paths] == [*names, "reconstruction.jax"]
    x = np.random.default_rng(0).random((5, *SHAPE), np.float32)
    key = np.asarray(jax.random.key_data(jax.random.key(7)))
    assert key.dtype == np.uint32 and key.tolist() == [0, 7]
    np.savez(tmp_path / "given.npz", x=x, key=key)
    done = subprocess.run(
        [sys.executable, "-c", READER], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = dict(np.load(tmp_path / "found.npz"))
    expected = {k: v for k, v in own.encode(x, 7)._asdict().items() if v is not None}
    expected |= {"x_hat": own.reconstruct(x, 7), "sample": own.sample(9, seed=7)}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-6, err_msg=name)
    described = json.loads((tmp_path / "export" / "export.json").read_text())
    function = described["functions"]["reconstruction"]
    assert function["platforms"] == ["cpu", "cuda", "tpu"]
    assert function["takes"] == ["uint32[2]", "float32[N,8,8,2]"]
    assert function["gives"] == "float32[N,8,8,2]" and described["step"] == 17


def test_the_parameters_have_names(tmp_path):
    own = model("conv")
    export.export(Request(own, tmp_path))
    with safe_open(tmp_path / "export" / "parameters.safetensors", "numpy") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        assert json.loads(file.metadata()["config"])["code"]["categories"] == 4
    assert sum(value.size for value in found.values()) == sum(
        leaf.size for leaf in jax.tree.leaves(own.params)
    )
    kernel = own.params.encoder["params"]
    path = "encoder/params"
    while not hasattr(kernel, "shape"):
        path, kernel = f"{path}/{(name := sorted(kernel)[0])}", kernel[name]
    np.testing.assert_array_equal(found[path], kernel)


def test_numbers_of_an_export_are_those_of_any_backend(monkeypatch):
    """On a GPU too keys are written out, and no kernel of it is in the file."""
    own = model("vae")
    lowered = []
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        function, *shapes = export.functions(own)["encoder"]
        lowered.append(jax.export.export(jax.jit(function), platforms=["cuda"])(*shapes))
    texts = [str(one.mlir_module()) for one in lowered]
    assert texts[0] == texts[1] and "cu_threefry" not in texts[0]


def test_what_cannot_be_exported_is_refused(tmp_path, monkeypatch):
    own = model("vae")
    encoder = own.run.game.networks.encoder

    def apply(params, x, noise):
        return encoder.apply(params, x.reshape(int(x.shape[0]), *SHAPE), noise)

    fixed = encoder._replace(apply=apply)
    networks = own.run.game.networks._replace(encoder=fixed)
    run = own.run._replace(game=own.run.game._replace(networks=networks))
    with pytest.raises(InputError, match="the encoder cannot be exported"):
        export.export(Request(Model(run, own.params, SHAPE, "unit", None), tmp_path))
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(InputError, match=r"pip install 'iae_jax\[export\]'"):
        export.export(Request(own, tmp_path))
    assert not list(tmp_path.iterdir())
