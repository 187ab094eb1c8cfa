"""Time the rasteriser against numba's and tensorflow-graphics' own: `python benchmarks/render.py`.

Every case renders six attributes of a piece of the open head, in a process of its own, so that peak memory is its own:

- `ours`: rasterise and interpolate, the whole step under XLA;
- `smooth`: the same with antialiased silhouettes;
- `graph`: as `ours`, but only the rasteriser under XLA;
- `numba`: `tfface.geometry.raster` in `tf.numpy_function`, our interpolation (no XLA, no GPU);
- `kernel`: tensorflow-graphics' C++ kernel finds the triangles, our interpolation;
- `tfg`: tensorflow-graphics' `triangle_rasterizer` on that kernel;
- `splat`: its rasterize-then-splat (one layer, four attributes), whose silhouettes have gradients as those of `smooth`.

The wheel's compiled kernel does not load into current TensorFlow, so the last three compile its source, which the wheel
brings, into a temporary folder; without a C++ compiler they are left out.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfface import cli
from tfface.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

PEERS = ("ours", "smooth", "graph", "numba", "kernel", "tfg", "splat")
NEED_KERNEL = ("kernel", "tfg", "splat")
DISTANCE_MM = 900.0
CHANNELS = 6
SPLAT_CHANNELS = 4
"""It renders colour and opacity, nothing else."""


@dataclass(frozen=True)
class Options:
    """Milliseconds an image, forward and with gradient, and peak memory."""

    peers: tuple[str, ...] = PEERS
    """Which to time: ours, smooth, graph, numba, kernel, tfg, splat."""
    sizes: tuple[int, ...] = (224, 512)
    """Sides of the pictures in pixels."""
    batches: tuple[int, ...] = (1, 8)
    """Pictures at a time."""
    triangles: tuple[int, ...] = (17_500, 70_000)
    """Sizes of the mesh (122,000 at most)."""
    threads: int = 2
    """Threads that TensorFlow computes with."""
    seconds: float = 4.0
    """How long each measurement is repeated."""


@dataclass(frozen=True)
class Case:
    """One process's work."""

    peer: str
    size: int
    batch: int
    triangles: int
    threads: int
    seconds: float
    kernel: str


def compile_kernel(folder: Path) -> str:
    """tensorflow-graphics' rasteriser compiled from the wheel's source; its path, "" without a compiler."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return ""
    code = (
        "import tensorflow as tf, tensorflow_graphics as g, pathlib, json;"
        "print(json.dumps([str(pathlib.Path(g.__file__).parent / 'rendering' / 'kernels'),"
        "tf.sysconfig.get_compile_flags(), tf.sysconfig.get_link_flags()]))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    source, compile_flags, link_flags = json.loads(printed.strip().splitlines()[-1])
    library = folder / "rasterizer_op.so"
    files = [f"{source}/rasterize_triangles_{part}.cc" for part in ("impl", "op")]
    flags = ["-std=c++17", "-shared", "-fPIC", "-O3", "-w", *compile_flags, f"-I{source}"]
    subprocess.run([compiler, *flags, *files, "-o", str(library), *link_flags], check=True)
    return str(library)


class Scene:
    """A piece of the head in a few poses: eye-space vertices, homogeneous pixels, attributes, weights of the loss."""

    def __init__(self, case: Case) -> None:
        import numpy as np
        import tensorflow as tf

        from tfface.face.open_model import load_open_face
        from tfface.render import camera

        face, rng = load_open_face(), np.random.default_rng(0)
        surface = face.head(2)
        vertices = surface.vertices(face.mean) - np.asarray(face.centre, np.float32)
        middle = vertices[surface.triangles].mean(1) - [0, 0, 80]
        nearest = np.sort(np.argsort((middle**2).sum(1))[: case.triangles])
        used, triangles = np.unique(surface.triangles[nearest], return_inverse=True)
        self.triangles: np.ndarray[Any, Any] = triangles.reshape(-1, 3).astype(np.int32)
        turned = camera.euler_matrix(tf.constant(rng.uniform(-0.5, 0.5, (case.batch, 3)), tf.float32))
        self.focal, self.size = 4.0 * case.size, case.size
        batch = np.repeat(vertices[None, used], case.batch, axis=0)
        self.eye = camera.face_camera(tf.constant(batch), turned, self.focal, DISTANCE_MM, self.centre).eye
        self.attributes = tf.constant(rng.random((case.batch, len(used), CHANNELS)), tf.float32)
        self.weights = tf.constant(rng.random((case.batch, case.size, case.size, CHANNELS)), tf.float32)

    @property
    def reversed(self) -> np.ndarray[Any, Any]:
        """The triangles wound as tensorflow-graphics wants its fronts in this picture."""
        return self.triangles[:, ::-1].copy()

    @property
    def centre(self) -> list[float]:
        """The picture's middle in pixels."""
        return [self.size / 2, self.size / 2]

    def view(self, eye: tf.Tensor) -> Any:
        """The camera's `View` of eye-space vertices."""
        from tfface.render import camera

        return camera.pinhole(eye, self.focal, self.centre, DISTANCE_MM)

    def to_clip(self) -> np.ndarray[Any, Any]:
        """Eye space to clip space `[4,4]`, for tensorflow-graphics; row 0 of its pictures is y = -1, as v is here."""
        import numpy as np

        from tfface.render.camera import FAR, NEAR

        near, far, scale = NEAR * DISTANCE_MM, FAR * DISTANCE_MM, 2 * self.focal / self.size
        depth = [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)]
        return np.array([[scale, 0, 0, 0], [0, -scale, 0, 0], depth, [0, 0, -1, 0]], np.float32)


