"""The other sides of the works of `benchmark.py`: the PyTorch twin of the IAE, and pythae's VAE and
AAE; and the checks that both sides compute the same.

pythae: Chadebec et al. 2022, version 0.1.2. `pythae` is its trainer's own epoch, as its users run
it; `pythae_bare` is its model and its optimizers' step on batches that lie ready.
"""

import atexit
import tempfile
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import jax
import numpy as np
import torch
from torch import Tensor

from experiments import works
from experiments.torch_twin import Classifier, Encoder, Generator, Recipe, Twin
from experiments.works import Runner
from iae_jax import compile_step, init, losses, noise_of
from iae_jax.errors import InputError
from iae_jax.metrics.frechet import Moments, frechet_distance
from iae_jax.sampling import draws

TOLERANCE = 1e-4  # of losses, relative
# Of losses after a move: Adam's first ones are by whole rates wherever a gradient is not exactly 0,
# also where it is rounding.
MOVED = 1e-3
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# As of our side, whose products are of float32 too (`benchmark.measure`).
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def on_device(work: str) -> Tensor:
    """uint8 [N, C, H, W], channels last in memory."""
    x = torch.from_numpy(works.images(work)).permute(0, 3, 1, 2)
    return x.to(DEVICE, memory_format=torch.channels_last)


def unit(x: Tensor) -> Tensor:
    return x.to(torch.float32) / 255


# ------------------------------------------------------------------------------- the IAE's twin


def twin_of(work: str, params: Any, compiled: bool) -> Twin:
    r1 = works.R1_WEIGHTS if work.endswith("_r1") else None
    recipe = Recipe(works.CONV_SIZE, works.RATE, works.B1, works.B2, works.DECAY, r1)
    return Twin(jax.device_get(params), recipe, DEVICE, compiled)


def twin(work: str, compiled: bool) -> Runner:
    state = jax.jit(lambda key: init(works.game_of(work), key))(jax.random.key(0))
    player, images = twin_of(work, state.params, compiled), on_device(work)
    order = torch.randint(len(images), (1000, works.CONV_BATCH), device=DEVICE)

    def run(steps: int) -> None:
        for i in range(steps):
            player.step(unit(images[order[i % len(order)]]))
        wait()

    return Runner(run, player.parameters)


def evaluation() -> Runner:
    _, players, _, params = works.judge_and_players()
    plain = jax.device_get((players, params))
    encoder = Encoder(plain[0].encoder["params"])
    generator = Generator(plain[0].generator["params"])
    judge = Classifier(plain[1]["params"])
    for module in (encoder, generator, judge):
        module.to(DEVICE, memory_format=torch.channels_last).eval()
    data, size = on_device(works.EVALUATION), works.EVALUATION_BATCH

    @torch.inference_mode()
    def run(times: int) -> float:
        for _ in range(times):
            real, fake = Moments(), Moments()
            for first in range(0, len(data), size):
                x = unit(data[first : first + size])
                encoder(x)
                z = torch.randn(size, works.CONV_SIZE, device=DEVICE)
                real.add(judge(x).cpu().numpy())
                fake.add(judge(generator(z)).cpu().numpy())
        return frechet_distance(real, fake)

    return Runner(run, works.count(plain))


# ----------------------------------------------------------------------------------------- pythae


