"""The PyTorch sides of the workloads of `benchmark.py`: the IAE's twin, pythae's VAE and its AAE.

pythae: Chadebec et al. 2022, version 0.1.2. `pythae` is its trainer's own epoch, as its users run
it; `pythae_bare` is its model and its optimizers' step on batches that lie ready.
"""

import atexit
import tempfile
from typing import Any

import jax
import numpy as np
import torch
from torch import Tensor

from experiments import works
from experiments.torch_twin import Classifier, Encoder, Generator, Recipe, Twin
from experiments.works import Runner
from iae_jax import init
from iae_jax.metrics.frechet import Moments, frechet_distance

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Products in float32, as on our side (`sides.measure`).
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
    recipe = Recipe(works.CONV_SIZE, works.RATE, works.B1, works.B2, works.EMA_DECAY, r1)
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
    _, players, _, params = works.classifier_and_players()
    plain = jax.device_get((players, params))
    encoder = Encoder(plain[0].encoder["params"])
    generator = Generator(plain[0].generator["params"])
    classifier = Classifier(plain[1]["params"])
    for module in (encoder, generator, classifier):
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
                real.add(classifier(x).cpu().numpy())
                fake.add(classifier(generator(z)).cpu().numpy())
        return frechet_distance(real, fake)

    return Runner(run, works.count(plain))


# ----------------------------------------------------------------------------------------- pythae


def pythae_model(work: str, params: Any = None) -> Any:
    """pythae's model. params: ours, to be copied into it."""
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
            ours = plain.regularization_discriminator["params"]
            # Our logit is high for the encoder's codes, pythae's for those of the prior.
            negated = {name: -value for name, value in ours["Dense_0"].items()}
            pairs += [
                (model.discriminator.layers[0][0], ours["Dense_1"]),
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
