"""The IAE in PyTorch, which `benchmark.py` compares our step with. Tuned, so that a ratio is fair.

The same networks, losses and optimizers as `iae_jax.networks`' conv layout with a deterministic
code, built from its parameters. Tuned: codes and reconstructions are computed once, and detached
for the discriminators' turn; both sides of a discriminator are one batch, except with R1; one
backward pass for encoder and generator, with frozen discriminators; memory in channels-last order;
fused Adam; the moving average by one fused call; and `torch.compile`, where it is faster.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2


def leaky(h: Tensor) -> Tensor:
    return F.leaky_relu(h, SLOPE)


def tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))


def linear(params: Any) -> nn.Linear:
    kernel = tensor(params["kernel"])
    layer = nn.Linear(*kernel.shape)
    layer.weight.data, layer.bias.data = kernel.T.contiguous(), tensor(params["bias"])
    return layer


def norm(params: Any) -> nn.LayerNorm:
    layer = nn.LayerNorm(params["scale"].shape[0], eps=1e-6)
    layer.weight.data, layer.bias.data = tensor(params["scale"]), tensor(params["bias"])
    return layer


def convolution(params: Any, stride: int, shuffled: bool = False) -> nn.Conv2d:
    """shuffled: the output goes through `pixel_shuffle`, which has channels before positions."""
    kernel, bias = np.array(params["kernel"]), np.array(params["bias"])
    size, _, channels, features = kernel.shape
    if shuffled:
        order = np.arange(features).reshape(4, features // 4).T.reshape(-1)
        kernel, bias = kernel[..., order], bias[order]
    layer = nn.Conv2d(channels, features, size, stride, padding=1)
    weight = tensor(kernel.transpose(3, 2, 0, 1))
    layer.weight.data = weight.contiguous(memory_format=torch.channels_last)
    layer.bias.data = tensor(bias)
    return layer


class Trunk(nn.Module):
    """x [B, C, H, W] -> features [B, hidden]."""

    def __init__(self, params: Any) -> None:
        super().__init__()
        count = sum(name.startswith("Conv") for name in params)
        self.convolutions = nn.ModuleList(
            convolution(params[f"Conv_{i}"], stride=2) for i in range(count)
        )
        self.dense = linear(params["Dense_0"])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.convolutions:
            x = leaky(layer(x))
        # Channels last, as in the memory: no copy.
        return leaky(self.dense(x.permute(0, 2, 3, 1).flatten(1)))


class Encoder(nn.Module):
    """Deterministic: x -> z [B, size]."""

    def __init__(self, params: Any) -> None:
        super().__init__()
        self.trunk, self.norm = Trunk(params["Trunk_0"]), norm(params["LayerNorm_0"])
        self.dense = linear(params["Dense_0"])

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.norm(self.trunk(x)))


class Generator(nn.Module):
    """z [B, size] -> x [B, C, H, W] in [0, 1]."""

    def __init__(self, params: Any) -> None:
        super().__init__()
        params = params["Body_0"]
        levels = sum(name.startswith("Conv") for name in params)
        self.dense = nn.ModuleList(linear(params[f"Dense_{i}"]) for i in range(2))
        self.norms = nn.ModuleList(norm(params[f"LayerNorm_{i}"]) for i in range(levels + 1))
        self.convolutions = nn.ModuleList(
            convolution(params[f"Conv_{i}"], 1, shuffled=True) for i in range(levels)
        )

    def forward(self, z: Tensor) -> Tensor:
        h = z
        for dense, layer_norm in zip(self.dense, self.norms, strict=False):
            h = layer_norm(F.relu(dense(h)))
        channels = self.convolutions[0].in_channels
        side = int((h.shape[1] // channels) ** 0.5)
        h = h.view(len(h), side, side, channels).permute(0, 3, 1, 2)
        for level, layer in enumerate(self.convolutions):
            h = F.pixel_shuffle(layer(h), 2)
            if level + 1 < len(self.convolutions):
                h = F.relu(self.norms[level + 2](h.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return torch.sigmoid(h)


class OfPairs(nn.Module):
    """T(x, z) [B]."""

    def __init__(self, params: Any) -> None:
        super().__init__()
        self.trunk = Trunk(params["Trunk_0"])
        self.of_x, self.of_z, self.of_code = (linear(params[f"Dense_{i}"]) for i in (0, 1, 2))
        self.last = nn.ModuleList(linear(params[f"Dense_{i}"]) for i in (3, 4))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        h = self.of_x(self.trunk(x))
        e = self.of_z(leaky(self.of_code(z)))
        h = torch.cat([leaky(h + e), leaky(h) * torch.tanh(e)], dim=1)
        return self.last[1](leaky(self.last[0](h)))[:, 0]


class OfCodes(nn.Module):
    """T(z) [B]."""

    def __init__(self, params: Any) -> None:
        super().__init__()
        self.dense = nn.ModuleList(linear(params[f"Dense_{i}"]) for i in (1, 0, 2))

    def forward(self, z: Tensor) -> Tensor:
        for layer in self.dense[:-1]:
            z = leaky(layer(z))
        return self.dense[-1](z)[:, 0]


class Recipe(NamedTuple):
    """Settings of both sides. r1: the weights of the two penalties, on (x, z) and on the prior's
    code, or None. decay: of the exponential moving average."""

    size: int
    rate: float
    b1: float
    b2: float
    decay: float
    r1: tuple[float, float] | None


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Gradients go through the modules and not into them."""
    for module in modules:
        module.requires_grad_(False)
    yield
    for module in modules:
        module.requires_grad_(True)


