"""How a wrapped task differs from the same task without the wrapper. Apart from the process ids of the task and its parent, this is all."""

from __future__ import annotations

from typing import Final

_IGNORED: Final = {
    "SIGINT ignored": "A background child of this shell starts with SIGINT ignored, and the shell cannot restore the default (POSIX XCU 2.12).",
    "SIGQUIT ignored": "The same for SIGQUIT. A task that sets its own handlers receives both signals.",
}

DIFFERENCES: Final[dict[str, dict[str, str]]] = {
    "dash-and-bash": {},
    "bash-as-sh": {},
    "dash-alone": _IGNORED,
    "busybox": _IGNORED,
    "busybox-as-helper": _IGNORED,
}
"""By shell image: what differs, under the name that probe.py prints, and why."""

KILLED_PARENT: Final = (
    "In bash a process beside process 1 waits for the task. A task that kills all other processes kills it too; the task runs on to its end,"
    " but its exit code is lost: 137 is reported, and a line says so."
)
LOCALE_WARNING: Final = (
    "Where sh is bash and LC_ALL or another LC_ variable names a locale that the image does not have, bash warns on stderr as it starts."
)
CLOSED_STDIN: Final = "A task whose stdin was closed gets /dev/null as stdin: a background child of a shell always has one."
EQUALS_SIGN: Final = (
    "A program with = in its name gets the environment that the shell exports, since env would take the name for a variable."
)
OPTIND: Final = "A dash whose environment has an OPTIND that is no number ends with 2 before it reads the script."
PREFERS_ITS_OWN: Final = (
    "A busybox that prefers its own programs to those of PATH (FEATURE_PREFER_APPLETS, as in Debian) is given a path instead of a name: the"
    " program's argv[0] is its path."
)
NO_ENV: Final = (
    "Without an env and a tr in PATH that work, and without PATH, the task gets the environment that the shell exports: variables whose names are not identifiers are lost,"
    " and PWD and the like are added."
)
