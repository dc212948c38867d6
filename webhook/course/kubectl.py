"""Lines of kubectl about one pod, to paste into a POSIX shell."""

from __future__ import annotations

import shlex
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from webhook.reaper.act import DeadlineAct, ExecAct, QuitAct

if TYPE_CHECKING:
    from webhook.reaper.act import Act

CONNECT: Final = "--silent --retry 5 --retry-delay 1 --retry-connrefused"
"""Options of curl: kubectl listens some tenths of a second after its start."""

SHOW_STATUS: Final = r"--write-out ' HTTP %{http_code}\n'"
"""An option of curl: it prints the status of the answer, 000 if there was none."""

LOCAL_PORTS: Final = range(20000, 30000)
"""Below the ports of NodePorts and of outgoing connections (the kernel's ip_local_port_range begins at 32768)."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl, and the pod that it is about.

    Args:
        context: Of the kubeconfig; None: the current one.
        namespace: The pod's.
        pod: The pod's name.

    """

    context: str | None
    namespace: str
    pod: str

    def perform(self, act: Act) -> str:
        """The line that does what the reaper would do."""
        match act:
            case QuitAct(endpoint=endpoint):
                forward = self._line("port-forward", f"pod/{self.pod}", f"{self._local_port}:{endpoint.port}")
                url = shlex.quote(f"http://127.0.0.1:{self._local_port}{endpoint.path}")
                return f"{forward} & curl {CONNECT} {SHOW_STATUS} --request {endpoint.method} {url}; kill $!"
            case ExecAct(container=container, command=command):
                return self._line("exec", self.pod, "--container", container, "--", "/bin/sh", "-c", command)
            case DeadlineAct(seconds=seconds):
                patch = f'{{"spec":{{"activeDeadlineSeconds":{seconds}}}}}'
                return self._line("patch", "pod", self.pod, "--type", "merge", "--patch", patch)
            case _:
                assert_never(act)

    def show_log(self, container: str) -> str:
        """The line that shows the end of a container's log."""
        return self._line("logs", self.pod, "--container", container, "--tail", "20")

    def describe(self) -> str:
        """The line that shows the pod's containers and Events."""
        return self._line("describe", "pod", self.pod)

    def delete(self) -> str:
        """The line that deletes the pod."""
        return self._line("delete", "pod", self.pod)

    @property
    def _local_port(self) -> int:
        """One of this pod alone: behind a shared one, another pod's port-forward might listen, and its sidecar would get the request."""
        return LOCAL_PORTS[zlib.crc32(f"{self.context}/{self.namespace}/{self.pod}".encode(errors="surrogatepass")) % len(LOCAL_PORTS)]

    def _line(self, *words: str) -> str:
        context = ("--context", self.context) if self.context else ()
        return shlex.join(("kubectl", *context, "--namespace", self.namespace, *words))