def pythae_model(work: str, params: Any = None) -> Any:
    """pythae's model; with our parameters, if they are given."""
    from pythae.models import VAE, Adversarial_AE, Adversarial_AE_Config, VAEConfig

    shape = (works.MLP_SHAPE[2], *works.MLP_SHAPE[:2])
    kind, config = (
        (VAE, VAEConfig) if work == "mlp_vae" else (Adversarial_AE, Adversarial_AE_Config)
    )
    model = kind(config(input_dim=shape, latent_dim=works.MLP_SIZE, reconstruction_loss="mse"))
    if params is not None:
        plain = jax.device_get(params)
        encoder, decoder = plain.encoder["params"], plain.generator["params"]
        pairs = [
            (model.encoder.layers[0][0], encoder["Dense_0"]),
            (model.encoder.embedding, encoder["Dense_1"]),
            (model.encoder.log_var, encoder["Dense_2"]),
            (model.decoder.layers[0][0], decoder["Dense_1"]),
            (model.decoder.layers[1][0], decoder["Dense_0"]),
        ]
        if work == "mlp_aae":
            told = plain.regularization_discriminator["params"]
            # Our logit is of the encoder's code, pythae's of the prior's.
            negated = {name: -value for name, value in told["Dense_0"].items()}
            pairs += [
                (model.discriminator.layers[0][0], told["Dense_1"]),
                (model.discriminator.layers[1][0], negated),
            ]
        for layer, own in pairs:
            layer.weight.data = torch.from_numpy(np.array(own["kernel"].T))
            layer.bias.data = torch.from_numpy(np.array(own["bias"]))
    return model.to(DEVICE)


