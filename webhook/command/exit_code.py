"""The exit codes of every command, stated once: the help, docs/command_line.md and docs/doctor.md are written from here."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

import msgspec


class ExitCodeRow(msgspec.Struct, frozen=True):
    """An exit code in words.

    Args:
        code: From 0 to 4.
        sentence: What it means.

    """

    code: int
    sentence: str


class ExitCode(IntEnum):
    """How a command ended."""

    row: ExitCodeRow

    def __new__(cls, row: ExitCodeRow) -> Self:
        """Take the row's code as the value."""
        member = int.__new__(cls, row.code)
        member._value_ = row.code
        member.row = row
        return member

    DONE = ExitCodeRow(0, "Done. doctor found no problem, but may have notes and warnings.")
    BUG = ExitCodeRow(1, "A bug in airflow-sidecar-webhook: please report it.")
    UNUSABLE = ExitCodeRow(2, "An argument, file, setting, certificate, kubeconfig or API server cannot be used; stderr names it.")
    PROBLEM = ExitCodeRow(
        3,
        "doctor found at least one problem, explain a pod that stays Running after its task, or reaper left a pod to a person or met a "
        "problem; stdout names it.",
    )
    INCOMPLETE = ExitCodeRow(
        4,
        "doctor found no problem, but could not make every check, or report could not read everything; stdout says which, and what is "
        "missing.",
    )

    @property
    def word(self) -> str:
        """The same for scripts, as the first word of a line."""
        return "ok" if self is ExitCode.DONE else self.name.lower()

    @property
    def sentence(self) -> str:
        """What it means."""
        return self.row.sentence
