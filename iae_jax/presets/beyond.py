"""What a config has beyond the slides, which have the two terms, a discriminator for each with its
R1, and the optimizer; with few labels also their cross entropy.

Tables have their words from here, so that they are those of the configs. `ingredients` has each
part taken out.
"""

from iae_jax.objectives.weights import Weight
from iae_jax.runs.config import Config


def beyond(config: Config) -> str:
    """What a config has beyond the slides, separated by commas; "" for nothing.

    Other people's parts: consistency and the entropy of the category (IMSAT, Hu et al. 2017),
    virtual adversarial changes (Miyato et al. 2018), code information (InfoGAN, Chen et al. 2016),
    the teacher (mean teacher, Tarvainen and Valpola 2017), the sleep loss (wake-sleep, Hinton et
    al. 1995). Of `improved_gan` the noise is its own.
    """
    losses, pairs, codes = config.auxiliary, config.reconstruction, config.regularization
    adversarial = pairs.kind not in ("none", "likelihood")

    def has(loss: Weight) -> bool:
        return not loss.absent

    changes = "virtual adversarial" if config.affine.vat_radius else "affine"
    discriminator = pairs.discriminator.rpartition(":")[2].replace("_", " ")
    found = {
        "exact KL(q(y) ‖ p(y))": has(losses.marginal.weight) and codes.kind == "none",
        "moment-matched KL of q(z)": has(losses.marginal.weight) and codes.kind != "none",
        f"code discriminator at weight {codes.weight:g}": (
            codes.kind == "marginal_code" and codes.weight != 1
        ),
        f"likelihood at weight {pairs.weight:g}": pairs.kind == "likelihood" and pairs.weight != 1,
        f"encoder's gradient through joint data at weight {pairs.numerator_weight:g}": (
            adversarial and pairs.numerator_weight != 1
        ),
        f"a {discriminator}": adversarial and pairs.discriminator != "network",
        "code information": has(losses.code_information.weight),
        "entropy of the category": has(losses.entropy.weight),
        f"consistency under {changes} changes": has(losses.consistency.weight),
        "a mean teacher": has(losses.consistency.weight) and losses.consistency.teacher,
        "sleep loss": has(losses.sleep.weight),
        "labels in joint data": adversarial and pairs.labelled_share > 0,
        "augmented labelled images": has(losses.labels.weight) and losses.labels.augment,
        "noise of the encoder's units": (
            config.encoder.unit_noise > 0 and pairs.kind != "improved_gan"
        ),
        "cutout": adversarial and config.diffaugment.cutout > 0,
        "blur": adversarial and config.diffaugment.blur > 0,
        "a prior that learns": config.prior.kind.startswith(("mixture", "flow")),
    }
    return ", ".join(words for words, there in found.items() if there)
