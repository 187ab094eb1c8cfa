"""What can be set about a training run: nested frozen dataclasses. Field docstrings are what `--help` prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    name: str = "mnv2_prn"
    """Architecture: mnv2_prn (Lium's network); mnv2_light (the same encoder, a cheap decoder); mnv2_basis (the same
    encoder, principal components of posed maps for a decoder); prn (PRNet: residual encoder, 17 transposed
    convolutions); prn_res (prn and Zhou's residual refiner); dual_prn (a posed map and a pose-free shape, fused);
    rnet (coefficients of the face model, from which the map follows); detail (offsets of albedo and shape on top of a
    frozen rnet's face, by a U-Net with two heads)."""
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
    """Of networks with MobileNetV2's encoder; the others have full. full: 17 transposed 4x4 convolutions. light:
    bilinear upsampling with separable convolutions. basis: a fixed matrix of principal components of posed maps."""
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
    refinements: int = 1
    """prn_res only: how often the refiner looks at its map again; the same weights each time."""
    trunk: Literal["resnet50", "mobilenet_v2"] = "resnet50"
    """rnet only: what reads the picture. mobilenet_v2 is the one for small machines: `--model.image-size 128`."""
    rotation: Literal["euler", "columns", "orbit"] = "euler"
    """rnet only: three Euler angles as in Deep3D; two columns of the matrix, which profiles do not upset; or elevation
    and azimuth of the camera (Du 2020)."""
    camera: Literal["deep3d", "fov30", "orbit", "framed"] = "deep3d"
    """rnet only: Deep3D's fixed camera before which the face moves; the same with a field of view of 30 degrees; one
    that looks at the face's centre, with nothing to predict (Du 2020); or scale, shift and perspective of the crop."""
    points: int = 0
    """mnv2_basis, and rnet on mobilenet_v2: how many points of the face are found in the picture, to which the face
    then moves inside the network; 128 is a good number, 0 finds none."""
    confidences: int = 0
    """rnet only: units of C-Net, which says how far each identity coefficient of a picture may be trusted among several
    pictures of one person (`--model cnet`); 0: none."""
    confidences_of: Literal["points", "heads"] = "points"
    """Which identities C-Net weighs: solved from each picture's points, or what the network says (Deng et al. 2019)."""
    light: Literal[27, 9, 0] = 27
    """rnet only: spherical-harmonic coefficients, 9 for each colour, 9 for white light, or 0: even light."""
    colours: Literal["heads", "picture"] = "heads"
    """rnet only, where albedo and light of a prediction come from. heads: what the network says. picture: fitted to the
    picture where the network puts the face, from there on (`tfface.models.layers.colours`)."""
    space: Literal["uv", "picture"] = "uv"
    """detail only. uv: photograph and base in the face's chart, displacement in mm along the normal. picture: Fan's
    offsets in the picture, `--model.image-size 224`."""
    lines: bool = False
    """detail in space uv only: the U-Net sees the chart at half its size, and fine lines are added at the whole,
    `--model.image-size 256 --model.map-size 256`."""


@dataclass(frozen=True)
class DataConfig:
    """Where samples come from."""

    source: Literal["synthetic", "records", "photos"] = "synthetic"
    """synthetic: faces made on the fly. records: TFRecord shards in `records`. photos: photographs in `records`, as
    `tfface prepare` prepares them, for R-Net's weak supervision."""
    records: str = ""
    """Folder of TFRecord shards; naming one chooses the source `records`."""
    transfer: str = ""
    """Folder of TFRecord shards for the second part of `run.stages transfer`."""
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
    """Samples in the shuffling buffer of faces made on the fly; shards and photographs are shuffled as a whole."""
    in_memory: bool = False
    """Keep the decoded pictures of shards in memory, some 200 kB each: for a GPU that outruns the JPEG decoder."""
    shares: tuple[float, float, float] = (0.70, 0.15, 0.15)
    """Photographs only: the parts for training, validation and test."""
    chunk: int = 0
    """Photographs only: as many are trained on `chunk_epochs` times before the next ones come; 0: all together."""
    chunk_epochs: int = 10
    """How often a chunk is gone through."""
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
    some_channels: bool = False
    """The factor falls on one to three channels drawn by lot, not on all three (Zhou 2021)."""
    face_noise: bool = False
    """One to three of Gaussian noise, random pixels and a patch, inside the first view's face only (Zhou 2021)."""
    upright: bool = False
    """Turn the first view's face upright by its true landmarks before anything else, in validation too (Zhou 2021)."""
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

    kind: Literal["mse", "l1"] = "l1"
    """l1: mean absolute difference, the better one in our sweep (docs/experiments.md). mse: mean squared difference, as
    Lium 2020 and Zhou 2021 have it."""
    landmarks: float = 16.0
    """Weight of the texels of the 68 landmarks."""
    features: float = 4.0
    """Weight of eyes, nose and mouth."""
    face: float = 3.0
    """Weight of the rest of the face."""
    neck: float = 0.0
    """Weight of everything else."""
    symmetry: float = 0.0
    """Zhou 2021: mirrored landmarks lie equally far from the tip of the nose."""
    smoothness: float = 0.0
    """Zhou 2021: texels lie where their neighbours' mean is."""
    edges: float = 0.0
    """Edges between neighbouring texels are as long as the true ones."""
    normals: float = 0.0
    """Normals point where the true ones do."""
    brief: float = 1.0
    """prn_res, dual_prn and networks with points: weight of the maps before the last one."""
    points: float = 1.0
    """With `model.points` only: the points' distance from their true places, l1, in network units."""
    expressive: float = 8.0
    """With `model.points` only: how many times a point of lips and lids counts in `points` (of brows a third of it)."""
    gaps: float = 4.0
    """With `model.points` only: how far lids, lips, brows are apart, l1, in the answer and as measured."""
    certainty: float = 0.003
    """With `model.points` only: minus the logarithm of the likelihood (Laplace's) of what was measured."""
    shape: float = 0.5
    """dual_prn only: the pose-free shape, in shape units of 100 mm."""
    visibility: float = 0.05
    """dual_prn only: which texels face the camera."""


@dataclass(frozen=True)
class WeakConfig:
    """Weights of the losses by which R-Net learns from pictures alone (`run.regime weak`); 0 switches one off."""

    photometric: float = 1.92
    """How the face that the network says looks, against the picture."""
    photometric_kind: Literal["rendered", "sampled", "masked", "aligned"] = "rendered"
    """rendered: colour distance under a mask, with gradients from silhouettes. sampled: the same without rasterising,
    read where the vertices land; the cheap one. masked: Fan's squares. aligned: Du's squares over the whole
    picture after alignment by landmarks."""
    landmarks: float = 1.6e-3
    """The 68 landmarks, in pixels of a 224-pixel crop."""
    landmarks_kind: Literal["squared", "l1"] = "squared"
    """squared: Deep3D's, with the inner mouth and the bridge of the nose 20-fold. l1: Fan's."""
    identity: float = 0.2
    """Face recognition's distance between render and picture (dlib's network, `data_tools/fetch_identity.py`)."""
    identity_kind: Literal["cosine", "l1", "euclidean"] = "cosine"
    """Distance of the descriptors. l1 compares with the picture behind the render's silhouette, as Fan."""
    regularisation: float = 3e-4
    """Squares of the coefficients: identity 1, expression 0.8, albedo 0.017, in standard deviations."""
    expression_range: float = 1e-2
    """What expression weights have beyond 1, squared."""
    flattening: float = 5.0
    """Variance of the skin's albedo."""
    monochromatic: float = 10.0
    """How coloured the light is."""
    map: float = 0.0
    """The posed map against the true one, as `loss.*` weighs it, in the network's units; needs synthetic faces."""
    level: Literal[0, 1, 2] = 1
    """Mesh that is rendered: 3,378, 13,507 or 53,833 vertices."""
    mask: Literal["skin", "mesh", "hull", "none"] = "skin"
    """Where pixels of photographs count: skin by colour, the fitted mesh's skin, the 81 landmarks' convex hull."""
    masked_input: bool = False
    """Pictures are black outside that mask already for the network (Du 2020)."""
    train: Literal["all", "heads", "colour"] = "all"
    """What learns: everything, R-Net's heads, or the heads of albedo and light only."""


@dataclass(frozen=True)
class DetailConfig:
    """Weights of the losses of `--model detail`."""

    displacement: float = 0.3
    """Space uv: mean difference of the displacement, a millimetre."""
    slopes: float = 5.0
    """Space uv: mean difference of its slopes, millimetres a texel."""
    albedo: float = 5.0
    """Space uv: mean difference of the albedo, in [0,1]."""
    lines: float = 0.0
    """Space uv: squares of the difference of what is finer than some texels, tenths of a millimetre."""
    shading: float = 0.0
    """Space uv: how the displacement shades against the photograph, light and albedo held still; needs no truth."""
    photographs: str = ""
    """Space uv: shards of photographs (`tfface synthesize --detail --photographs`) that are mixed in; they teach
    `shading` alone."""
    photographs_share: float = 0.5
    """Of each batch, of these."""
    small: float = 1e-4
    """Space picture, here and below, beside `weak.photometric`, `weak.landmarks` and `weak.identity`: the squares of
    both maps (Fan, equation 8)."""
    symmetry: float = 1e-4
    """Both maps against their mirror images in the picture (equation 9)."""
    smooth_shape: float = 0.08
    """Vertices against their neighbours, decimetres (equation 10)."""
    smooth_albedo: float = 0.1
    """Their colours likewise (equation 11)."""


@dataclass(frozen=True)
class SetsConfig:
    """Sets of pictures of one person, from which C-Net learns (`run.regime sets`)."""

    people: int = 800
    """Synthetic people to train on; `data.validation_size` more are held out."""
    pictures: int = 6
    """The most pictures of a set; the least is 2."""
    bad: float = 0.25
    """Share of synthetic pictures that are nearly black, blurred beyond recognition, or more than half covered."""
    photos: str = ""
    """A folder with a folder of photographs for each person: these instead of synthetic people."""
    prior: float = 1.0
    """Photographs only: weight of the squared identity, in standard deviations."""


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
    learns: Literal["all", "refiner"] = "all"
    """refiner: prn_res's refiner alone; the rest is frozen, its batch statistics too."""
    frozen: tuple[str, ...] = ()
    """Beginnings of the names of layers that stay as they are, their batch statistics too: `stem stage1 stage2` keep
    what a trunk has learnt from photographs (`data_tools/imagenet_trunk.py`)."""
    ema: float = 0.0
    """Momentum of a moving average of the weights that is validated and kept instead of them; 0: none."""


@dataclass(frozen=True)
class RunConfig:
    """Where and how to run."""

    out: str = ""
    """Folder of the run; a folder that holds an unfinished run goes on. Empty: a new one under runs/."""
    init: str = ""
    """Weights to start from: a run's folder, a .weights.h5 or .npz file, or a preset's name. Networks on
    MobileNetV2 also from themselves with a smaller `model.width` (channels are copied until there are enough), or
    from another network's trunk (.npz), R-Net's ResNet-50 also from Keras' ImageNet file (.h5)."""
    stages: Literal["", "refiner", "transfer"] = ""
    """Several runs, one after the other, each in a folder of its own under `out`. refiner (Zhou 2021, prn_res): the
    brief map (left out where `init` names a prn), the refiner alone, both. transfer (Lium 2020): `data.records`, then
    `data.transfer` at a tenth of the learning rate."""
    regime: Literal["map", "weak", "sets"] = "map"
    """map: supervised by true maps. weak: R-Net learns from pictures, as `weak.*` says; photographs imply it. sets:
    C-Net learns from several pictures of a person, as `sets.*` says; R-Net stays as `run.init` has it."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """auto: a GPU where there is one."""
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    """Arithmetic of the network; maps and losses stay float32."""
    strategy: Literal["none", "mirrored", "multi_worker"] = "none"
    """mirrored: every step's samples are split among all GPUs. multi_worker: one of several machines, named in the
    environment's TF_CONFIG, each with `data.batch` samples a step."""
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
    weak: WeakConfig = field(default_factory=WeakConfig)
    """What is minimised in the weakly supervised regime."""
    detail: DetailConfig = field(default_factory=DetailConfig)
    """What is minimised for detail."""
    sets: SetsConfig = field(default_factory=SetsConfig)
    """From what C-Net learns."""
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
    "prn": ModelConfig(name="prn", views=1),
    "prn_res": ModelConfig(name="prn_res", views=1, output="tanh"),
    "dual_prn": ModelConfig(name="dual_prn", views=1),
    "rnet": ModelConfig(name="rnet", views=1, image_size=224, map_size=64, output="linear"),
    "detail": ModelConfig(name="detail", views=1, width=0.5, image_size=128, map_size=128, output="linear"),
}
"""Each architecture's starting configuration, which `--model NAME` chooses."""
