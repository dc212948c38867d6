"""What is read again of the status that an earlier review of a pod wrote; a pod that is created again from a treated one has one, too."""

from __future__ import annotations

from typing import Final

import msgspec

from webhook.core.names import STATUS_ANNOTATION
from webhook.core.reasons import Treatment

MAX_STATUS_CHARACTERS: Final = 32 * 1024
"""A longer one was not written by the webhook: a pod has 64 containers at most."""

MAX_RECORDED_CHARACTERS: Final = 64
"""A longer reason or version was not written by the webhook."""


class RecordedStatus(msgspec.Struct, frozen=True):
    """The members of a status that people read of a pod that lives; see `webhook.core.status.Status`."""

    treatment: str | None = None
    reason: str | None = None
    entrypoint: str | None = None
    version: str = ""

    @property
    def is_audited(self) -> bool:
        """Whether the review changed nothing."""
        return self.treatment == Treatment.AUDITED


class EarlierStatus(RecordedStatus, frozen=True):
    """The members that are read again; see `webhook.core.status.Status`."""

    main: str | None = None
    sidecars: dict[str, str] = {}
    restored: tuple[str, ...] = ()
    converted: tuple[str, ...] = ()

    def was_native(self, name: str) -> bool:
        """Whether this container was native (`webhook.core.container_end.ContainerEnd.NATIVE`)."""
        return self.sidecars.get(name) == "native"


NO_STATUS: Final = EarlierStatus()
_STATUS: Final = msgspec.json.Decoder(EarlierStatus)


def read_earlier_status(annotations: dict[str, str]) -> EarlierStatus:
    """The status of an earlier review; an empty one where there is none that can be read."""
    status = _read(annotations)
    # What an audit would have done to containers was not done.
    return msgspec.structs.replace(status, sidecars={}, restored=(), converted=()) if status.is_audited else status


def read_recorded_sidecars(annotations: dict[str, str]) -> dict[str, str]:
    """By name, how each sidecar ends as the status of a pod says; of an audited pod, how it would."""
    return _read(annotations).sidecars


def _read(annotations: dict[str, str]) -> EarlierStatus:
    text = annotations.get(STATUS_ANNOTATION)
    if text is None or len(text) > MAX_STATUS_CHARACTERS:
        return NO_STATUS
    try:
        return _STATUS.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return NO_STATUS


def read_recorded_status(annotations: dict[str, str]) -> RecordedStatus:
    """What people read of the status of a pod, each word cut: whoever may change the pod may write any, and the reaper keeps it."""
    earlier = read_earlier_status(annotations)
    version = earlier.version[:MAX_RECORDED_CHARACTERS]
    return RecordedStatus(_cut(earlier.treatment), _cut(earlier.reason), _cut(earlier.entrypoint), version)


def _cut(word: str | None) -> str | None:
    return None if word is None else word[:MAX_RECORDED_CHARACTERS]