def parameters(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


def pythae(work: str) -> Runner:
    """Its trainer's own epochs."""
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import (
        AdversarialTrainer,
        AdversarialTrainerConfig,
        BaseTrainer,
        BaseTrainerConfig,
    )

    data = unit(on_device(work)).cpu().contiguous()
    # Kept until the process ends.
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    sizes = {"per_device_train_batch_size": works.MLP_BATCH, "output_dir": folder.name}
    trainer: Any
    if work == "mlp_vae":
        trainer = BaseTrainer(
            pythae_model(work),
            BaseDataset(data, torch.ones(len(data))),
            training_config=BaseTrainerConfig(learning_rate=works.MLP_RATE, **sizes),
        )
    else:
        rates = dict.fromkeys(
            ("autoencoder_learning_rate", "discriminator_learning_rate"), works.MLP_RATE
        )
        trainer = AdversarialTrainer(
            pythae_model(work),
            BaseDataset(data, torch.ones(len(data))),
            training_config=AdversarialTrainerConfig(**rates, **sizes),
        )
    trainer.prepare_training()
    epoch = len(data) // works.MLP_BATCH

    def run(steps: int) -> None:
        for number in range(-(-steps // epoch)):
            trainer.train_step(number + 1)
        wait()

    return Runner(run, parameters(trainer.model))


def pythae_bare(work: str) -> Runner:
    model = pythae_model(work)
    batches = unit(on_device(work)).contiguous().split(works.MLP_BATCH)
    player = [*model.encoder.parameters(), *model.decoder.parameters()]
    first = torch.optim.Adam(player, works.MLP_RATE)
    second = (
        torch.optim.Adam(model.discriminator.parameters(), works.MLP_RATE)
        if work == "mlp_aae"
        else None
    )

    def step(x: Tensor) -> None:
        out = model({"data": x})
        if second is None:
            first.zero_grad()
            out.loss.backward()
            first.step()
            return
        first.zero_grad()
        out.autoencoder_loss.backward(retain_graph=True)
        second.zero_grad()
        out.discriminator_loss.backward()
        first.step()
        second.step()

    def run(steps: int) -> None:
        for i in range(steps):
            step(batches[i % len(batches)])
        wait()

    return Runner(run, parameters(model))


# ----------------------------------------------------------------------------------------- checks


def given(*arrays: np.ndarray) -> AbstractContextManager[Any]:
    """pythae's noise, in the order in which it draws it."""
    queue = [torch.from_numpy(np.array(array)) for array in arrays]
    return mock.patch("torch.randn_like", lambda like, **_: queue.pop(0).to(like.device))


def check(work: str) -> str:
    """Errors: InputError if the sides differ in the number of parameters or in a loss. Returns what
    was compared."""
    if (jax.default_backend() == "cpu") != (DEVICE == "cpu"):
        raise InputError(
            f"JAX runs on {jax.default_backend()} and PyTorch on {DEVICE}: install the build of "
            "PyTorch for the same device"
        )
    if work == works.EVALUATION:
        return _check_evaluation()
    game, size = works.game_of(work), works.batch_size(work)
    state = jax.jit(lambda key: init(game, key))(jax.random.key(3))
    plain = np.random.default_rng(2).random((size, *works.shape_of(work)), np.float32)
    x = jax.numpy.asarray(plain)
    key = jax.random.fold_in(jax.random.fold_in(state.key, state.step + 1), 0)
    keys = draws.example_keys(key, 0, size)
    drawn = noise_of(game, keys)
    own, metrics = jax.jit(lambda params: losses(game, params, drawn, state.step, x))(state.params)
    reconstruction = float(metrics["reconstruction"].mean())
    regularization = float(metrics["regularization"].mean())
    if "regularization_denominator_logit" in metrics:
        # Our loss counts the codes of the prior too, which no player of it can move.
        fixed = jax.nn.softplus(-metrics["regularization_denominator_logit"]).mean()
        regularization -= (works.MLP_WEIGHT if work in works.MLP else 1.0) * float(fixed)
    if work in works.MLP:
        model = pythae_model(work, state.params)
        noise = np.array(draws.noise(keys, draws.ENCODER_NOISE, works.MLP_SIZE))
        flipped = torch.from_numpy(plain).permute(0, 3, 1, 2).contiguous()
        with given(noise, works.prior_codes(game, state, size)):
            out = model({"data": flipped.to(DEVICE)})
        compare(work, "parameters", works.count(state.params), parameters(model))
        compare(work, "reconstruction", reconstruction, out.recon_loss.item())
        if work == "mlp_vae":
            compare(work, "loss", float(own.encoder), out.loss.item())
            return "parameters, reconstruction, loss"
        told = float(own.regularization_discriminator)
        compare(work, "discriminator's loss", told, out.discriminator_loss.item())
        charged = reconstruction + regularization
        compare(work, "encoder's loss", charged, out.autoencoder_loss.item())
        return "parameters, reconstruction, losses"
    player = twin_of(work, state.params, compiled=False)
    compare(work, "parameters", works.count(state.params), player.parameters)
    told = float(own.reconstruction_discriminator + own.regularization_discriminator)
    step = compile_step(game)
    flipped = torch.from_numpy(plain).permute(0, 3, 1, 2).to(DEVICE)
    with torch.no_grad():
        charged = player.path_loss(flipped, *player.reconstruct(flipped))
    compare(work, "reconstruction", reconstruction, charged[0].item())
    compare(work, "regularization", regularization, charged[1].item())
    for number in range(3):
        codes = torch.from_numpy(works.prior_codes(game, state, size)).to(DEVICE)
        theirs = player.step(flipped, codes).tolist()
        if number == 0:
            compare(work, "discriminators' losses", told, theirs[0])
        state, step_metrics = step(state, x)
        # Of players that both sides have moved: in the first step the discriminators.
        ours = float(step_metrics["reconstruction"])
        compare(work, f"reconstruction at step {number}", ours, theirs[1], MOVED)
    return "parameters, losses, reconstruction at 3 steps"


def _check_evaluation() -> str:
    ours, theirs = works.evaluation(), evaluation()
    compare(works.EVALUATION, "parameters", ours.parameters, theirs.parameters)
    # 10,000 other samples of the prior: their distance is not the same to 1e-4.
    compare(works.EVALUATION, "Fréchet distance", ours.run(1), theirs.run(1), 0.01)
    return "parameters, Fréchet distance (to 1 %: the samples differ)"


def compare(work: str, what: str, ours: float, theirs: float, tolerance: float = TOLERANCE) -> None:
    if abs(ours - theirs) > tolerance * max(abs(ours), abs(theirs), 1e-12):
        raise InputError(f"{work}: {what} is {ours:.7g} here and {theirs:.7g} there: no comparison")
