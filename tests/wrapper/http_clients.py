"""Images with one HTTP client each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.wrapper.main_container import PYTHON
from tests.wrapper.shell_image import dash_alone, dash_and_bash

if TYPE_CHECKING:
    from tests.wrapper.shell_image import ShellImage

HTTP_CLIENTS: Final = ("bash", "curl", "wget", "python3")


def with_client(client: str, directory: Path) -> ShellImage:
    """An image with this HTTP client only. The images busybox and busybox-as-helper use busybox's wget in all other tests."""
    if client == "bash":
        return dash_and_bash(directory, ())
    if client == "python3":
        made = dash_alone(directory, ())
        Path(made.path, "python3").symlink_to(PYTHON[0])
        return made
    return dash_alone(directory, (client,))
