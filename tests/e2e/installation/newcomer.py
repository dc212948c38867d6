"""Whoever follows a page word for word: its commands, typed in a shell that has Helm, kubectl and a cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testbed import binaries
from tests.e2e.installation.installation import SECONDS

if TYPE_CHECKING:
    from tests.e2e.installation.installation import Installation
    from tests.e2e.node.namespace import PodNamespace

ROOT: Final = Path(__file__).parents[3]
PUSHED: Final = r"docker build --tag (\S+) \. && docker push \1"


def blocks(page: str, heading: str) -> list[str]:
    """The commands below a heading of a page, up to the next heading."""
    _, _, rest = (ROOT / page).read_text("utf-8").partition(f"# {heading}\n")
    return re.findall(r"^```sh\n(.*?)^```", re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE | re.DOTALL)


def programs(installation: Installation, folder: Path) -> dict[str, str]:
    """Environment variables with Helm and kubectl, as links in a folder, the checkout's own programs, and the cluster's kubeconfig."""
    for program in (binaries.HELM, binaries.KUBECTL):
        (folder / program.name).symlink_to(binaries.find(program))
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "KUBECONFIG": str(installation.level.server.kubeconfig)}


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A newcomer at a shell.

    There is no registry here: instead of a build and a push, the image is tagged on the node with the name that they would have given it.

    Args:
        installation: The cluster; nothing is installed at first.
        tasks: The namespace of Airflow's tasks.
        programs: The environment variables.

    """

    installation: Installation
    tasks: PodNamespace
    programs: dict[str, str]

    def type_in(self, commands: str, folder: Path = ROOT, version: str = "") -> str:
        """Run the commands in a shell in a folder, with this VERSION; their output. CalledProcessError."""
        return self._shell(self._as_if_pushed(commands.replace("VERSION", version)), folder, check=True).stdout

    def doctor(self) -> list[str]:
        """The problems that the doctor finds."""
        done = self._shell("airflow-sidecar-webhook doctor --namespace NAMESPACE --output json", ROOT, check=False)
        findings = json.loads(done.stdout)["findings"]
        problems = [finding["id"] for finding in findings if finding["severity"] == "problem"]
        assert done.returncode == (3 if problems else 0)
        return problems

    def _as_if_pushed(self, commands: str) -> str:
        pushed = re.search(PUSHED, commands)
        if not pushed:
            return commands
        name = self._shell(f"{commands[: pushed.start()]}\necho {pushed[1]}", ROOT, check=True).stdout.strip()
        self.installation.level.node.ctr("images", "tag", "--force", self.installation.image, name)
        return commands.replace(pushed[0], "")

    def _shell(self, commands: str, folder: Path, *, check: bool) -> subprocess.CompletedProcess[str]:
        script = re.sub(r"\bNAMESPACE\b", self.tasks.name, commands)
        command = ["sh", "-ec", script]
        return subprocess.run(command, cwd=folder, env=self.programs, check=check, stdout=subprocess.PIPE, text=True, timeout=SECONDS)
