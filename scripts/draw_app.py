"""Drives `tfface app` in headless Chromium, from a dropped file to its downloads.

`python scripts/draw_app.py FILE OUT.jpg [DIR]`: FILE is a photograph or a video. It says what was downloaded (into DIR,
where it is given) and whether the page asked another machine for anything, and writes a picture of the page. Needs
`tfface[app]`, Playwright (`pip install playwright`) and a Chromium in the PATH.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
from playwright.sync_api import Page, sync_playwright

from tfface.app import HOST
from tfface.errors import UserError
from tfface.io.image import read_image, write_image

WINDOW, SHOWN_SECONDS, MOST_MS = {"width": 1300, "height": 1150}, 20, 600_000
SCREEN = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as tried:
        tried.bind((HOST, 0))
        return int(tried.getsockname()[1])


def until_it_listens(port: int, server: subprocess.Popen[bytes]) -> None:
    """Waits for the page's server."""
    while True:
        if server.poll() is not None:
            raise UserError("`tfface app` ended; its own sentence stands above.")
        with socket.socket() as tried:
            if tried.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.5)


def used(page: Page, dropped: Path, room: Path) -> list[str]:
    """Drops the file, waits for the results and downloads each; what they are called, and their bytes."""
    page.set_input_files("input[type=file]", dropped)
    page.get_by_text(dropped.name[:8]).first.wait_for(timeout=MOST_MS)
    page.get_by_role("button", name="Reconstruct").click()
    page.wait_for_selector('a[download$=".glb"]', timeout=MOST_MS)
    lines = []
    for link in page.locator("a[download]").all():
        with page.expect_download(timeout=MOST_MS) as waiting:
            link.evaluate("link => link.click()")
        saved = room / waiting.value.suggested_filename
        waiting.value.save_as(saved)
        lines.append(f"{saved.name} {saved.stat().st_size}")
    page.wait_for_timeout(1000 * SHOWN_SECONDS)
    return lines


def main(dropped: Path, picture: Path, downloads: Path | None = None) -> None:
    """Serves, drops, downloads, draws."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "tfface.app", "--port", str(port)])
    try:
        until_it_listens(port, server)
        with sync_playwright() as driver, tempfile.TemporaryDirectory() as room:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=list(SCREEN))
            page = browser.new_page(viewport=WINDOW)
            page.set_default_timeout(MOST_MS)
            own, asked = f"http://{HOST}:{port}", list[str]()
            page.on("request", lambda each: asked.append(each.url))
            page.goto(own, wait_until="domcontentloaded")
            page.wait_for_selector("input[type=file]", state="attached")
            print(*used(page, dropped, downloads or Path(room)), sep="\n")
            page.screenshot(path=Path(room) / "page.png", full_page=True)
            shown = read_image(Path(room) / "page.png")
            browser.close()
        small = cv2.resize(shown, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
        write_image(picture, small, result=True)
        foreign = [each for each in asked if not each.startswith((own, "blob:", "data:"))]
        print(f"asked of other machines: {', '.join(foreign) or 'nothing'}")
    finally:
        server.terminate()
        server.wait(60)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