def _load_kernel(path: str) -> Any:
    """Load the compiled kernel and hand it to tensorflow-graphics in place of its own."""
    import tensorflow as tf

    library = tf.load_op_library(path)
    sys.modules["tensorflow_graphics.rendering.kernels.gen_rasterizer_op"] = library
    return library


def _numba_ids(scene: Scene) -> Callable[[tf.Tensor], tf.Tensor]:
    import numpy as np
    import tensorflow as tf

    from tfface.geometry import raster

    def find(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        pixels = points[..., :3] / points[..., 3:] * np.float32([1, 1, -1])
        return np.stack([raster.rasterize(one, scene.triangles, scene.size, scene.size)[0] for one in pixels])

    def call(points: tf.Tensor) -> tf.Tensor:
        ids = tf.numpy_function(find, [points], tf.int32)
        return tf.ensure_shape(ids, [points.shape[0], scene.size, scene.size])

    return call


def _kernel_ids(scene: Scene, path: str) -> Callable[[tf.Tensor], tf.Tensor]:
    import tensorflow as tf

    library = _load_kernel(path)

    def call(points: tf.Tensor) -> tf.Tensor:
        size = float(scene.size)
        x, y, z, w = tf.unstack(points, axis=-1)
        clip = tf.stack([2 / size * x - w, 2 / size * y - w, z, w], axis=-1)
        pictures = []
        for one in tf.unstack(clip):
            _, ids, depth = library.rasterize_triangles(one, scene.reversed, scene.size, scene.size, 1, 1)
            pictures.append(tf.ensure_shape(tf.where(depth[0] < 1.0, ids[0], -1), [scene.size] * 2))
        return tf.stack(pictures)

    return call


def _tfg(scene: Scene, path: str) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    import tensorflow as tf

    _load_kernel(path)
    from tensorflow_graphics.rendering import rasterization_backend, triangle_rasterizer

    matrix = tf.repeat(scene.to_clip()[None], len(scene.eye), axis=0)

    def render(eye: tf.Tensor, attributes: tf.Tensor) -> tf.Tensor:
        cpu, size = rasterization_backend.RasterizationBackends.CPU, (scene.size, scene.size)
        values = {"values": attributes}
        return triangle_rasterizer.rasterize(eye, scene.reversed, values, matrix, size, backend=cpu)["values"]

    return render


def _splat(scene: Scene, path: str) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    import tensorflow as tf

    _load_kernel(path)
    from tensorflow_graphics.rendering import splat

    matrix = tf.repeat(scene.to_clip()[None], len(scene.eye), axis=0)

    def render(eye: tf.Tensor, attributes: tf.Tensor) -> tf.Tensor:
        values, size = {"values": attributes[..., :SPLAT_CHANNELS]}, (scene.size, scene.size)
        return splat.rasterize_then_splat(eye, scene.reversed, values, matrix, size, lambda seen: seen["values"])

    return render


def _ours(scene: Scene, ids: Callable[[tf.Tensor], tf.Tensor], smooth: bool) -> Callable[..., tf.Tensor]:
    """A renderer that interpolates in our way, whichever rasteriser finds the triangles."""
    import tensorflow as tf

    from tfface.render.interpolate import framebuffer_of, interpolate
    from tfface.render.silhouette import antialias, edge_neighbours

    neighbours = edge_neighbours(scene.triangles)

    def render(eye: tf.Tensor, attributes: tf.Tensor) -> tf.Tensor:
        view = scene.view(eye)
        framebuffer = framebuffer_of(ids(view.points), view.points, scene.triangles)
        if not smooth:
            return interpolate(attributes, framebuffer)
        picture = interpolate(tf.concat([attributes, -eye[..., 2:]], axis=-1), framebuffer)
        mesh = tf.constant(scene.triangles), tf.constant(neighbours)
        jump = 4 * view.pixel_size
        return antialias(picture[..., :-1], view.points, framebuffer, picture[..., -1:], jump, *mesh)

    return render


def renderer(case: Case, scene: Scene) -> tuple[Callable[..., tf.Tensor], Callable[[tf.Tensor], tf.Tensor] | None]:
    """The function that a case times, and the one that finds its triangles."""
    from tfface.render.rasterize import triangle_ids

    if case.peer in ("tfg", "splat"):
        return {"tfg": _tfg, "splat": _splat}[case.peer](scene, case.kernel), None
    if case.peer == "numba":
        ids = _numba_ids(scene)
    elif case.peer == "kernel":
        ids = _kernel_ids(scene, case.kernel)
    else:

        def ids(points: tf.Tensor) -> tf.Tensor:
            return triangle_ids(points, scene.triangles, scene.size, cull=True)

    return _ours(scene, ids, case.peer == "smooth"), ids


def _median_ms(call: Callable[[], Any], case: Case) -> tuple[float, float]:
    """Milliseconds an image of wall time and of CPU time, each the median."""
    call()
    call()
    wall, cpu, start = [], [], time.perf_counter()
    while len(wall) < 3 or time.perf_counter() - start < case.seconds:
        before = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - before[0])
        cpu.append(time.process_time() - before[1])
    middle = len(wall) // 2
    return sorted(wall)[middle] * 1e3 / case.batch, sorted(cpu)[middle] * 1e3 / case.batch


