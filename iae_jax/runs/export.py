"""A trained model as files that JAX alone runs, and its parameters as safetensors: `export/`.

Each NAME.jax is a function with its parameters in it (`jax.export`, for CPUs, NVIDIA GPUs and TPUs,
batches of any size):

    import jax, numpy as np                                     # and flatbuffers installed
    encoder = jax.export.deserialize(open("encoder.jax", "rb").read())
    key = np.array([0, 7], np.uint32)                           # as jax.random.key_data(key(7))
    codes = encoder.call(key, x)                                # {"vector": f32[N, D], ...}

encoder         (key, x f32[N, *shape]) -> dict of what `Codes` has
reconstruction  (key, x) -> x_hat f32[N, *shape], x_hat ~ p(x|z), z ~ q(z|x)
prior           (key, places i32[N]) -> dict of vector and category; places: 0, 1, ..., N - 1
generator       (key, codes) -> x f32[N, *shape]; codes: dict of vector f32[N, D], category i32[N]

as far as the model has them. x is as in training, of images in [0, 1]: divide uint8 by 255. Another
key draws other noise; with the key [0, seed] the numbers are those of `iae_jax.load(...)` with that
seed. parameters.safetensors has the arrays by player and layer, and the config as metadata;
export.json says what each function takes and gives, README.txt is this text.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError, first_line
from iae_jax.files.atomic import new_folder, write_json, write_text
from iae_jax.runs.config import to_dict
from iae_jax.runs.loaded import Model
from iae_jax.runs.model_outputs import Codes, drawn, encoded
from iae_jax.runs.request import Request
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.sampling.threefry import written_out
from iae_jax.types import Array, Code, Players

PLATFORMS = ("cpu", "cuda", "tpu")
NAMES = ("encoder", "reconstruction", "prior", "generator")
FILES = ("parameters.safetensors", "export.json", "README.txt")


def export(request: Request) -> list[Path]:
    """Writes the folder `export/`.

    Raises:
      InputError: the packages of the extra `export` are missing, or a network cannot be exported.
    """
    try:
        import flatbuffers  # noqa: F401, which jax.export needs
        from safetensors.numpy import save_file
    except ImportError as error:
        raise InputError(
            f"{first_line(error)}: install what this mode needs, pip install 'iae_jax[export]'"
        ) from error
    model, folder = request.model, request.output / "export"
    found = {name: _exported(name, *one) for name, one in functions(model).items()}
    with new_folder(
        folder, "|".join(map(re.escape, (*FILES, *(f"{one}.jax" for one in NAMES)))), FILES[1]
    ) as part:
        for name, one in found.items():
            (part / f"{name}.jax").write_bytes(one.serialize())
        config = {"config": json.dumps(to_dict(model.run.config)), "step": str(model.run.step)}
        save_file(parameters(model.params), part / FILES[0], config)
        described = {name: _described(one) for name, one in found.items()}
        content = {"step": model.run.step, "values": model.values, "functions": described}
        write_json(part / FILES[1], content)
        write_text(part / FILES[2], __doc__ or "")
    return sorted(folder.iterdir())


def functions(model: Model) -> dict[str, tuple[Any, ...]]:
    """name -> (function, its arguments' shapes), as far as the model has the players."""
    game, params, scale = model.run.game, model.params, model.run.local_scale
    (size,) = jax.export.symbolic_shape("N")
    key = jax.ShapeDtypeStruct((2,), jnp.uint32)
    x = jax.ShapeDtypeStruct((size, *model.shape), jnp.float32)
    places = jax.ShapeDtypeStruct((size,), jnp.int32)

    def draws(key: Array, count: Any, x: Array | None = None) -> Draws:
        batch = {} if x is None else {"x": x}
        noise = Noise(example_keys(written_out(key), 0, count))
        return Draws(game, params, noise, batch, 0, scale)

    def encoder(key: Array, x: Array) -> dict[str, Array]:
        return _present(encoded(draws(key, x.shape[0], x)))

    def reconstruction(key: Array, x: Array) -> Array:
        return draws(key, x.shape[0], x).x_hat

    def prior(key: Array, places: Array) -> dict[str, Array]:
        keys = jax.vmap(lambda place: jax.random.fold_in(written_out(key), place))(places)
        return _present(drawn(Draws(game, params, Noise(keys), {})))

    def generator(key: Array, codes: dict[str, Array]) -> Array:
        category = None
        if "category" in codes:
            category = jax.nn.one_hot(codes["category"], game.prior.categories)
        z = Code(codes.get("vector"), category, category)
        return draws(key, next(iter(codes.values())).shape[0]).decode(z, "local")

    found: dict[str, tuple[Any, ...]] = {}
    networks = game.networks
    if networks.encoder is not None:
        found["encoder"] = encoder, key, x
        if networks.generator is not None:
            found["reconstruction"] = reconstruction, key, x
    if networks.generator is not None:
        found["prior"] = prior, key, places
        found["generator"] = generator, key, jax.eval_shape(prior, key, places)
    return found


def _present(codes: Codes) -> dict[str, Array]:
    return {name: value for name, value in codes._asdict().items() if value is not None}


def _exported(name: str, function: Callable[..., Any], *shapes: Any) -> Any:
    try:
        return jax.export.export(jax.jit(function), platforms=PLATFORMS)(*shapes)
    except Exception as error:  # whatever a network of one's own does with a size that is unknown
        raise InputError(
            f"the {name} cannot be exported ({first_line(error)}): it has to take batches of any "
            "size"
        ) from error


def _described(exported: Any) -> dict[str, Any]:
    """What a function takes and gives, as "float32[N,8,8,1]"."""

    def text(aval: Any) -> str:
        return f"{aval.dtype}[{','.join(map(str, aval.shape))}]"

    takes, _ = jax.tree.unflatten(exported.in_tree, map(text, exported.in_avals))
    gives = jax.tree.unflatten(exported.out_tree, map(text, exported.out_avals))
    return {"takes": takes, "gives": gives, "platforms": exported.platforms}


def parameters(params: Players) -> dict[str, np.ndarray]:
    """The arrays by player, layer and name, as "encoder/params/Dense_0/kernel"."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.ascontiguousarray(leaf)
        for path, leaf in leaves
    }
