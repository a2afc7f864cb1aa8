"""Layout: the kind, sizes and precision of a network, whichever player it belongs to."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from iae_jax.errors import InputError
from iae_jax.networks import conv, mlp, residual, weight_norm

IMAGE_KINDS: dict[str, ModuleType] = {"conv": conv, "residual": residual}
# Whether the scales stay what they were at first.
WEIGHT_NORMS = {"weight_norm": True, "free_weight_norm": False}
KINDS = ("mlp", *WEIGHT_NORMS, *IMAGE_KINDS)
PRECISIONS = ("float32", "bfloat16")
MAX_GRID_SIDE = 16  # of the smallest grid, which dense layers read and write

Tree = TypeVar("Tree")


class Layout(NamedTuple):
    """The layers of a network.

    kind: "mlp" (x of any shape), "conv" or "residual" (x f32[B, H, W, C]; the second for colour
        images and more computation); of an encoder also "weight_norm" or "free_weight_norm", an
        mlp with normalized weights, whose scales stay what they were at first, or learn.
    width: channels of the first convolution; of weight_norm, units of the first layer.
    hidden: features of the dense layers.
    depth: number of dense layers of an mlp.
    precision: "float32" or "bfloat16", of the computation; parameters, codes, logits and x are
        float32 either way.
    """

    kind: str
    width: int = 32
    hidden: int = 256
    depth: int = 2
    precision: str = "float32"

    def trunk(self, noisy: bool = False) -> nn.Module:
        """The layers that read x. noisy: whether noise is added to each unit in training."""
        if self.kind in IMAGE_KINDS:
            return IMAGE_KINDS[self.kind].Trunk(self.width, self.hidden, noisy)
        if self.normalizes_weights:
            return weight_norm.Trunk(self._widths, WEIGHT_NORMS[self.kind], noisy)
        return mlp.Trunk(self._widths, noisy)

    @property
    def normalizes_weights(self) -> bool:
        return self.kind in WEIGHT_NORMS

    @property
    def _widths(self) -> tuple[int, ...]:
        """Of an mlp."""
        first = self.width if self.normalizes_weights and self.depth > 1 else self.hidden
        return (first, *(self.hidden,) * (self.depth - 1))

    def perturbable(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The shapes of a trunk's layers that can be perturbed, for x f32[B, *shape], and that of
        its features."""
        if self.kind not in IMAGE_KINDS:
            return [(width,) for width in self._widths]
        height, width = shape[:2]
        channels = IMAGE_KINDS[self.kind].levels(min(height, width), self.width)
        grids = [(height >> level, width >> level) for level in range(1, len(channels) + 1)]
        return [*((*grid, own) for grid, own in zip(grids, channels, strict=True)), (self.hidden,)]

    def body(self, shape: tuple[int, ...]) -> nn.Module:
        """The layers that write x f32[B, *shape]."""
        if self.kind in IMAGE_KINDS:
            return IMAGE_KINDS[self.kind].Body(shape, self.width, self.hidden)
        return mlp.Body(shape, (self.hidden,) * self.depth)


def check_layout(layout: Layout, shape: tuple[int, ...], player: str = "") -> None:
    """Refuses a layout that cannot read or write x f32[B, *shape].

    Args:
      layout, shape: the layers, and the shape of one x.
      player: whose network it is, if not the encoder's.

    Raises:
      InputError: an unknown kind or precision, one that the player cannot have, or a shape that
        the kind does not take.
    """
    if layout.kind not in KINDS:
        raise InputError(f"a network is one of {', '.join(KINDS)}, not {layout.kind!r}")
    if player and layout.normalizes_weights:
        raise InputError(f"{layout.kind} is a network of the encoder: set the {player}'s to mlp")
    if layout.precision not in PRECISIONS:
        raise InputError(f"precision is {' or '.join(PRECISIONS)}, not {layout.precision!r}")
    if layout.kind not in IMAGE_KINDS:
        return
    if len(shape) != 3:
        raise InputError(
            f"{layout.kind} reads images and x has shape {shape}: set the network to mlp"
        )
    factor = 2 ** conv.halvings(min(shape[:2]))
    if any(side % factor or side // factor > MAX_GRID_SIDE for side in shape[:2]):
        raise InputError(
            f"{layout.kind} halves images until a side is at most {MAX_GRID_SIDE}, and "
            f"{shape[0]}x{shape[1]} cannot be halved that far: crop or resize them, to 32x32 or "
            "64x64 for example"
        )


def computed(layout: Layout, module: nn.Module) -> Callable[..., Any]:
    """The module's apply, computed in the layout's precision from float32 to float32."""
    # A step applies it to several arrays of one shape, and to each in every turn: under jit it is
    # traced, and differentiated, once.
    if layout.precision == "float32":
        return jax.jit(module.apply)

    @jax.jit
    def apply(*arguments: Any) -> Any:
        return _cast(module.apply(*_cast(arguments, jnp.bfloat16)), jnp.float32)

    return apply


def _cast(tree: Tree, dtype: DTypeLike) -> Tree:
    cast: Tree = jax.tree.map(lambda leaf: leaf.astype(dtype), tree)
    return cast
