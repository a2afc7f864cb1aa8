"""pythae's VAE with the networks of ours: dense layers, a LayerNorm before the code.

pythae: Chadebec et al. 2022, version 0.1.2. Its trainer reads images one by one, and binarizes each
anew, as ours does.
"""

import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from pythae.data.datasets import BaseDataset, DatasetOutput
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor, nn

from iae_jax.networks.encoders import MAX_LOG_VARIANCE
from iae_jax.networks.layers import EPSILON, SLOPE
from iae_jax.runs.config import Config, Network
from iae_jax.runs.data_sets import load_split, open_split
from iae_jax.sampling.noise import to_unit

EVALUATED_AT_ONCE = 500


def layers(size: int, network: Network) -> Iterator[nn.Module]:
    """Dense layers and their activations, from so many inputs."""
    for _ in range(network.depth):
        yield nn.Linear(size, network.hidden)
        yield nn.LeakyReLU(SLOPE)
        size = network.hidden


class Encoder(BaseEncoder):
    def __init__(self, pixels: int, size: int, network: Network) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Flatten(), *layers(pixels, network), nn.LayerNorm(network.hidden, eps=EPSILON)
        )
        self.mean, self.log_variance = (nn.Linear(network.hidden, size) for _ in range(2))

    def forward(self, x: Tensor) -> ModelOutput:
        h = self.trunk(x)
        log_variance = self.log_variance(h).clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE)
        return ModelOutput(embedding=self.mean(h), log_covariance=log_variance)


class Decoder(BaseDecoder):
    def __init__(self, shape: tuple[int, ...], size: int, network: Network) -> None:
        super().__init__()
        pixels = int(np.prod(shape))
        self.body = nn.Sequential(
            *layers(size, network), nn.Linear(network.hidden, pixels), nn.Sigmoid()
        )
        self.shape = shape

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.body(z).reshape(-1, *self.shape))


def model_of(config: Config, shape: tuple[int, ...]) -> Any:
    """The VAE of the config's sizes. shape: of an image, channels first."""
    size, pixels = config.code.size, int(np.prod(shape))
    sizes = VAEConfig(input_dim=shape, latent_dim=size, reconstruction_loss="bce")
    return VAE(
        sizes,
        Encoder(pixels, size, config.encoder.network),
        Decoder(shape, size, config.generator.network),
    )


def copy(params: Any, model: Any) -> None:
    """Our parameters of encoder and generator into pythae's model."""
    encoder, generator = (player["params"] for player in (params.encoder, params.generator))

    def dense(layer: Any, own: Any) -> None:
        layer.weight.data = torch.from_numpy(np.array(own["kernel"].T))
        layer.bias.data = torch.from_numpy(np.array(own["bias"]))

    trunk = [one for one in model.encoder.trunk if isinstance(one, nn.Linear)]
    body = [one for one in model.decoder.body if isinstance(one, nn.Linear)]
    for linear, own in ((trunk, encoder["Trunk_0"]), (body, generator["Body_0"])):
        for number, layer in enumerate(linear):
            dense(layer, own[f"Dense_{number}"])
    dense(model.encoder.mean, encoder["Dense_0"])
    dense(model.encoder.log_variance, encoder["Dense_1"])
    norm = model.encoder.trunk[-1]
    norm.weight.data = torch.from_numpy(np.array(encoder["LayerNorm_0"]["scale"]))
    norm.bias.data = torch.from_numpy(np.array(encoder["LayerNorm_0"]["bias"]))


class Binarized(BaseDataset):
    """Images whose pixels are 1 with their intensity as probability, drawn when they are read."""

    def __getitem__(self, index: int) -> DatasetOutput:
        return DatasetOutput(data=torch.bernoulli(self.data[index]), labels=self.labels[index])


def train(config: Config, checkpoints: int) -> tuple[list[int], list[float], list[float], int]:
    """Trains by the trainer's own epochs, and measures the bound on the validation split after
    regular numbers of them.

    Args:
      config: of our run.
      checkpoints: how often, about, the bound is measured.

    Returns:
      (steps, seconds in epochs, bounds, the number of images that they are of).
    """
    torch.manual_seed(config.seed)
    grey = grey_images(config)
    held_out = channels_first(load_split(config, "validation").x)
    model = model_of(config, tuple(held_out.shape[1:]))
    rate = config.encoder.optimizer.rate
    epochs = max(1, round(config.steps * config.batch_size / len(grey)))
    every = max(1, epochs // checkpoints)
    steps, seconds, values, spent = [], [], [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        trainer = BaseTrainer(
            model,
            Binarized(grey, torch.ones(len(grey))),
            training_config=BaseTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=config.batch_size,
                learning_rate=rate,
            ),
        )
        trainer.prepare_training()
        for epoch in range(1, epochs + 1):
            since = time.perf_counter()
            trainer.train_step(epoch)
            spent += time.perf_counter() - since
            if epoch % every == 0 or epoch == epochs:
                steps.append(epoch * -(-len(grey) // config.batch_size))
                seconds.append(spent)
                values.append(bound(trainer.model, held_out))
    return steps, seconds, values, len(held_out)


def grey_images(config: Config) -> Tensor:
    """f32[N, C, H, W] in [0, 1]: the images that our training set is drawn from."""
    binarized: Any = open_split(config, "train")
    grey = binarized.grey.read(np.arange(len(binarized))).x
    return channels_first(np.asarray(to_unit(grey)))


def channels_first(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).permute(0, 3, 1, 2).contiguous()


@torch.inference_mode()
def bound(model: Any, x: Tensor) -> float:
    """-ELBO for an image in nats: pythae's own loss, with one sample of the code."""
    was, device = model.training, next(model.parameters()).device
    model.eval()
    total = sum(
        model({"data": part.to(device)}).loss.item() * len(part)
        for part in x.split(EVALUATED_AT_ONCE)
    )
    model.train(was)
    return float(total) / len(x)
