from __future__ import annotations

import json
import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.wrapper.differences import CLOSED_STDIN, DIFFERENCES, LOCALE_WARNING, NO_ENV, OPTIND
from tests.wrapper.fake_sidecar import TIMEOUT_SECONDS, FakeSidecar, Reaction
from tests.wrapper.main_container import PYTHON, container, end_of
from tests.wrapper.messages import NOT_EXECUTED
from tests.wrapper.requirements import require_program, require_root
from tests.wrapper.shell_image import COREUTILS, bash_alone, bash_as_sh, dash_alone, dash_and_bash, helper_that_obeys_path
from webhook.core.shell import SHELLS

if TYPE_CHECKING:
    from tests.wrapper.main_container import Ended, MainContainer
    from tests.wrapper.shell_image import ShellImage

PROBE = [*PYTHON, str(Path(__file__).with_name("probe.py"))]

# Every variable that one of the shells sets, changes or interprets.
NAMES_OF_SHELLS = [
    *("_", "BASHOPTS", "BASHPID", "BASH_ALIASES", "BASH_ARGC", "BASH_ARGV0", "BASH_COMMAND"),
    *("BASH_LOADABLES_PATH", "BASH_SUBSHELL", "BASH_VERSION", "CDPATH", "COLUMNS", "COMP_WORDBREAKS", "COPROC"),
    *("DIRSTACK", "EPOCHREALTIME", "EPOCHSECONDS", "EUID", "EXECIGNORE", "FCEDIT", "FIGNORE"),
    *("FUNCNAME", "FUNCNEST", "GLOBIGNORE", "GROUPS", "HISTCMD", "HISTCONTROL", "HISTFILE", "HISTSIZE"),
    *("HISTTIMEFORMAT", "HOME", "HOSTNAME", "HOSTTYPE", "IFS", "IGNOREEOF", "INPUTRC"),
    *("LINENO", "LINES", "LOGNAME", "MACHTYPE", "MAIL", "MAILCHECK", "MAILPATH"),
    *("MAPFILE", "OLDPWD", "OPTARG", "OPTERR", "OSTYPE", "PIPESTATUS", "POSIXLY_CORRECT"),
    *("PPID", "PROMPT_COMMAND", "PS0", "PS1", "PS2", "PS3", "PS4"),
    *("PWD", "RANDOM", "READLINE_LINE", "REPLY", "SECONDS", "SHELL", "SHLVL"),
    *("SRANDOM", "TERM", "TIMEFORMAT", "TMOUT", "TMPDIR", "UID", "USER"),
    *("auto_resume", "histchars", "child", "code", "host", "status", "http"),
    *(
        "asw_script",
        "asw_nl",
        "asw_seconds",
        "asw_code",
        "asw_vars",
        "asw_name",
        "asw_names",
        "script",
        "name",
        "now",
        "deadline",
        "i",
        "n",
        "pid",
    ),
    *("args", "entry", "line", "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"),
    *("all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "LD_BIND_NOW", "PYTHONPATH", "TZ"),
    *("LANG"),
]

ODD_VARIABLES = {
    b"my.prop": b"1",
    b"A-B": b"a b  c ",
    b"9lives": b"",
    b"spring.lines": b"one\n  two\n\nthree \n",
    b"-u": b"no option",
    b"--": b"neither",
    b"a b": b"a blank in the name",
    b"*": b"*",
    b"$HOME": b"`id` $(id) ${HOME} \\ \" '",
    b"BASH_FUNC_greet%%": b"() {  echo hello\n}",
    b"BASH_FUNC_printf%%": b"() {  echo captured\n}",
    b"BASH_FUNC_kill%%": b"() {  echo captured\n}",
    b"all.bytes": bytes(range(2, 256)),
    b"EMPTY": b"",
    b"LINES_OF_IT": b"one\n  two\n\nthree\n\n",
    b"ALL_BYTES": bytes(range(1, 256)),
    b"LONG": b"x" * 100_000,
    b"long.too": b"x" * 100_000,
    b"ZZZ.last": b"ends with a break\n",
}


def seen(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended.stderr
    assert ended.stderr == b""
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def differing(where: MainContainer, *args: str, stdin: bytes = b"") -> set[str]:
    """The names of the probe's entries that differ between a wrapped and an unwrapped run."""
    unwrapped = seen(where.run_unwrapped([*PROBE, *args], stdin))
    wrapped = seen(where.run([*PROBE, *args], stdin))
    return {name for name in unwrapped if unwrapped[name] != wrapped[name]}


def environments(where: MainContainer) -> tuple[dict[str, str], dict[str, str]]:
    return seen(where.run_unwrapped(PROBE))["environment"], seen(where.run(PROBE))["environment"]


def test_a_wrapped_task_differs_from_an_unwrapped_one_only_as_documented(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    where = container(shell, ready_sidecar.as_sidecar()).with_env(HOME="/root")
    assert differing(where, "a", "b c", stdin=b"x" * 300_000) == set(DIFFERENCES[shell.name])
    assert ready_sidecar.requests == ["GET /ready", "POST /quit"]


def test_limits_umask_niceness_and_directory_are_unchanged(shell: ShellImage, tmp_path: Path) -> None:
    changed = f'cd {tmp_path}; umask 027; ulimit -n 77; ulimit -c 0; ulimit -t 50; exec {require_program("nice")} -n 7 "$@"'
    where = replace(container(shell), before=(str(require_program("bash")), "-c", changed, "bash"))
    found = seen(where.run(PROBE))
    assert (found["directory"], found["umask"], found["nice"]) == (str(tmp_path), 0o027, min(os.nice(0) + 7, 19))
    assert found["limits"]["RLIMIT_NOFILE"] == [77, 77]
    assert differing(where) == set(DIFFERENCES[shell.name])


def test_another_user_with_groups_stays_that_user(shell: ShellImage) -> None:
    require_root()
    setpriv = str(require_program("setpriv"))
    where = replace(container(shell), before=(setpriv, "--reuid=50000", "--regid=0", "--groups=0,1234", "--no-new-privs", "--"))
    program = [str(require_program("cat")), "/proc/self/status"]
    found = where.run(program).stdout.decode()
    assert "Uid:\t50000\t50000\t50000\t50000" in found
    rights = ("Uid", "Gid", "Groups", "Cap", "NoNewPrivs")
    unwrapped = where.run_unwrapped(program).stdout.decode()
    assert [line for line in found.splitlines() if line.startswith(rights)] == [
        line for line in unwrapped.splitlines() if line.startswith(rights)
    ]


def test_every_variable_that_a_shell_interprets_keeps_its_value(shell: ShellImage) -> None:
    unwrapped, wrapped = environments(container(shell).with_env(**dict.fromkeys(NAMES_OF_SHELLS, "set-by-the-pod"), OPTIND="7"))
    assert wrapped == unwrapped


def test_the_shell_adds_no_variable(shell: ShellImage) -> None:
    unwrapped, wrapped = environments(container(shell))
    assert wrapped == unwrapped
    assert set(wrapped) - {"LC_CTYPE"} == {"PATH"}  # LC_CTYPE: Python's own (PEP 538)


def test_odd_names_and_values_arrive_byte_by_byte(shell: ShellImage) -> None:
    unwrapped, wrapped = environments(replace(container(shell), env=ODD_VARIABLES))
    assert wrapped == unwrapped


def test_the_helper_brings_the_env_and_the_tr_that_an_image_lacks(tmp_path: Path) -> None:
    """So that names that are no identifiers arrive there, too; the shell of a busybox does not find its env unless it prefers it to PATH."""
    where = replace(container(helper_that_obeys_path(tmp_path / "bin")), env=ODD_VARIABLES).with_env(LC_ALL="C")
    unwrapped, wrapped = environments(where)
    assert wrapped == unwrapped
    assert differing(where) == set(DIFFERENCES["busybox-as-helper"])


def test_control_characters_and_line_breaks_in_one_value_arrive(shell: ShellImage) -> None:
    """Hive separates fields by such characters."""
    values = {b"hive.row": b"a\x01b\x02c\nd\x03\n", b"java.opts": b"-Da=\x01", b"multi.line": b"one\ntwo\n"}
    unwrapped, wrapped = environments(replace(container(shell), env=values))
    assert wrapped == unwrapped


MISSING_LOCALES = {"LC_ALL": "xx_XX.UTF-8", "LC_TIME": "yy_YY.UTF-8"}


def test_a_locale_that_the_image_does_not_have_prints_no_warning(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    """Except where sh is bash: it warns before it reads the script."""
    where = container(shell, ready_sidecar.as_sidecar()).with_env(**MISSING_LOCALES)
    ended = where.run([str(require_program("dash")), "-c", "echo $LC_ALL; exit 7"])
    assert (ended.code, ended.stdout) == (7, b"xx_XX.UTF-8\n")
    if shell.name == "bash-as-sh":
        assert [line for line in ended.lines if "cannot change locale" not in line] == [], LOCALE_WARNING
    else:
        assert ended.stderr == b""


FUNCTIONS = (
    "bash",
    "set",
    "unset",
    "eval",
    "exec",
    "trap",
    "printf",
    "declare",
    "command",
    "env",
    "kill",
    "read",
    "wait",
    "tr",
    "test",
    "[",
)


@pytest.mark.parametrize("posix", [True, False])
def test_exported_functions_of_any_name_change_nothing(tmp_path: Path, posix: bool) -> None:
    """In a bash that is called sh, and in one that is called bash: the shell that a command starts with runs the wrapper."""
    for make in (bash_as_sh, bash_alone, dash_and_bash):
        image = make(tmp_path / f"{make.__name__}-{posix}")
        if not posix and make is not bash_alone:
            image = replace(image, program=str(Path(image.path, "bash")))
        functions = {f"BASH_FUNC_{name}%%".encode(): b"() {  echo captured\n}" for name in FUNCTIONS}
        where = replace(container(image), env=functions)
        unwrapped, wrapped = environments(where)
        assert wrapped == unwrapped


@pytest.mark.parametrize("options", ["errexit:nounset:noglob", "allexport", "posix:pipefail:errexit"])
def test_shell_options_in_the_environment_change_nothing(shell: ShellImage, ready_sidecar: FakeSidecar, options: str) -> None:
    unwrapped, wrapped = environments(container(shell, ready_sidecar.as_sidecar()).with_env(SHELLOPTS=options, BASHOPTS="extglob:nullglob"))
    assert wrapped == unwrapped
    assert ready_sidecar.requests == ["GET /ready", "POST /quit"]


@pytest.mark.parametrize("variables", [{"FUNCNEST": "1"}, {"SHELLOPTS": "keyword:monitor"}])
def test_limits_and_options_of_bash_in_the_environment_change_nothing(
    shell: ShellImage, ready_sidecar: FakeSidecar, variables: dict[str, str]
) -> None:
    """A limit on nested functions; with keyword, declare takes its arguments for variables and prints all others."""
    unwrapped, wrapped = environments(container(shell, ready_sidecar.as_sidecar()).with_env(**variables))
    assert wrapped == unwrapped
    assert ready_sidecar.requests == ["GET /ready", "POST /quit"]


def test_a_timeout_for_read_in_the_environment_shortens_no_request(shell: ShellImage) -> None:
    """TMOUT of bash. The sidecar answers after 20 times that time, and after a small part of the 2 s that a request has."""
    with FakeSidecar({"GET /ready": [Reaction.ANSWER_LATER], "POST /quit": [Reaction.STOP]}) as fake:
        where = container(shell, fake.as_sidecar()).with_env(TMOUT="0.01")
        with where.started([*PYTHON, "-c", "import os; print(os.environ['TMOUT'])"]) as process:
            fake.wait_for("GET /ready")
            assert not fake.gets("GET /ready", 2, seconds=0.2)
            fake.release.set()
            ended = end_of(process)
        assert (ended.code, ended.stdout, ended.stderr) == (0, b"0.01\n", b"")


def test_a_dash_that_refuses_the_environments_optind_ends_before_the_wrapper_begins(tmp_path: Path) -> None:
    """The wrapper can do nothing about it. The documentation says so; bash and busybox ignore the value."""
    ended = container(dash_alone(tmp_path / "bin")).with_env(OPTIND="x").run([*PYTHON, "-c", "print('ran')"])
    assert (ended.code, ended.stdout, len(ended.lines)) == (2, b"", 1), OPTIND
    assert ended.lines[0].endswith(": Illegal number: x")


def test_noexec_in_the_environment_is_never_taken_for_a_success(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    """A bash that runs as sh executes nothing then, and would end with 0. The other shells do not read SHELLOPTS, and neither does bash -p."""
    ended = container(shell, ready_sidecar.as_sidecar()).with_env(SHELLOPTS="noexec").run([*PYTHON, "-c", "print('ran')"])
    if shell.name == "bash-as-sh":
        assert (ended.code, ended.stdout, NOT_EXECUTED in ended.lines[-1]) == (2, b"", True)
    else:
        assert (ended.code, ended.stdout, ended.stderr) == (0, b"ran\n", b"")


def test_start_files_named_in_the_environment_are_not_run(shell: ShellImage, tmp_path: Path) -> None:
    trap = tmp_path / "rc"
    trap.write_text("echo leaked; exit 3\n", "utf-8")
    where = container(shell).with_env(BASH_ENV=str(trap), ENV=str(trap))
    unwrapped, wrapped = environments(where)
    assert wrapped == unwrapped
    assert wrapped["BASH_ENV"] == str(trap)


def test_a_start_file_of_the_bash_that_a_command_starts_with_runs_once(tmp_path: Path, ready_sidecar: FakeSidecar) -> None:
    """For the task, as without the wrapper, whose own bash is the same program."""
    rc = tmp_path / "rc"
    rc.write_text("echo started\n", "utf-8")
    where = container(dash_and_bash(tmp_path / "bin"), ready_sidecar.as_sidecar()).with_env(BASH_ENV=str(rc))
    where = replace(where, wrap=msgspec.structs.replace(where.wrap, shell=("bash", *SHELLS["bash"])))
    task = ["bash", "-c", "echo task; exit 3"]
    wrapped, unwrapped = where.run(task), where.run_unwrapped(task)
    assert wrapped.stdout == unwrapped.stdout == b"started\ntask\n"
    assert (wrapped.code, wrapped.stderr) == (3, b"")
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_thousands_of_variables_are_passed_on_within_a_minute(shell: ShellImage) -> None:
    """Service links give a pod seven variables for each service. bash itself needs seconds to start with 20,000, so it gets fewer."""
    count = 3_500 if shell.is_bash else 20_000
    many = {f"SERVICE_{number}_PORT".encode(): b"tcp://10.0.0.1" for number in range(count)}
    where = replace(container(shell), env=many | {b"my.prop": b"1"})
    task = [*PYTHON, "-c", "import os; print(len(os.environ), os.environ['my.prop'])"]
    ended = where.run(task)
    assert ended.stdout == where.run_unwrapped(task).stdout


def test_the_task_has_the_streams_of_its_container(shell: ShellImage, tmp_path: Path) -> None:
    where = container(shell)
    for name in ("in", "out", "err"):
        (tmp_path / name).touch()
    task = [*PYTHON, "-c", "import os; os.write(2, ' '.join(os.readlink(f'/proc/self/fd/{n}') for n in range(3)).encode())"]
    with (tmp_path / "in").open("rb") as given, (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:  # noqa: SIM117 - too long as one
        with where.started(task, stdin=given, stdout=out, stderr=err) as process:
            assert process.wait(TIMEOUT_SECONDS) == 0
    assert (tmp_path / "err").read_text("utf-8").split() == [str(tmp_path / name) for name in ("in", "out", "err")]


@pytest.mark.parametrize("inherited", [(3, 7, 8, 9), (3, 4, 5, 6, 9), (5, 12, 63)])
def test_descriptors_that_a_launcher_leaves_open_reach_the_task(shell: ShellImage, inherited: tuple[int, ...]) -> None:
    """The wrapper uses up to two descriptors from 3 to 9 that are not open."""
    opens = " ".join(f"{number}</dev/zero" for number in inherited)
    where = replace(container(shell), before=(str(require_program("bash")), "-c", f'exec {opens} "$@"', "bash"))
    found = seen(where.run(PROBE))["descriptors"]
    assert {number for number, target in found.items() if target == "/dev/zero"} == {str(number) for number in inherited}
    assert differing(where) == set(DIFFERENCES[shell.name])


def test_a_closed_stdin_becomes_dev_null(shell: ShellImage) -> None:
    closes = (str(require_program("bash")), "-c", 'exec "$@" <&-', "bash")
    where = replace(container(shell), before=closes)
    ended = where.run([*PYTHON, "-c", "import os; print(os.readlink('/proc/self/fd/0'))"])
    assert (ended.code, ended.stdout, ended.stderr) == (0, b"/dev/null\n", b""), CLOSED_STDIN


def test_the_task_can_read_from_its_terminal(shell: ShellImage) -> None:
    """The task is in the foreground of its terminal, as without the wrapper, so it may read from it."""
    controller, terminal = os.openpty()
    task = [*PYTHON, "-c", "import os, sys; print(os.isatty(0), os.environ['LINES'], input())"]
    where = container(shell).with_env(LINES="7", COLUMNS="9")
    try:
        with where.started(task, stdin=terminal) as process:
            os.write(controller, b"typed\n")
            stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        os.close(controller)
        os.close(terminal)
    assert (stdout, stderr) == (b"True 7 typed\n", b"")


@pytest.mark.parametrize("missing", ["env", "tr"])
@pytest.mark.parametrize("image", [dash_and_bash, dash_alone, bash_alone])
def test_without_env_or_tr_the_task_still_runs(tmp_path: Path, image: Any, missing: str) -> None:
    assert missing in COREUTILS
    shell: ShellImage = image(tmp_path / "bin")
    (tmp_path / "bin" / missing).unlink()
    ended = (
        container(shell).with_env(GIVEN="1").run([*PYTHON, "-c", "import os; print(os.environ['GIVEN']); os._exit(5 + os.write(1, b''))"])
    )
    assert (ended.code, ended.stderr) == (5, b""), NO_ENV


def test_a_bash_that_exists_as_sh_only_is_transparent_too(tmp_path: Path) -> None:
    where = replace(
        container(bash_alone(tmp_path / "bin")), env=dict.fromkeys((name.encode() for name in NAMES_OF_SHELLS), b"set-by-the-pod")
    )
    unwrapped, wrapped = environments(where)
    assert wrapped == unwrapped
    assert differing(where) == set()


def test_the_task_runs_in_an_image_with_no_other_program_than_the_helpers(tmp_path: Path) -> None:
    require_root()
    unshare, mount, chroot, env = (str(require_program(name)) for name in ("unshare", "mount", "chroot", "env"))
    busybox = require_program("busybox")
    for directory in ("dev", "proc", "airflow-sidecar-webhook", "app"):
        (tmp_path / directory).mkdir()
    os.mknod(tmp_path / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    for copy in ("airflow-sidecar-webhook/busybox", "app/busybox"):
        (tmp_path / copy).write_bytes(busybox.read_bytes())
        (tmp_path / copy).chmod(0o755)
    from tests.wrapper.shell_image import ShellImage as Image  # noqa: PLC0415

    shell = Image("busybox-as-helper", "/airflow-sidecar-webhook/busybox", "/nonexistent", helper=True)
    enter = (unshare, "--mount", "--pid", "--fork", "--kill-child", str(require_program("bash")), "-c")
    script = f'{mount} -t proc proc "$0/proc"; exec {env} -u PWD -u OLDPWD -u SHLVL -u _ {chroot} "$0" "$@"'
    where = replace(container(shell), before=(*enter, script, str(tmp_path)), env={b"my.prop": b"unchanged", b"PATH": b"/nonexistent"})
    ended = where.run(["/app/busybox", "sh", "-c", "tr '\\000' ' ' </proc/self/environ; exit 9"])
    assert ended.code == 9, ended
    assert sorted(ended.stdout.split()) == [b"PATH=/nonexistent", b"my.prop=unchanged"]
    assert subprocess.run([mount], check=True, capture_output=True).stdout.count(str(tmp_path).encode()) == 0
