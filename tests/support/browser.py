"""A real browser on this machine: Chromium, without a window, driven by its own driver."""

from __future__ import annotations

import base64
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OFFLINE: Final = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""It looks for updates and synchronises otherwise, whatever page it shows."""


class Browser:
    """What the tests of a page do with it."""

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    def show(self, file: Path, width: int, scheme: str) -> None:
        """Open a page in a window of this width, for a user who has chosen ``light`` or ``dark``."""
        self.visit(file.as_uri(), width, scheme)

    def visit(self, address: str, width: int, scheme: str) -> None:
        """The same for a page by its address."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self._driver.get(address)

    def forget(self) -> None:
        """Empty its cache."""
        self._driver.execute_cdp_cmd("Network.clearBrowserCache", {})

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript on the page."""
        return self._driver.execute_script(f"return {script}")

    def complaints(self) -> list[str]:
        """What the browser wrote to its console since the last call: what it refused to load, for example."""
        return [entry["message"] for entry in self._driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def whole_picture(self, file: Path, scale: float) -> None:
        """Write the whole page as PNG, with so many dots for each of its points."""
        size = self.run("[document.body.offsetWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": scale}
        taken = self._driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip})
        file.write_bytes(base64.b64decode(taken["data"]))

    def picture(self, file: Path) -> None:
        """Write what is shown as PNG."""
        self._driver.save_screenshot(str(file))


@contextmanager
def browser(directory: Path) -> Iterator[Browser]:
    """A browser with an empty profile; without one the test is skipped, with the remedy."""
    programs = [shutil.which("chromium"), shutil.which("chromedriver")]
    if None in programs:
        pytest.skip("there is no chromium with chromedriver: on Debian apt-get install chromium chromium-driver")
    chromium, driver = programs
    options = ChromeOptions()
    options.binary_location = str(chromium)
    # As root, in a container, it has no sandbox; it shows the pages of these tests alone.
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={directory / 'profile'}", *OFFLINE):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = Chrome(options, Service(str(driver)))
    try:
        yield Browser(opened)
    finally:
        opened.quit()
