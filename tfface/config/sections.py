"""What can be set about a training run: nested frozen dataclasses. Field docstrings are what `--help` prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    name: str = "mnv2_prn"
    """Architecture: mnv2_prn (seed 002's network); mnv2_light (the same encoder, a cheap decoder); mnv2_basis (the same
    encoder, principal components of posed maps for a decoder)."""
    views: Literal[1, 2] = 2
    """Photographs of one face that go in together: 1 (front) or 2 (front and side, concatenated channels)."""
    width: float = 1.0
    """Factor on the encoder's channels."""
    image_size: int = 256
    """Side of the network's input in pixels, a multiple of 32."""
    map_size: int = 256
    """Side of the map that the decoder predicts and the loss sees; predictions are always resized to 256."""
    output: Literal["sigmoid", "tanh", "linear"] = "sigmoid"
    """Activation of the map, and with it the range of the network's units; linear may leave the crop."""
    decoder: Literal["full", "light", "basis"] = "full"
    """full: 17 transposed 4x4 convolutions. light: bilinear upsampling with separable convolutions. basis: a fixed
    matrix of principal components of posed maps."""
    components: int = 192
    """Basis decoder only: how many principal components."""
    decoder_width: float = 1.0
    """Factor on the decoder's channels."""
    features: int = 512
    """Channels between encoder and decoder."""
    mirror_average: bool = False
    """Predictions are the mean of those for the pictures and for their mirror images; twice the work."""
    skips: bool = False
    """Light decoder only: also feed it the encoder's features of each size."""


@dataclass(frozen=True)
class DataConfig:
    """Where samples come from."""

    source: Literal["synthetic", "records"] = "synthetic"
    """synthetic: faces made on the fly. records: TFRecord shards in `records`."""
    records: str = ""
    """Folder of TFRecord shards; naming one chooses the source `records`."""
    backgrounds: str = ""
    """Folder of pictures to put behind synthetic faces; empty: procedural textures."""
    textures: int = 768
    """Painted skins that the synthetic faces choose from; painted once, 45 ms each, and kept in the user's cache."""
    batch: int = 16
    """Samples in a step."""
    workers: int = 2
    """Processes that make synthetic faces."""
    validation_size: int = 256
    """Samples held out for validation."""
    steps_per_epoch: int = 500
    """Steps after which an epoch ends: validation, checkpoint, pictures."""
    cache_validation: bool = True
    """Keep the validation samples in memory after their first use."""
    shuffle: int = 1024
    """Samples in the shuffling buffer of shards."""
    seed: int = 0
    """Seed of faces, order and augmentation."""


@dataclass(frozen=True)
class AugmentConfig:
    """Changes to training samples; images and geometry move together. Ranges are (least, most)."""

    enabled: bool = True
    """Off: samples as they come."""
    rotation_deg: float = 45.0
    """Rotation in the picture, uniform in plus or minus this."""
    scale: tuple[float, float] = (0.85, 1.2)
    """Factor on the face's size in the crop."""
    shift: float = 0.08
    """Shift of the crop in both directions, as a fraction of its side."""
    mirror: bool = True
    """Mirror half of the samples; the UV chart is symmetric, so the map stays one of the same topology."""
    colour: tuple[float, float] = (0.9, 1.2)
    """Factor on each colour channel by itself."""
    dropout_boxes: int = 4
    """The most boxes painted over a picture."""
    dropout_size: tuple[float, float] = (0.05, 0.3)
    """Side of a box as a fraction of the picture's."""
    blur_probability: float = 0.2
    """How often a picture is blurred."""
    blur_sigma_px: tuple[float, float] = (0.3, 1.5)
    """Standard deviation of the blur."""
    noise_probability: float = 0.2
    """How often a picture gets Gaussian noise."""
    noise_sigma: tuple[float, float] = (0.005, 0.04)
    """Standard deviation of the noise; images lie in [0, 1]."""
    greyscale_probability: float = 0.1
    """How often a picture loses its colours."""
    border_probability: float = 0.15
    """How often one side of a picture is black, as where a crop leaves its photograph."""
    gamma_probability: float = 0.3
    """How often a picture's tones are bent."""
    gamma: tuple[float, float] = (0.7, 1.5)
    """Exponent on the picture's values."""


@dataclass(frozen=True)
class LossConfig:
    """The weighted map loss; weights are ratios, normalised to a mean of 1 where they are not zero."""

    kind: Literal["mse", "l1"] = "mse"
    """mse: mean squared difference. l1: mean absolute difference."""
    landmarks: float = 16.0
    """Weight of the texels of the 68 landmarks."""
    features: float = 4.0
    """Weight of eyes, nose and mouth."""
    face: float = 3.0
    """Weight of the rest of the face."""
    neck: float = 0.0
    """Weight of everything else."""


@dataclass(frozen=True)
class OptimConfig:
    """Adam, its learning rate, and when to stop."""

    learning_rate: float = 1e-4
    """The first learning rate."""
    schedule: Literal["halve", "cosine", "constant"] = "halve"
    """halve: every `halve_every_epochs`. cosine: from the first rate to nearly 0 over all epochs."""
    halve_every_epochs: int = 5
    """Epochs after which the learning rate halves."""
    warmup_steps: int = 0
    """Steps over which the learning rate climbs from 0."""
    epochs: int = 100
    """The most epochs."""
    patience: int = 10
    """Stop after this many epochs without a better validation loss."""
    clipnorm: float = 0.0
    """Clip the gradient's global norm to this; 0: do not."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW); 0: plain Adam."""
    ema: float = 0.0
    """Momentum of a moving average of the weights that is validated and kept instead of them; 0: none."""


@dataclass(frozen=True)
class RunConfig:
    """Where and how to run."""

    out: str = ""
    """Folder of the run; a folder that holds an unfinished run goes on. Empty: a new one under runs/."""
    init: str = ""
    """Weights to start from: a run's folder, a .weights.h5 or .npz file, or a preset's name."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """auto: a GPU where there is one."""
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    """Arithmetic of the network; maps and losses stay float32."""
    strategy: Literal["none", "mirrored"] = "none"
    """mirrored: every step's samples are split among all GPUs."""
    seed: int = 0
    """Seed of the network's first weights."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints inside an epoch."""
    max_minutes: float = 0.0
    """End cleanly, ready to go on, after this many minutes; 0: no limit."""
    tensorboard: bool = True
    """Write TensorBoard scalars and pictures."""
    pictures: int = 4
    """Validation pictures with their predicted meshes drawn at the end of each epoch; 0: none."""


@dataclass(frozen=True)
class Config:
    """A training run."""

    model: ModelConfig = field(default_factory=ModelConfig)
    """The network."""
    data: DataConfig = field(default_factory=DataConfig)
    """Where samples come from."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Changes to training samples."""
    loss: LossConfig = field(default_factory=LossConfig)
    """What is minimised."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """How it is minimised."""
    run: RunConfig = field(default_factory=RunConfig)
    """Where and how to run."""


MODELS: dict[str, ModelConfig] = {
    "mnv2_prn": ModelConfig(),
    "mnv2_light": ModelConfig(name="mnv2_light", views=1, image_size=128, map_size=64, decoder="light"),
    "mnv2_basis": ModelConfig(
        name="mnv2_basis", views=1, image_size=128, map_size=64, decoder="basis", output="linear"
    ),
}
"""Each architecture's starting configuration, which `--model NAME` chooses."""
