"""One random person seen from the front and from a side: `FaceGenerator.pair(seed)`."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.colour import HAEMOGLOBIN, MELANIN, random_colour
from tfface.data.synthetic.head import glasses as glasses_module
from tfface.data.synthetic.head.albedo import SkinChart
from tfface.data.synthetic.head.bank import AlbedoBank
from tfface.data.synthetic.head.hair import HairSheet, HairStyle, sample_hat, sample_style, scalp_field
from tfface.data.synthetic.head.lashes import LashRoots
from tfface.data.synthetic.head.mesh import (
    CLOTH,
    EYE,
    FRAME,
    GUM,
    HAIR,
    HAT,
    LASH,
    MOUTH,
    NUM_MATERIALS,
    SKIN,
    TEETH,
    TONGUE,
    Clothes,
    HeadMesh,
    Piece,
    SceneMesh,
)
from tfface.data.synthetic.head.mouth import MouthParts
from tfface.data.synthetic.head.wraps import hanging_beard, scarf
from tfface.data.synthetic.head.wrinkles import Relief, WrinkleMaker, relief_slopes
from tfface.data.synthetic.picture.background import sample_background
from tfface.data.synthetic.picture.camera_effects import photograph
from tfface.data.synthetic.picture.light import Light, sample_light
from tfface.data.synthetic.picture.occluders import cover
from tfface.data.synthetic.picture.shade import fill_cut, shade_pixels, shadow_map, strand_noise
from tfface.data.synthetic.sample import (
    SyntheticSettings,
    narrower_jaw,
    sample_camera,
    sample_identity,
    sample_traits,
    stream,
)
from tfface.face.expressions import gaze_degrees, sample_expression, shutting_weights
from tfface.face.open_model import OpenFace, load_open_face
from tfface.face.parts import load_parts
from tfface.geometry.camera import Camera
from tfface.geometry.raster import rasterize, vertex_normals

FloatArray = NDArray[np.floating]
_IRIS = np.array(
    [
        [0.03, 0.017, 0.01],
        [0.06, 0.03, 0.015],
        [0.1, 0.06, 0.03],
        [0.1, 0.12, 0.06],
        [0.09, 0.15, 0.22],
        [0.16, 0.19, 0.2],
    ]
)


@dataclass(frozen=True)
class SyntheticView:
    """A picture `[S,S,3]` uint8 RGB and the camera that took it (pixels of that picture)."""

    image: NDArray[np.uint8]
    camera: Camera


@dataclass(frozen=True)
class SyntheticPair:
    """One person seen twice.

    Attributes:
        front, side: the views.
        identity: `[150]` float32, standard deviations.
        expression: `[52]` float32 ARKit weights, the same in both views.
        labels: `ita_deg`, `male`, `age`, `beard`, `glasses`, `hair` (0 bald), `hat`, `albedo` (index in the bank).
    """

    front: SyntheticView
    side: SyntheticView
    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    labels: dict[str, float]


@dataclass(frozen=True)
class Person:
    """A scene ready to be photographed: mesh in millimetres, materials, light.

    With `settings.wrinkles` `displacement` `[R,R]` is the skin's relief in the face's chart, mm along the normal; the
    mesh is smooth, wrinkles are shaded.
    """

    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    mesh: SceneMesh
    landmarks: NDArray[np.float32]
    texture: NDArray[np.uint8]
    tone: NDArray[np.float32]
    colours: NDArray[np.float32]
    gloss: NDArray[np.float32]
    eye: NDArray[np.float32]
    iris: NDArray[np.float32]
    strands: NDArray[np.float32]
    rag: float
    scalp: float
    light: Light
    spectacles: glasses_module.Spectacles | None
    labels: dict[str, float] = field(default_factory=dict)
    displacement: NDArray[np.float32] | None = None

    @property
    def albedo(self) -> NDArray[np.float32]:
        """`[T,T,3]` the skin's own colour in the face's chart, linear RGB."""
        painted = self.texture.astype(np.float32) / np.float32(255)
        return painted[..., :3] ** 2 * (1 - painted[..., 3:] * (1 - self.tone))


class FaceGenerator:
    """Draws synthetic pairs; `pair(seed)` depends on the seed and the settings alone."""

    def __init__(self, settings: SyntheticSettings | None = None, face: OpenFace | None = None) -> None:
        self.settings = settings or SyntheticSettings()
        self.face = face or load_open_face()
        self.head = HeadMesh(self.face, self.settings.level)
        self.sheet = HairSheet(self.head)
        self.mouth = MouthParts(load_parts(face_model=self.face.checksum))
        self.lash_roots = LashRoots(self.head)
        wrinkles, size = self.settings.wrinkles, self.settings.texture_size
        self.bank = AlbedoBank.open(self.face, self.settings.bank_size, size, painted_wrinkles=not wrinkles)
        self.wrinkles = WrinkleMaker(SkinChart(self.face, self.settings.relief_size)) if wrinkles else None

    def pair(self, seed: int) -> SyntheticPair:
        """The pair of `seed` (0 or larger)."""
        person = self.person(seed)
        front = self._view(person, stream(seed, "view front"), stream(seed, "camera front"), side=False)
        side = self._view(person, stream(seed, "view side"), stream(seed, "camera side"), side=True)
        return SyntheticPair(front, side, person.identity, person.expression, person.labels)

    def photograph(self, seed: int, occasion: int) -> tuple[SyntheticView, Person]:
        """The person of `seed` (face and skin) in one picture of `occasion`, a seed of its own: another expression,
        light, hair, glasses, camera; seen as a front view is (`settings.front_yaw_deg`)."""
        person = self.person(seed, occasion=occasion)
        view = self._view(person, stream(occasion, "view front"), stream(occasion, "camera front"), side=False)
        return view, person

    def landmarks(self, pair: SyntheticPair, view: SyntheticView) -> NDArray[np.float32]:
        """The 68 true landmarks `[68,3]` in pixels of a view of `pair`."""
        cage = self.face.cage(pair.identity, pair.expression)
        return view.camera.project(self.head.landmark_matrix @ cage)

    def person(self, seed: int, expression: FloatArray | None = None, occasion: int | None = None) -> Person:
        """The person of `seed`, ready to be photographed.

        Args:
            seed: of the person.
            expression: `[52]`; their own if None.
            occasion: another seed, for all but their face and skin.
        """
        rng, settings, face = stream(seed, "look"), self.settings, self.face
        once = seed if occasion is None else occasion
        index = int(rng.integers(len(self.bank.textures)))
        male, ita, age, beard, hairline = self.bank.labels[index]
        rng = rng if occasion is None else stream(occasion, "look")
        shape = stream(seed, "identity")
        identity = sample_identity(shape, sample_traits(shape, male, ita, age, beard), settings.identity_std)
        identity = (identity + settings.narrow_jaw * narrower_jaw(face)).astype(np.float32)
        expression = self._expression(once, identity) if expression is None else np.asarray(expression, np.float32)
        cage = face.cage(identity, expression)
        vertices = np.asarray(self.head.matrix @ cage, np.float32)
        landmarks = np.asarray(self.head.landmark_matrix @ cage, np.float32)
        style = sample_style(rng, bool(male), float(age), float(hairline), self.settings.fringe)
        hat = sample_hat(rng) if rng.random() < settings.hat else None
        soft = self._soft_pieces(vertices, style, hat, rng)
        soft += self._lashes(vertices, landmarks, bool(male), rng)
        soft += self._wraps(landmarks, float(beard), rng)
        spectacles = glasses_module.sample(rng, landmarks) if rng.random() < settings.glasses else None
        solid = self.mouth.build(identity, expression, landmarks, rng)
        if spectacles is not None:
            solid.append(spectacles.frame)
        clothes = self._clothes(rng)
        scalp = rng.choice([0.0, 0.35]) * rng.random() if style is None else style.scalp
        field_ = scalp_field(self.head, float(hairline))
        worn = {"glasses": spectacles is not None, "hair": style is not None, "hat": hat is not None}
        colours = self._colours(rng, index)
        return Person(
            identity=identity,
            expression=expression,
            mesh=self.head.assemble(vertices, field_, clothes, solid, soft),
            landmarks=landmarks,
            texture=np.ascontiguousarray(self.bank.textures[index]),
            tone=self._tone(rng),
            colours=colours,
            gloss=self._gloss(rng),
            eye=self._eye(rng, expression),
            iris=self._iris(rng, ita < 4),
            strands=strand_noise(rng),
            rag=float(rng.uniform(2, 8)),
            scalp=scalp,
            light=sample_light(stream(once, "light")),
            spectacles=spectacles,
            labels=self._labels(index, worn),
            displacement=self._displacement(seed, float(age), expression),
        )

    def _displacement(self, seed: int, age: float, expression: FloatArray) -> NDArray[np.float32] | None:
        """Of the person's skin, the same lines on every occasion, as deep as its expression makes them."""
        if self.wrinkles is None:
            return None
        weights = dict(zip(self.face.expression_names, np.asarray(expression).tolist(), strict=True))
        return self.wrinkles(Relief.of(age, weights), stream(seed, "wrinkles"))

    def _labels(self, index: int, worn: dict[str, bool]) -> dict[str, float]:
        """What `SyntheticPair.labels` says of a painted skin and of what is worn."""
        male, ita, age, beard, _ = self.bank.labels[index]
        skin = {"ita_deg": ita, "male": male, "age": age, "beard": beard, "albedo": index}
        return {name: float(value) for name, value in {**skin, **worn}.items()}

    def _soft_pieces(
        self, vertices: FloatArray, style: HairStyle | None, hat: HairStyle | None, rng: np.random.Generator
    ) -> list[Piece]:
        return [self.sheet.build(vertices, each, rng) for each in (style, hat) if each is not None]

    def _lashes(self, vertices: FloatArray, landmarks: FloatArray, male: bool, rng: np.random.Generator) -> list[Piece]:
        if rng.random() < 0.1:  # fair ones, which no photograph shows
            return []
        length = rng.uniform(3, 6.5) if male else rng.uniform(4, 9)
        return self.lash_roots.build(vertices, landmarks, length, rng.uniform(-0.1, 0.7))

    def _wraps(self, landmarks: FloatArray, beard: float, rng: np.random.Generator) -> list[Piece]:
        pieces = []
        if beard > 0.45 and rng.random() < self.settings.hanging_beard:
            pieces.append(hanging_beard(landmarks, rng))
        if rng.random() < self.settings.scarf:
            pieces.append(scarf(landmarks, rng))
        return pieces

    def _clothes(self, rng: np.random.Generator) -> Clothes:
        width, lift = rng.uniform(0.85, 1.2), rng.uniform(-12, 5)
        if rng.random() < 0.45:
            return Clothes(width, lift, None, 0.0)
        low = rng.choice([rng.uniform(25, 80), rng.uniform(80, 270)])
        return Clothes(width, lift, low, rng.choice([0.0, rng.uniform(10, 110)]))

    def _tone(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """A small change of melanin and blood on all skin, as factors on linear RGB."""
        return np.exp(-rng.normal(0, 0.12) * MELANIN - rng.normal(0, 0.06) * HAEMOGLOBIN).astype(np.float32)

    def _colours(self, rng: np.random.Generator, index: int) -> NDArray[np.float32]:
        colours = np.full((NUM_MATERIALS, 3), 0.5, np.float32)
        colours[SKIN] = self.bank.base[index]
        colours[HAIR] = self.bank.hair[index]
        if rng.random() < 0.04:
            colours[HAIR] = random_colour(rng, 0.9)
        colours[CLOTH], colours[HAT] = random_colour(rng), random_colour(rng)
        colours[LASH] = self.bank.hair[index] * rng.uniform(0.05, 0.6)
        colours[TEETH] = np.array([0.72, 0.66, 0.55]) * rng.uniform(0.6, 1.1)
        colours[MOUTH] = np.array([0.12, 0.03, 0.03]) * rng.uniform(0.4, 1.5)
        colours[GUM] = np.array([0.42, 0.14, 0.13]) * rng.uniform(0.5, 1.2)
        colours[TONGUE] = np.array([0.4, 0.13, 0.13]) * rng.uniform(0.5, 1.3)
        colours[FRAME] = random_colour(rng) * (0.08 if rng.random() < 0.6 else 0.7)
        return colours

    def _gloss(self, rng: np.random.Generator) -> NDArray[np.float32]:
        gloss = np.zeros(NUM_MATERIALS, np.float32)
        gloss[SKIN] = rng.gamma(2.0, 0.075)
        gloss[HAIR] = rng.uniform(0.02, 0.2)
        gloss[[EYE, TEETH, MOUTH, GUM, TONGUE]] = 0.35, 0.4, 0.2, 0.3, 0.25
        gloss[FRAME], gloss[CLOTH], gloss[HAT] = rng.uniform(0.05, 0.8), 0.03, 0.02
        return gloss

    def _expression(self, seed: int, identity: FloatArray) -> NDArray[np.float32]:
        strength, names = self.settings.expression_strength, self.face.expression_names
        return sample_expression(stream(seed, "expression"), names, strength, shutting_weights(self.face, identity))

    def _eye(self, rng: np.random.Generator, expression: FloatArray) -> NDArray[np.float32]:
        """Gaze `[3]`, pupil, and the white's colour `[3]`."""
        x, y = np.tan(np.deg2rad(gaze_degrees(self.face.expression_names, expression)))
        gaze = np.array([x, y, 1.0]) / np.sqrt(x * x + y * y + 1)
        white = np.array([0.66, 0.6, 0.57]) * rng.uniform(0.6, 1.05)
        return np.concatenate([gaze, [rng.uniform(0.28, 0.5)], white]).astype(np.float32)

    def _iris(self, rng: np.random.Generator, dark: bool) -> NDArray[np.float32]:
        share = [0.7, 0.25, 0.05, 0, 0, 0] if dark else [0.35, 0.23, 0.12, 0.1, 0.12, 0.08]
        return (_IRIS[rng.choice(6, p=share)] * rng.uniform(0.7, 1.4)).astype(np.float32)

    def _view(
        self, person: Person, rng: np.random.Generator, camera_rng: np.random.Generator, side: bool
    ) -> SyntheticView:
        settings = self.settings
        camera = sample_camera(rng, settings, side, person.landmarks, self.face.centre)
        radiance, visible, depth, brightness = self.render(person, camera)
        size = settings.image_size
        background = sample_background(rng, size, settings.background_folder)
        background = background * np.float32(settings.exposure * rng.uniform(0.5, 1.2))
        exposure = settings.exposure * (person.light.exposure if settings.camera_strength > 0 else 1.0)
        picture = radiance * np.float32(0.36 * exposure / max(brightness, 0.01)) + background * (1 - visible[..., None])
        if person.spectacles is not None:
            person.spectacles.draw_lenses(picture, camera, depth)
        cover(picture, camera.project(person.landmarks), settings, rng, person.colours[SKIN] * person.tone)
        return SyntheticView(photograph(picture, 1.0, camera_rng, settings.camera_strength), camera)

    def render(
        self, person: Person, camera: Camera
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], float]:
        """Linear radiance premultiplied by coverage `[S,S,3]`, coverage `[S,S]`, depth, metered brightness."""
        mesh, fine = person.mesh, self.settings.supersample
        size = self.settings.image_size * fine
        turned = (mesh.vertices - camera.origin_mm.astype(np.float32)) @ camera.rotation.T.astype(np.float32)
        points = camera.project(mesh.vertices) * np.float32(fine)
        hit, weights, depth = rasterize(points, mesh.triangles[: mesh.num_solid], size, size)
        rag = np.float32(person.rag)
        fill_cut(points, mesh.triangles, mesh.num_solid, mesh.attributes, person.strands, rag, hit, weights, depth)
        normals = vertex_normals(turned, mesh.triangles)
        light = person.light
        shadow, light_points = shadow_map(mesh, turned, light.key_direction, person.strands)
        out = np.zeros((size, size, 3), np.float32)
        flat = np.zeros((1, 1, 3), np.float32)
        relief = flat if person.displacement is None else relief_slopes(person.displacement)
        shade_pixels(
            hit, weights, mesh.triangles, mesh.material, mesh.attributes, mesh.uv, mesh.eye, normals, light_points,
            shadow, person.texture, person.tone, person.colours, person.gloss, person.strands, person.eye, person.iris,
            light.harmonics, light.key_direction, light.key_colour, np.float32(light.softness),
            np.float32(light.hollow), np.float32(person.scalp), out, relief, turned,
        )  # fmt: skip
        visible = (hit >= 0).astype(np.float32)
        if fine > 1:
            target = (self.settings.image_size, self.settings.image_size)
            out, visible = (
                np.asarray(cv2.resize(part, target, interpolation=cv2.INTER_AREA), np.float32)
                for part in (out, visible)
            )
        return out, visible, depth, self._brightness(person, out, visible)

    def _brightness(self, person: Person, out: FloatArray, visible: FloatArray) -> float:
        """What a camera that meters the picture's middle sees, with a share of the skin's own tone taken out."""
        quarter = out.shape[0] // 4
        middle = out[quarter:-quarter, quarter:-quarter]
        mean = float(middle.mean()) / max(float(visible[quarter:-quarter, quarter:-quarter].mean()), 0.05)
        skin = float((person.colours[SKIN] * person.tone).mean())
        return mean / max(skin / 0.3, 0.05) ** 0.6
