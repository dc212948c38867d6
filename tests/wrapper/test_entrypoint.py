from __future__ import annotations

from typing import TYPE_CHECKING

from tests.wrapper.main_container import PYTHON, container
from tests.wrapper.messages import ONLY_ARGS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wrapper.shell_image import ShellImage

ARGS = ["-c", "import sys; print(sys.argv[1:])", "$(x) $HOME", "--end-try"]


def entrypoint(path: Path, says: str) -> str:
    """A program that prints its name, then runs its args."""
    path.write_text(
        f"#!{PYTHON[0]} -IS\nimport os, sys\nprint({says!r}, sys.argv[1:-4], flush=True)\nos.execv(sys.argv[-4], sys.argv[-4:])\n", "utf-8"
    )
    path.chmod(0o755)
    return str(path)


def test_the_first_entrypoint_whose_programs_exist_is_used(shell: ShellImage, tmp_path: Path) -> None:
    second, third = (entrypoint(tmp_path / name, name) for name in ("second", "third"))
    plain = tmp_path / "plain"
    plain.write_text("no program\n", "utf-8")
    candidates = (("/no/such", "--", second), (second, "--", "/no/such"), (str(plain),), (str(tmp_path),), (second, "--"), (third,))
    ended = container(shell, candidates=candidates).run([PYTHON[0], "-c", "print('task')", "x"])
    assert (ended.code, ended.stdout, ended.stderr) == (0, b"second ['--']\ntask\n", b"")


def test_the_args_run_as_they_are_where_no_entrypoint_exists_and_one_line_says_so(shell: ShellImage) -> None:
    ended = container(shell, candidates=(("/no/such", "--", "/entrypoint"), ("no-such-tini",))).run([*PYTHON, *ARGS])
    assert (ended.code, ended.stdout) == (0, b"['$(x) $HOME', '--end-try']\n")
    assert ended.stderr.decode() == f"{ONLY_ARGS}\n"


def test_words_of_an_entrypoint_may_contain_blanks_dollars_and_stars(shell: ShellImage, tmp_path: Path) -> None:
    odd = entrypoint(tmp_path / "a b $HOME $(id) * 'x'", "odd")
    ended = container(shell, candidates=((odd, "--"),)).run([PYTHON[0], "-c", "print('task')", "x"])
    assert (ended.code, ended.stdout, ended.stderr) == (0, b"odd ['--']\ntask\n", b"")
