"""What a wrapped task sees otherwise than a bare one; nothing else differs, its process id and its parent's aside."""

from __future__ import annotations

from typing import Final

_IGNORED: Final = {
    "SIGINT ignored": "A background child of this shell starts with SIGINT ignored, and the shell cannot give it the default back (POSIX XCU 2.12).",
    "SIGQUIT ignored": "The same for SIGQUIT. A task that sets a handler of its own gets both signals.",
}

DIFFERENCES: Final[dict[str, dict[str, str]]] = {
    "dash-and-bash": {},
    "bash-as-sh": {},
    "dash-alone": _IGNORED,
    "busybox": _IGNORED,
    "busybox-as-helper": _IGNORED,
}
"""Shell, then what differs in it, then why. The names of what differs are those that probe.py prints."""

LOST_SIGNAL: Final = (
    "In dash and busybox a signal that is forwarded in the first fraction of a millisecond of the task's life may be lost: a child that has not"
    " yet left its parent's traps behind takes it and forgets it. The wrapper gives it a moment; about one in a thousand is still lost when"
    " it comes just then. bash loses none: there the task says when it is past that point."
)
CLOSED_STDIN: Final = "A task whose stdin was closed finds /dev/null there: a background child of a shell always has a stdin."
EQUALS_SIGN: Final = "A program with = in its name gets the environment as the shell passes it on: env would take the name for a variable."
NO_ENV: Final = (
    "Without env or tr in PATH the task gets the environment as the shell passes it on: odd names are lost, PWD and the like are new."
)
