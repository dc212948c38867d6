from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.wrapper.differences import EQUALS_SIGN
from tests.wrapper.main_container import container, python
from tests.wrapper.shell_image import dash_alone, dash_and_bash

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wrapper.fake_sidecar import FakeSidecar
    from tests.wrapper.shell_image import ShellImage

PRINTS_ARGUMENTS = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
ARGUMENTS = [
    *("a b", " lead", "trail ", "", "'", '"', 'it\'s "so"', "one\ntwo\n", "\n", "\t", "*", "?", "[a-z]*", "~", "{a,b}", "!", "#", "&", ";"),
    *(
        "$HOME",
        "${PATH}",
        "$$",
        "$(id)",
        "$(HOME)",
        "`id`",
        "\\",
        "\\\\n",
        "\\0",
        "-",
        "--",
        "-c",
        "-e",
        "--end-try",
        "--try-entrypoint",
        "--wait-seconds",
        "--sidecar",
    ),
    *("a=b", "=", "x=", "airflow-sidecar-webhook", "größe", "日本語", "\U0001f600", "", "x" * 100_000, "|", "(", ")", "<", ">", "%s%n"),
    *map(os.fsdecode, (b"\xff\xfe", b"\x80\x81\x82\x88", b"\xc3", b"\x01\x02\x7f", bytes(range(1, 256)))),
]
WRITES_BOTH = """
import sys
for number in range(10_000):
    print("out", number, "x" * 40, flush=True)
    print("err", number, "y" * 40, file=sys.stderr, flush=True)
"""


def test_arguments_arrive_byte_by_byte(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    ended = container(shell, ready_sidecar.as_sidecar()).run(python(PRINTS_ARGUMENTS, *ARGUMENTS))
    assert ended.stderr == b""
    assert ended.stdout.split(b"\0") == [os.fsencode(argument) for argument in ARGUMENTS]


def test_ten_thousand_lines_of_each_stream_arrive_whole_and_in_order(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    ended = container(shell, ready_sidecar.as_sidecar()).run(python(WRITES_BOTH))
    assert ended.stdout.decode().splitlines() == [f"out {number} {'x' * 40}" for number in range(10_000)]
    assert ended.lines == [f"err {number} {'y' * 40}" for number in range(10_000)]


def test_programs_with_odd_names_run(tmp_path: Path) -> None:
    for make in (dash_and_bash, dash_alone):
        image = tmp_path / make.__name__
        shell = make(image)
        for name in ("-x", "a=b", "with blank"):
            (image / name).write_text(f"#!{image}/sh\nexit 6\n", "utf-8")
            (image / name).chmod(0o755)
            ended = container(shell).run([name])
            assert (name, ended.code, ended.stderr) == (name, 6, b""), EQUALS_SIGN
