"""Lines of kubectl about one pod, to paste into a POSIX shell."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from webhook.reaper.act import DeadlineAct, ExecAct, QuitAct

if TYPE_CHECKING:
    from webhook.reaper.act import Act

FORWARD: Final = """sh -c 'echo $$; exec "$@"' -"""
"""Prints the process id of kubectl, so that the line can end it, and then becomes it."""

IF_FORWARDED: Final = "if read -r pid && read -r word word at word"
"""Reads this id, and ``Forwarding from 127.0.0.1:PORT -> …``. kubectl prints that once it listens, on a port that the kernel has chosen.

A port that the line names itself may be another process's, which would get the request: such as a port-forward to another pod.
"""

SHOW_STATUS: Final = r"--write-out ' HTTP %{http_code}\n'"
"""An option of curl: it prints the status of the answer, 000 if there was none."""


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
                forward = self._line("port-forward", f"pod/{self.pod}", f":{endpoint.port}")
                request = f'curl --silent {SHOW_STATUS} --request {endpoint.method} "http://$at"{shlex.quote(endpoint.path)}'
                return f"{FORWARD} {forward} | {IF_FORWARDED}; then {request}; kill $pid; fi"
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

    def _line(self, *words: str) -> str:
        context = ("--context", self.context) if self.context else ()
        return shlex.join(("kubectl", *context, "--namespace", self.namespace, *words))
