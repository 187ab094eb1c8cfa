"""Inputs that failed once, kept in a folder of cases: `python -m tests.faults.cases CASES` gives what its README says.

CASES is `../shared/cases` where this project is developed. A case's `make.py` writes its input; where it has none, the
input is made here. Prints a line a case; exit code 1 where one gives something else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from tfface.io.mesh import read_mesh

PLAIN = ("--formats", "obj", "json", "--no-report")


@dataclass(frozen=True)
class Options:
    """Try all cases."""

    cases: tyro.conf.Positional[Path] = Path("../shared/cases")
    """The folder of cases."""
    only: tuple[str, ...] = ()
    """Numbers of cases, such as 03; without them, all."""


class Case:
    """One case: its own files, and an empty folder to work in."""

    def __init__(self, kept: Path, place: Path) -> None:
        self.kept, self.place = kept, place

    def make(self, *arguments: str, script: str = "make.py") -> str:
        """Runs the case's own script; what it printed."""
        ran = subprocess.run([sys.executable, self.kept / script, *arguments], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr[-600:]
        return ran.stdout

    def begin(self, *words: object, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """A command of tfface in a process of its own."""
        command = [sys.executable, *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def ran(self, *words: object, code: int | None = 0) -> str:
        """All that such a command says, which must end with `code` (None: any) and without a traceback."""
        process = self.begin(*words)
        printed = "".join(process.communicate())
        right = code is None or process.returncode == code
        assert right and "Traceback" not in printed, f"exit code {process.returncode}: {printed[-800:]}"
        return printed

    def predict(self, *words: object, code: int | None = 0) -> str:
        return self.ran("-m", "tfface.predict", *words, code=code)


def unreadable_mat(case: Case) -> None:
    for kind in ("html", "flipped", "empty", "pose6", "upper"):
        data, out, good = case.place / kind, case.place / f"{kind}-out", kind == "upper"
        case.make(str(data), kind)
        printed = case.ran("data_tools/convert_300wlp.py", "--data", data, "--out", out, code=0 if good else 1)
        assert ("image2" in printed) != good and f"{4 if good else 3}" in printed, printed
        printed = case.ran(
            *("-m", "tfface.evaluate", "--benchmark", "aflw2000", "--data", data, "--out", out), code=0 if good else 1
        )
        assert ("image2" in printed) != good, printed


def face_model_mat(case: Case) -> None:
    printed = case.make(script="make_and_run.py")
    assert printed.count("ok  ") == 12, printed


def results_overwritten(case: Case) -> None:
    case.make(str(case.place / "in"))
    case.predict(case.place / "in", "--out", case.place / "out", *PLAIN)
    assert len(list((case.place / "out").glob("*.obj"))) == 3


def own_results(case: Case) -> None:
    astronaut(case.place / "a.png")
    for _ in range(2):
        case.predict(case.place, "--out", case.place, "--mesh", "face", "--level", "0")
        assert len(list(case.place.glob("*.obj"))) == 1


def obj_forms(case: Case) -> None:
    printed = case.make(script="make_and_run.py")
    assert printed.count("ok  ") == 5 and any(f"vertex 2: {uv}" in printed for uv in ("[0.0, 1.0]", "[0.0, 0.0]")), (
        printed
    )


def suffix_case(case: Case) -> None:
    """Photographs, a benchmark's points, the meshes of a peer; the other readers look for files in the same way."""
    photo = astronaut(case.place / "in" / "A.JPG")
    case.predict(photo.parent, "--out", case.place / "out", *PLAIN)
    points = json.loads((case.place / "out" / "A.json").read_text())["landmarks68_px"]
    data = case.place / "data"
    astronaut(data / "A.JPG")
    np.savetxt(data / "A.PTS", np.array(points)[:, :2], header="version: 1\nn_points: 68\n{", footer="}", comments="")
    evaluate = ("-m", "tfface.evaluate", "--benchmark", "photos", "--data", data, "--out", case.place / "table")
    assert "A" in case.ran(*evaluate)


def pts_for_fit(case: Case) -> None:
    photo = astronaut(case.place / "face.png")
    case.predict(photo, "--out", case.place / "found", *PLAIN)
    points = np.array(json.loads((case.place / "found" / "face.json").read_text())["landmarks68_px"])[:, :2]
    np.save(case.place / "face.npy", points)
    rows = "".join(f"{u + 0.5} {v + 0.5}\n" for u, v in points)  # 300-W counts pixels from 1
    (case.place / "face.pts").write_text("version: 1\nn_points: 68\n{\n" + rows + "}\n")
    for kind in ("npy", "pts"):
        given = case.place / f"face.{kind}"
        case.ran("-m", "tfface.fit", photo, "--landmarks", given, "--steps", "0", "--out", case.place / kind)
    meshes = [read_mesh(case.place / kind / "face.glb").vertices for kind in ("npy", "pts")]
    assert np.abs(meshes[0] - meshes[1]).max() < 1e-3


def formats(case: Case) -> None:
    photo = astronaut(case.place / "in" / "a.png")
    for kind in ("avif", "mpo", "jp2"):
        Image.open(photo).save(photo.with_name(f"{kind}.{kind}"))
    photo.with_name("b.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
    printed = case.predict(photo.parent, "--out", case.place / "out", *PLAIN, code=1)
    assert sorted(path.stem for path in (case.place / "out").glob("*.obj")) == ["a", "avif", "jp2", "mpo"]
    assert "b.heic" in printed, printed


def moved_sweep(case: Case) -> None:
    case.ran("-m", "pytest", "-q", "tests/tune/test_sweep.py", "-k", "a_killed_worker_and_a_killed_driver")


def false_face(case: Case) -> None:
    printed = case.predict(case.kept / "masked.png", "--out", case.place, *PLAIN, code=None)
    if "no face" in printed.lower():
        return
    ((left, top, right, bottom),) = (json.loads(p.read_text())["box_px"] for p in sorted(case.place.glob("*.json")))
    assert left < 225 < right and top < 122 < bottom, "the face is not where the covered face is"


def first_runs_at_once(case: Case) -> None:
    """Also with the runtime that exports a network into the cache first."""
    photo = astronaut(case.place / "a.png")
    for runtime in ("onnx", "tensorflow"):
        environment = {**os.environ, "TFFACE_CACHE": str(case.place / f"cache-{runtime}")}
        outs = [case.place / f"{runtime}-{number}" for number in range(3)]
        words = [("-m", "tfface.predict", photo, "--out", out, "--runtime", runtime, *PLAIN) for out in outs]
        begun = [case.begin(*each, environment=environment) for each in words]
        printed = [process.communicate() for process in begun]
        assert [process.returncode for process in begun] == [0, 0, 0], printed
        assert len({(out / "a.obj").read_bytes() for out in outs}) == 1


CASES: dict[str, Callable[[Case], None]] = {
    "01-one-unreadable-mat": unreadable_mat,
    "02-face-model-mat": face_model_mat,
    "03-results-overwritten": results_overwritten,
    "04-own-results-read-as-photos": own_results,
    "06-obj-forms": obj_forms,
    "08-suffix-case": suffix_case,
    "09-pts-for-fit": pts_for_fit,
    "10-formats-left-out": formats,
    "11-sweep-moved": moved_sweep,
    "13-false-face": false_face,
    "14-first-runs-at-once": first_runs_at_once,
}


def astronaut(path: Path) -> Path:
    """NASA's portrait (public domain, out of scikit-image) as the picture `path`."""
    import skimage

    picture = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.crop((100, 0, 400, 300)).save(path)
    return path


def main(argv: list[str] | None = None) -> int:
    """Tries the cases; 1 when one fails."""
    options, failed = tyro.cli(Options, args=argv, prog="cases"), 0
    for name, attempt in CASES.items():
        if options.only and name[:2] not in options.only:
            continue
        with tempfile.TemporaryDirectory() as place:
            try:
                attempt(Case(options.cases.resolve() / name, Path(place)))
                print(f"as it must be: {name}", flush=True)
            except Exception as error:
                print(f"FAILED: {name}: {type(error).__name__}: {error}", flush=True)
                failed += 1
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