def run(case: Case) -> dict[str, float]:
    """Measure one case in this process."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(case.threads)
    tf.config.threading.set_inter_op_parallelism_threads(case.threads)
    scene = Scene(case)
    render, ids = renderer(case, scene)
    expected = _numba_ids(scene)(scene.view(scene.eye).points)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    compiled = case.peer in ("ours", "smooth")
    forward = tf.function(render, jit_compile=compiled)

    @tf.function(jit_compile=compiled)
    def gradient(eye: tf.Tensor, attributes: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([eye, attributes])
            picture = render(eye, attributes)
            loss = tf.reduce_sum(picture * scene.weights[..., : picture.shape[-1]])
        return tape.gradient(loss, [eye, attributes])

    forward_ms, _ = _median_ms(lambda: forward(scene.eye, scene.attributes).numpy(), case)
    gradient_ms, cpu_ms = _median_ms(lambda: [part.numpy() for part in gradient(scene.eye, scene.attributes)], case)
    result = {
        "forward_ms": forward_ms,
        "gradient_ms": gradient_ms,
        "gradient_cpu_ms": cpu_ms,
        "memory_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }
    if ids is not None:
        found = ids(scene.view(scene.eye).points)
        result["ids_unlike_numba"] = float(tf.reduce_sum(tf.cast(found != expected, tf.float32))) / case.batch
    return result


def _measure(case: Case) -> dict[str, float]:
    """`run(case)` in a process of its own."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, "--case", json.dumps(asdict(case))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{case} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


COLUMNS = ("triangles", "pixels", "batch", "peer", "forward", "+gradient", "times ours", "CPU", "MiB", "ids unlike")


def _print_cases(cases: list[Case]) -> None:
    """Measure the peers of one setting and print a row for each."""
    ours = None
    for case in cases:
        found = _measure(case)
        ours = found["gradient_ms"] if case.peer == "ours" else ours
        row = [case.triangles, case.size, case.batch, case.peer]
        row += [f"{found['forward_ms']:.1f}", f"{found['gradient_ms']:.1f}"]
        row += [f"{found['gradient_ms'] / ours:.1f}" if ours else "-", f"{found['gradient_cpu_ms']:.1f}"]
        row += [f"{found['memory_mib']:.0f}", f"{found.get('ids_unlike_numba', float('nan')):.1f}"]
        print(" ".join(f"{value:>10}" for value in row), flush=True)


def report(options: Options, kernel: str) -> None:
    """Measure all settings: how the cost grows with triangles, pixels and batch, and how the peers do."""
    print(" ".join(f"{name:>10}" for name in COLUMNS))
    peers = [peer for peer in options.peers if kernel or peer not in NEED_KERNEL]
    for triangles, size, batch in product(options.triangles, options.sizes, options.batches):
        _print_cases([Case(p, size, batch, triangles, options.threads, options.seconds, kernel) for p in peers])
    print("Milliseconds an image, medians: forward, with gradient, that as CPU time. Peak memory beyond the scene's.")
    print(f"Pixels an image whose triangle is not numba's. Load average at the end {os.getloadavg()[0]:.1f}.")


def main(argv: list[str] | None = None) -> int:
    """Prints the table; 0.

    Raises:
        UserError: a peer that is none.
    """
    if argv and argv[0] == "--case":
        print(json.dumps(run(Case(**json.loads(argv[1])))))
        return 0
    import tyro

    options = tyro.cli(Options, args=argv, description=__doc__)
    unknown = set(options.peers) - set(PEERS)
    if unknown:
        raise UserError(f"There is no peer {sorted(unknown)[0]!r}: choose from {', '.join(PEERS)}.")
    with tempfile.TemporaryDirectory() as folder:
        wanted = set(NEED_KERNEL) & set(options.peers)
        report(options, compile_kernel(Path(folder)) if wanted else "")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main, sys.argv[1:]))
