"""What one place declares, another one uses: whoever adds a row or a field learns here which file has to use it.

The tests search for the name in the source text, since nothing else fails where a declaration is never read.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from manifests.rendering import CHART
from webhook.command.main import COMMANDS
from webhook.core.pod_options import PodOptions
from webhook.core.policy import Policy
from webhook.core.reasons import ContainerReason, NotConvertedReason, Reason, SkipReason
from webhook.core.wrapper import Wrap
from webhook.doctor.finding import FindingId
from webhook.reaper.metrics import ReaperMetrics
from webhook.reaper.reason import ReaperReason
from webhook.server.metrics import Metrics
from webhook.settings import Settings

if TYPE_CHECKING:
    from enum import StrEnum

WEBHOOK = Path(__file__).parents[2] / "webhook"
SCRIPT = (WEBHOOK / "data" / "wrapper.sh").read_text("utf-8")


def names_after(word: str, folder: str) -> set[str]:
    """Every NAME of a ``word.NAME`` in the Python files of a folder of the package."""
    text = "\n".join(path.read_text("utf-8") for path in (WEBHOOK / folder).rglob("*.py"))
    return set(re.findall(rf"(?:\b|_){word}\.(\w+)", text))


def test_every_setting_is_read() -> None:
    unread = set(Settings.model_fields) - names_after("settings", "")
    assert not unread, "read it: a setting of the rules in webhook/policy_files.py, one of the service in webhook/server/serve.py"


def test_every_part_of_the_policy_decides_something() -> None:
    assert {field.name for field in fields(Policy)} - names_after("policy", "core") == set()


def test_every_pod_option_decides_something() -> None:
    assert set(PodOptions.__struct_fields__) - names_after("options", "core") == set()


def test_every_part_of_a_wrap_gets_into_the_command() -> None:
    assert set(Wrap.__struct_fields__) - names_after("wrap", "core") == set()


def test_the_wrapper_has_every_option_that_the_command_may_have_and_explains_it() -> None:
    # --posix is an option of bash, before the script.
    written = set(re.findall(r'"(--[a-z-]+)"', (WEBHOOK / "core" / "wrapper.py").read_text("utf-8"))) - {"--posix"}
    handled = set(re.findall(r"^ +(--[a-z-]+)\)", SCRIPT, re.MULTILINE))
    explained = set(re.findall(r"(?<=[# ])(--[a-z-]+) ", SCRIPT.partition("\n\n")[0]))

    assert written == explained
    assert written - {"--end-try", "--entrypoint-source"} == handled


def test_every_command_is_listed() -> None:
    modules = {path.stem for path in (WEBHOOK / "command").glob("*.py") if "\nCOMMAND: Final = Command(" in path.read_text("utf-8")}
    assert modules == {command.name.replace("-", "_") for command in COMMANDS}


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (Reason, "core"),
        (SkipReason, "core"),
        (NotConvertedReason, "core"),
        (ContainerReason, "core"),
        (FindingId, "doctor"),
        (ReaperReason, "reaper"),
    ],
)
def test_every_reason_and_every_finding_is_given(words: type[StrEnum], folder: str) -> None:
    assert set(words.__members__) - names_after(words.__name__, folder) == set()


def test_every_metric_is_measured() -> None:
    declared = {name for name in vars(Metrics()) if not name.startswith("_")}
    set_at_once = {"build"}
    assert declared - names_after("metrics", "server") == set_at_once


def test_every_metric_of_the_reaper_is_measured() -> None:
    declared = {name for name in vars(ReaperMetrics()) if not name.startswith("_")}
    set_by_the_set_itself = {"build", "stuck_pods"}
    assert declared - names_after("metrics", "reaper") - names_after("metrics", "command") == set_by_the_set_itself


def test_every_value_of_the_chart_is_used_in_a_template_and_every_used_one_has_a_default() -> None:
    templates = "\n".join(path.read_text("utf-8") for path in (CHART / "templates").rglob("*.*"))
    assert set(re.findall(r"\.Values\.(\w+)", templates)) == set(yaml.safe_load((CHART / "values.yaml").read_text("utf-8")))