class Twin:
    """The four players, their optimizers, and one step of alternating turns.

    players: the parameters of encoder, generator and the two discriminators, as Flax trees.
    compiled: whether `torch.compile` fuses the two losses.
    """

    def __init__(self, players: Any, recipe: Recipe, device: str, compiled: bool) -> None:
        kinds: Any = (Encoder, Generator, OfPairs, OfCodes)
        self.players = [
            kind(params["params"]).to(device, memory_format=torch.channels_last)
            for kind, params in zip(kinds, players, strict=True)
        ]
        self.encoder, self.generator, self.of_pairs, self.of_codes = self.players
        self.recipe, self.device, self.steps = recipe, device, 0
        self.optimizers = [
            torch.optim.Adam(player.parameters(), recipe.rate, (recipe.b1, recipe.b2), fused=True)
            for player in self.players
        ]
        self.averaged = [p for player in self.players[:2] for p in player.parameters()]
        self.ema = [p.detach().clone() for p in self.averaged]
        wrap: Any = torch.compile if compiled else lambda function: function
        self.reconstruct = wrap(self._reconstruct)
        self.autoencoder_loss = wrap(self._autoencoder_loss)
        # PyTorch does not compile a gradient of a gradient.
        self.discriminator_losses = (
            self._discriminator_losses if recipe.r1 else wrap(self._discriminator_losses)
        )

    @property
    def parameters(self) -> int:
        return sum(p.numel() for player in self.players for p in player.parameters())

    def _discriminator_losses(
        self, x: Tensor, z: Tensor, x_hat: Tensor, z_prior: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss of both discriminators, in nats, and their penalties."""
        z_side = z
        if self.recipe.r1:
            # Separately: in one batch the penalty would include the other side's rows.
            x, z_side = x.requires_grad_(), z.detach().requires_grad_()
            z_prior = z_prior.requires_grad_()
            a, b = self.of_pairs(x, z_side), self.of_pairs(x_hat, z)
            code, prior = self.of_codes(z), self.of_codes(z_prior)
        else:
            a, b = self.of_pairs(torch.cat([x, x_hat]), torch.cat([z, z])).chunk(2)
            code, prior = self.of_codes(torch.cat([z, z_prior])).chunk(2)
        loss = F.softplus(-a).mean() + F.softplus(b).mean()
        loss = loss + F.softplus(-code).mean() + F.softplus(prior).mean()
        penalty = torch.zeros((), device=x.device)
        if self.recipe.r1:
            for weight, logit, read in (
                (self.recipe.r1[0], a, (x, z_side)),
                (self.recipe.r1[1], prior, (z_prior,)),
            ):
                gradients = torch.autograd.grad(logit.sum(), read, create_graph=True)
                squares = sum(g.square().flatten(1).sum(1) for g in gradients)
                penalty = penalty + 0.5 * weight * squares.mean()
        return loss, penalty

    def _reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Codes and reconstructions."""
        z = self.encoder(x)
        return z, self.generator(z)

    def _autoencoder_loss(self, x: Tensor, z: Tensor, x_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction and regularization, in nats."""
        a, b = self.of_pairs(torch.cat([x, x_hat]), torch.cat([z, z])).chunk(2)
        reconstruction = F.softplus(a).mean() + F.softplus(-b).mean()
        return reconstruction, F.softplus(self.of_codes(z)).mean()

    def step(self, x: Tensor, z_prior: Tensor | None = None) -> Tensor:
        """One step of all players.

        Args:
          x: [B, C, H, W] in [0, 1].
          z_prior: [B, size]; None draws it.

        Returns:
          the losses of the discriminators, of reconstruction and of regularization: [3].
        """
        if z_prior is None:
            z_prior = torch.randn(len(x), self.recipe.size, device=x.device)
        # Once for both turns: encoder and generator do not read the discriminators, which move in
        # between.
        z, x_hat = self.reconstruct(x)
        loss, penalty = self.discriminator_losses(x.detach(), z.detach(), x_hat.detach(), z_prior)
        for optimizer in self.optimizers[2:]:
            optimizer.zero_grad(set_to_none=True)
        (loss + penalty).backward()
        for optimizer in self.optimizers[2:]:
            optimizer.step()
        with frozen(self.of_pairs, self.of_codes):
            reconstruction, regularization = self.autoencoder_loss(x, z, x_hat)
            for optimizer in self.optimizers[:2]:
                optimizer.zero_grad(set_to_none=True)
            (reconstruction + regularization).backward()
            for optimizer in self.optimizers[:2]:
                optimizer.step()
        self.steps += 1
        decay = min(self.recipe.decay, self.steps / (self.steps + 9))
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, self.averaged, 1 - decay)
        return torch.stack([loss + penalty, reconstruction, regularization]).detach()


class Classifier(nn.Module):
    """x [B, C, H, W] in [0, 1] -> features [B, F], the network of the feature classifier."""

    def __init__(self, params: Any) -> None:
        super().__init__()
        levels = sum(name.startswith("Conv") for name in params)
        self.convolutions = nn.ModuleList(
            convolution(params[f"Conv_{i}"], stride=2) for i in range(levels)
        )
        self.norms = nn.ModuleList(norm(params[f"LayerNorm_{i}"]) for i in range(levels))
        self.dense = linear(params["Dense_0"])

    def forward(self, x: Tensor) -> Tensor:
        h = 2 * x - 1
        for layer, layer_norm in zip(self.convolutions, self.norms, strict=True):
            h = leaky(layer_norm(layer(h).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return leaky(self.dense(h.permute(0, 2, 3, 1).flatten(1)))
