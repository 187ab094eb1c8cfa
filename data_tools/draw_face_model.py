"""Look at the face model: `python data_tools/draw_face_model.py --out docs/pictures`.

Writes `face_model_people.jpg` (64 random people, each with an expression of their own) and `face_model_expressions.jpg`
(24 expressions of three people, from the front, from 35 and 90 degrees, from above and from below). Faces are those of
the generator, with nothing in front of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tyro
from numpy.typing import NDArray

from tfface.cli import run

if TYPE_CHECKING:
    from tfface.data.synthetic.scene import FaceGenerator, Person

VIEWS_DEG = ((0, 0), (35, 0), (90, 0), (0, 25), (0, -25))
"""Yaw and pitch."""
EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "blink": {"eyeBlink": 1.0},
    "squint": {"eyeSquint": 1.0},
    "wide eyes": {"eyeWide": 1.0},
    "brows up": {"browInnerUp": 1.0, "browOuterUp": 1.0},
    "brows down": {"browDown": 1.0},
    "smile": {"mouthSmile": 1.0, "cheekSquint": 0.5},
    "smile, teeth": {"mouthSmile": 0.9, "mouthUpperUp": 0.5, "mouthLowerDown": 0.4},
    "laughter": {"mouthSmile": 0.9, "jawOpen": 0.5, "mouthUpperUp": 0.5, "cheekSquint": 0.6},
    "jaw half open": {"jawOpen": 0.5},
    "jaw open": {"jawOpen": 1.0},
    "ah": {"jawOpen": 0.3, "mouthLowerDown": 0.3},
    "oh": {"jawOpen": 0.25, "mouthFunnel": 0.8},
    "mm": {"jawOpen": 0.2, "mouthClose": 0.2},
    "kiss": {"mouthPucker": 1.0},
    "pressed lips": {"mouthPress": 1.0, "mouthRollLower": 0.6},
    "upper lip up": {"mouthUpperUp": 1.0},
    "lower lip down": {"mouthLowerDown": 1.0},
    "frown": {"mouthFrown": 0.9, "mouthShrugLower": 0.4},
    "sneer": {"noseSneer": 1.0, "mouthUpperUp": 0.4},
    "cheeks puffed": {"cheekPuff": 1.0},
    "tongue out": {"tongueOut": 1.0, "jawOpen": 0.4},
    "mouth to the left": {"mouthLeft": 0.9},
    "looks to the left": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
}


@dataclass(frozen=True)
class Options:
    """Draw sheets of people and expressions."""

    out: Path
    """Folder to write to."""
    seed: int = 100
    """Of the first person."""
    size: int = 96
    """Of a face in pixels."""


def main(argv: list[str] | None = None) -> int:
    """Draw and write; returns the exit code."""
    options = tyro.cli(Options, args=argv, description=__doc__)
    from dataclasses import replace

    from tfface.data.synthetic.sample import SyntheticSettings
    from tfface.data.synthetic.scene import FaceGenerator
    from tfface.io.image import write_image
    from tfface.viz.sheet import contact_sheet

    settings = replace(SyntheticSettings(image_size=options.size, level=2, glasses=0.0).clean(), hanging_beard=0.0)
    generator = FaceGenerator(settings)
    options.out.mkdir(parents=True, exist_ok=True)
    people = [photograph(generator, generator.person(options.seed + i), 20.0, 0.0) for i in range(64)]
    sheet = contact_sheet(people, columns=16, cell=options.size, gap=0)
    write_image(options.out / "face_model_people.jpg", sheet)
    columns = list(expression_columns(generator, options.seed))
    write_image(options.out / "face_model_expressions.jpg", np.concatenate(columns, axis=1))
    return 0


def expression_columns(generator: FaceGenerator, seed: int) -> Iterator[NDArray[np.uint8]]:
    """For each expression three people from all sides, below each other."""
    from tfface.face.expressions import shutting_weights, without_side

    names = generator.face.expression_names
    for units in EXPRESSIONS.values():
        faces = []
        for person in range(3):
            weights = np.array([units.get(name, units.get(without_side(name), 0.0)) for name in names], np.float32)
            if "eyeBlink" in units:
                blinks = [names.index("eyeBlinkLeft"), names.index("eyeBlinkRight")]
                weights[blinks] = shutting_weights(generator.face, generator.person(seed + person).identity)
            one = generator.person(seed + person, weights)
            faces += [photograph(generator, one, yaw, pitch) for yaw, pitch in VIEWS_DEG]
        yield np.concatenate(faces)


def photograph(generator: FaceGenerator, person: Person, yaw: float, pitch: float) -> NDArray[np.uint8]:
    """The person before a grey wall, a metre away."""
    from tfface.geometry.camera import Camera
    from tfface.geometry.rotation import euler_to_matrix

    size = generator.settings.image_size
    turn = euler_to_matrix(*np.radians([float(yaw), float(pitch), 0.0]))
    camera = Camera(turn, 4.4 * size, 1000.0, np.array([0.5, 0.48]) * size, generator.face.centre)
    radiance, visible, _, brightness = generator.render(person, camera)
    picture = radiance * (0.3 / max(brightness, 0.01)) + 0.5 * (1 - visible[..., None])
    return np.asarray(np.clip(picture, 0, 1) ** (1 / 2.2) * 255, np.uint8)


if __name__ == "__main__":
    raise SystemExit(run(main))
