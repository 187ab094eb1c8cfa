"""The pages as people use them, in headless Chromium: the report, the viewer, and `tfface app` from upload to download.

Runs where Playwright (`pip install playwright`) and a `chromium` in the PATH are; the page also needs `tfface[app]`.
`--basetemp DIR` keeps the screenshots, for eyes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import trimesh

from tests.effects.heads import photographed
from tfface.io.formats import FileOptions
from tfface.io.image import write_image
from tfface.report.page import write_report
from tfface.view import write_view

pytestmark = pytest.mark.slow
WINDOW = {"width": 1100, "height": 900}
SCREEN = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium in the PATH: apt-get install chromium")
    with driver.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=list(SCREEN))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faces' results; `her` smiles and looks aside."""
    folder = tmp_path_factory.mktemp("pages")
    options = FileOptions(level=0, formats=("obj", "png"), texture_size=256)
    for name, yaw, smile in (("her", 20.0, 0.8), ("other", 0.0, 0.0)):
        write_image(folder / "photos" / f"{name}.png", photographed(yaw, smile).image)
        photographed(yaw, smile).save(folder, name, files=options)
    return folder


@contextmanager
def opened(chromium: Any, file: Path, fragment: str = "") -> Iterator[Any]:
    """A page of a file; in the end nothing was complained of, and nothing else was fetched."""
    page = chromium.new_page(viewport=WINDOW)
    errors: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda each: asked.append(each.url))
    page.goto(file.resolve().as_uri() + fragment)
    yield page
    page.screenshot(path=file.with_suffix(".png"))
    page.close()
    assert not errors, errors
    assert not [each for each in asked if not each.startswith(("file:", "data:"))]


def seen(page: Any) -> np.ndarray:
    """What the mesh's canvas shows, when its textures are there."""
    page.wait_for_timeout(500)
    data = np.frombuffer(page.locator("canvas").screenshot(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), int)


def covered(picture: np.ndarray) -> np.ndarray:
    """Where it is not the ground's colour, which its corner has."""
    return np.asarray(np.abs(picture - picture[2, 2]).max(-1) > 20)


def moved(before: np.ndarray, after: np.ndarray) -> float:
    """The share of the picture that changed."""
    return float((np.abs(before - after).max(-1) > 20).mean())


def slide(page: Any, label: str, value: float) -> None:
    """Moves a slider as a hand does."""
    slider = page.locator("label", has=page.get_by_text(label, exact=True)).locator("input")
    if not slider.count():
        slider = page.locator("label").filter(has_text=label).locator("input").first
    slider.evaluate("(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value)


def test_a_reports_mesh_is_shown_and_turns_under_the_mouse(chromium: Any, folder: Path) -> None:
    pairs = [(folder / "photos" / f"{name}.png", name) for name in ("her", "other")]
    path = write_report(folder, pairs, ["gone.jpg: no face was found"], "two people")
    with opened(chromium, path, "#her") as page:
        assert page.locator("article").count() == 2 and page.get_by_text("gone.jpg: no face was found").count()
        before = seen(page)
        assert 0.1 < covered(before).mean() < 0.9
        box = page.locator("canvas").bounding_box()
        page.mouse.move(box["x"] + 100, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 180, box["y"] + 100, steps=4)
        page.mouse.up()
        assert moved(before, seen(page)) > 0.05
        page.fill("#search", "oth")
        assert page.locator("article h2").all_inner_texts() == ["other"]


def test_a_viewers_sliders_move_the_mouth_the_light_and_the_shape(chromium: Any, folder: Path) -> None:
    with opened(chromium, write_view(folder / "her.json")) as page:
        first = seen(page)
        slide(page, "jawOpen", 1.0)
        mouth_open = seen(page)
        assert moved(first, mouth_open) > 0.01
        page.get_by_role("button", name="as photographed").click()
        assert moved(first, seen(page)) < 1e-3
        slide(page, "light", 1.0)
        assert moved(first, seen(page)) > 0.05
        slide(page, "light", 0.15)
        slide(page, "shape 1", 2.0)
        assert moved(first, seen(page)) > 0.02


def test_the_page_from_upload_to_download(chromium: Any, repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="no Gradio: pip install 'tfface[app]'")
    portraits = pytest.importorskip("skimage.data", reason="no portrait: pip install scikit-image")
    write_image(tmp_path / "portrait.png", portraits.astronaut())
    command = [sys.executable, "scripts/draw_app.py", str(tmp_path / "portrait.png"), str(tmp_path / "page.jpg")]
    downloads = tmp_path / "downloads"
    done = subprocess.run([*command, str(downloads)], cwd=repository, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "asked of other machines: nothing" in done.stdout
    kinds = {path.suffix for path in downloads.iterdir()}
    assert kinds == {".glb", ".obj", ".mtl", ".png", ".json"}
    head = trimesh.load_scene(downloads / "portrait.glb")
    assert {"skin", "eye_left", "tongue"} <= set(head.geometry)
    assert 0.2 < np.ptp(head.bounds, axis=0)[1] < 0.4  # metres
    assert (tmp_path / "page.jpg").is_file()
