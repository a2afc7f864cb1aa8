"""3x3 convolutions of stride 1 by minimal filtering, for CPUs: 16 multiplications for each 2x2
outputs, input and output channel where the sum itself has 36 (Lavin & Gray 2016, F(2x2, 3x3)).

x is cut into tiles of 4x4 that overlap by 2. Tiles, kernels and outputs are changed along both axes
by a few additions; between them stand 16 matrix products.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp

from iae_jax.types import Array

Line = tuple[Array, ...]
Grid = Sequence[Sequence[Array]] | Array  # one of arrays, or an array of its first two axes


def value(x: Array, kernel: Array) -> Array:
    """SAME convolution: x f32[B, H, W, C], kernel f32[3, 3, C, F] -> f32[B, H, W, F]."""
    b, h, w, _ = x.shape
    products = _tiles_of_x(x) @ _joined(_both_ways(_kernel, _grid_of(kernel)))
    tiles = products.reshape(4, 4, b, -(-h // 2), -(-w // 2), kernel.shape[3])
    y = jnp.stack([jnp.stack(row) for row in _both_ways(_output, tiles)])  # [2, 2, B, H/2, W/2, F]
    y = y.transpose(2, 3, 0, 4, 1, 5)
    return y.reshape(b, 2 * y.shape[1], 2 * y.shape[3], -1)[:, :h, :w]


def kernel_gradient(x: Array, g: Array) -> Array:
    """Of sum(g * value(x, kernel)): f32[3, 3, C, F]."""
    found = _tiles_of_x(x).transpose(0, 2, 1) @ _tiles_of_output(g)  # [16, C, F]
    grid = found.reshape(4, 4, *found.shape[1:])
    return jnp.stack([jnp.stack(row) for row in _both_ways(_kernel_transposed, grid)])


# ---------------------------------------------------------------------------- along one of the axes


def _x(a: Array, b: Array, c: Array, d: Array) -> Line:
    return a - c, b + c, c - b, b - d


def _kernel(a: Array, b: Array, c: Array) -> Line:
    return a, (a + b + c) / 2, (a - b + c) / 2, c


def _output(a: Array, b: Array, c: Array, d: Array) -> Line:
    return a + b + c, b - c - d


def _output_transposed(a: Array, b: Array) -> Line:
    return a, a + b, a - b, -b


def _kernel_transposed(a: Array, b: Array, c: Array, d: Array) -> Line:
    return a + (b + c) / 2, (b - c) / 2, (b + c) / 2 + d


def _both_ways(along: Callable[..., Line], grid: Grid) -> Grid:
    columns = [along(*row) for row in grid]
    return list(zip(*(along(*column) for column in zip(*columns, strict=True)), strict=True))


# ------------------------------------------------------------------------------------------- tiles


def _grid_of(kernel: Array) -> Grid:
    return [[kernel[i, j] for j in range(3)] for i in range(3)]


def _joined(grid: Grid) -> Array:
    """4x4 of f32[..., C] -> f32[16, N, C]."""
    return jnp.stack([part.reshape(-1, part.shape[-1]) for row in grid for part in row])


def _tiles_of_x(x: Array) -> Array:
    """f32[B, H, W, C] -> f32[16, B * H/2 * W/2, C]."""
    _, h, w, _ = x.shape
    rows, columns = h + h % 2, w + w % 2
    x = jnp.pad(x, ((0, 0), (1, 1 + rows - h), (1, 1 + columns - w), (0, 0)))
    grid = [[x[:, i : i + rows : 2, j : j + columns : 2] for j in range(4)] for i in range(4)]
    return _joined(_both_ways(_x, grid))


def _tiles_of_output(g: Array) -> Array:
    """f32[B, H, W, F] -> f32[16, B * H/2 * W/2, F]."""
    g = jnp.pad(g, ((0, 0), (0, g.shape[1] % 2), (0, g.shape[2] % 2), (0, 0)))
    grid = [[g[:, i::2, j::2] for j in range(2)] for i in range(2)]
    return _joined(_both_ways(_output_transposed, grid))
