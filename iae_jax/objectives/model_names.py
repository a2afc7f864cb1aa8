"""What the models of the grid are called: by row and column."""

NAMES = {
    ("likelihood", "none"): "autoencoder",
    ("likelihood", "analytic_kl"): "variational autoencoder (VAE)",
    ("likelihood", "sampled_kl"): "variational autoencoder (VAE)",
    ("likelihood", "joint_code"): "model of adversarial variational Bayes (AVB)",
    ("likelihood", "adaptive_contrast"): "model of adversarial variational Bayes (AVB)",
    ("likelihood", "marginal_code"): "adversarial autoencoder (AAE)",
    ("joint_reconstruction", "marginal_code"): "implicit autoencoder (IAE)",
    ("flipped_reconstruction", "marginal_data"): "flipped implicit autoencoder (FIAE)",
    ("flipped_likelihood", "marginal_data"): "InfoGAN",
    ("cycle_reconstruction", "cycle_marginals"): "implicit autoencoder and its flipped form",
    ("joint_model", "none"): "model of adversarially learned inference (ALI, BiGAN)",
    ("marginal_data", "none"): "generative adversarial network (GAN)",
    ("improved_gan", "none"): "semi-supervised GAN (Improved-GAN)",
    ("none", "none"): "classifier",
}


def model_name(reconstruction: str, regularization: str) -> str:
    """The name of a cell of the grid, or its row and column."""
    known = NAMES.get((reconstruction, regularization))
    return known or f"model of {reconstruction} and {regularization}"
