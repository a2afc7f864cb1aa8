"""The measurements of `benchmark.py`, each in a process of its own.

JAX and PyTorch are imported where they are used, so that only one of them is loaded.
"""

import time
from functools import partial
from pathlib import Path
from typing import Any

from experiments.timing import device_kind, median_seconds

MLP, CONV = ("mlp_vae", "mlp_aae"), ("conv_mnist", "conv32", "conv64")
COMPILED = "torch_twin_compiled"
PIPELINES = ("resident", "streamed")
GEMM = "gemm"  # a child of its own: the speed of a large product
GEMM_SIZE = 2048


def measure(words: list[str], seconds: float) -> dict[str, Any]:
    """One measurement: a product, a check, a part of a run, or a side of a workload."""
    import jax

    if jax.default_backend() != "cpu":
        # As on PyTorch's side: a GPU's default has 10 bits of mantissa, and float32 23.
        jax.config.update("jax_default_matmul_precision", "float32")
    what = words[0]
    if what == GEMM:
        return gemm(seconds)
    if what == "check":
        from experiments.agreement import check

        return {"compared": check(words[1])}
    if what in PIPELINES:
        from experiments.overheads import pipeline

        on_device, from_set = pipeline(what == "streamed", rounds=3)
        return {"on_device": on_device, "from_set": from_set}
    if what == "start":
        from experiments.overheads import first_step

        return {"seconds": first_step(Path(words[1]))}
    return of_side(what, words[1], seconds)


def of_side(work: str, side: str, seconds: float) -> dict[str, Any]:
    """One side of one workload, timed for so many seconds."""
    if side == "ours":
        from experiments.works import ours

        runner = ours(work)
    else:
        from experiments import peers

        if work == "evaluation_mnist":
            runner = peers.evaluation()
        elif side.startswith("torch_twin"):
            runner = peers.twin(work, compiled=side == COMPILED)
        else:
            runner = {"pythae": peers.pythae, "pythae_bare": peers.pythae_bare}[side](work)
    steps = 1 if work == "evaluation_mnist" else 100 if work in MLP else 10
    ready = time.perf_counter()
    runner.run(steps)
    first = time.perf_counter() - ready
    runner.run(steps)
    step = median_seconds(partial(runner.run, steps), seconds, steps)
    return {
        "seconds": step,
        "first": max(first - steps * step, 0.0),
        "parameters": runner.parameters,
        "flops": runner.flops() if runner.flops else 0.0,
    }


def gemm(seconds: float) -> dict[str, Any]:
    """Floating-point operations per second of a large float32 product."""
    import jax

    a, b = (jax.random.normal(jax.random.key(i), (GEMM_SIZE, GEMM_SIZE)) for i in range(2))
    product = jax.jit(lambda a, b: a @ b)
    product(a, b).block_until_ready()
    one = median_seconds(lambda: product(a, b).block_until_ready(), seconds)
    return {"rate": 2 * GEMM_SIZE**3 / one, "device": device_kind()}
