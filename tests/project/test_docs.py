"""What the docs say is what the code does."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from docs import generate_tested
from docs.generate import REFERENCE, STATUS_MEMBERS, reference
from tests.attacks.wrapper import TESTS, WRAPPER_ATTACKS, table
from webhook.core import names
from webhook.core.cluster import NativeSupport
from webhook.core.origin import ORIGIN_LABELS
from webhook.core.pod_options import POD_OPTIONS, PodOption, PodOptions
from webhook.core.reasons import ContainerReason, ExplainedWord, NotConvertedReason, Reason, SkipReason, Treatment
from webhook.core.remedy import MAX_IMAGE_CHARACTERS, PodNames, Remedy
from webhook.core.review import MAX_WARNING_CHARACTERS
from webhook.core.status import Status
from webhook.kube.lease import MEMORY_ANNOTATION
from webhook.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "manifests").rglob("*.md")]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
MAX_LINE_CHARACTERS = 100
MAX_README_LINES = 120


def test_the_reference_is_current() -> None:
    assert REFERENCE.read_text("utf-8") == reference(), "run: make docs"


def test_the_page_on_what_was_run_has_the_versions_that_the_tests_pin() -> None:
    assert generate_tested.PAGE.read_text("utf-8") == generate_tested.page(), "run: make docs"


def test_the_reference_explains_every_member_of_the_status() -> None:
    assert tuple(STATUS_MEMBERS) == Status.__struct_fields__


@pytest.mark.parametrize("option", POD_OPTIONS.values(), ids=POD_OPTIONS)
def test_every_pod_option_fills_a_field_and_says_what_it_is_for(option: PodOption) -> None:
    assert option.field in PodOptions.__struct_fields__
    assert option.purpose.endswith(".")


def test_the_example_of_a_test_on_the_real_api_server_imports_what_is_there_and_uses_no_other_name(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "testing.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    file = tmp_path / "test_example.py"
    file.write_text(example)

    assert any(name.startswith("test_") for name in runpy.run_path(str(file)))
    subprocess.run([sys.executable, "-m", "ruff", "check", "--isolated", "--select=F", file], check=True)


def test_the_list_of_folders_is_complete() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = {
        "/".join(parts[:-1][:2]) for parts in (path.split("/") for path in listed) if parts[0] in {"webhook", "tests"} and len(parts) > 2
    }
    folders |= {path.split("/")[0] for path in listed if "/" in path and not path.startswith(".")} - {"webhook"}

    assert folders == set(re.findall(r"^\| `([\w/]+)` \|", section("docs/architecture.md", "Folders"), re.MULTILINE)) - {"docs/decisions"}


def section(page: str, heading: str) -> str:
    """What is below a heading of the second level, up to the next one."""
    text = (ROOT / page).read_text("utf-8")
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_the_attacks_on_the_wrapper_are_those_of_the_page_and_each_is_a_test() -> None:
    assert table() in section("docs/attacks.md", "Sidecars and tasks that work against the wrapper"), (
        "it is table() of tests/attacks/wrapper.py"
    )
    for name in (name for attack in WRAPPER_ATTACKS for name in attack.tests):
        file, _, function = name.partition("::")
        assert f"\ndef {function}(" in (TESTS / f"{file}.py").read_text("utf-8"), name


def test_the_page_of_pods_shows_every_pod_option_and_every_label_of_an_origin() -> None:
    page = (ROOT / "docs" / "pods.md").read_text("utf-8")

    assert {option for option in POD_OPTIONS if f"\n{option}: " not in page} == set()
    assert {label for label in ORIGIN_LABELS if f"`{label}=True`" not in page} == set()


def test_the_readme_is_read_in_a_minute_and_says_where_to_go_and_why_nothing_else() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")

    assert len(readme.splitlines()) <= MAX_README_LINES
    for reader in ("a platform engineer", "an Airflow operator", "a DAG author", "a security reviewer"):
        assert f"| {reader} | [" in readme
    assert len(set(re.findall(r"\(docs/comparison\.md#[a-z-]+\)", readme))) == 3


@pytest.mark.parametrize("reason", [*Reason, *SkipReason, *NotConvertedReason, *NativeSupport, *ContainerReason])
def test_every_reason_is_a_whole_sentence_and_so_is_its_remedy(reason: ExplainedWord) -> None:
    assert reason.sentence.endswith(".")
    assert reason.remedy == "" or reason.remedy.endswith((".", " {image}"))


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.treatment is Treatment.LEFT])
def test_a_reason_that_leaves_a_pod_has_a_remedy(reason: Reason) -> None:
    assert reason.remedy


@pytest.mark.parametrize("reason", [*Reason, *ContainerReason])
def test_the_warnings_of_each_reason_reach_the_reader_whole(reason: ExplainedWord) -> None:
    names = PodNames(
        containers="x" * 63,
        image="x" * MAX_IMAGE_CHARACTERS,
        candidates="x" * 205,
        outlasting="",
        described="",
        removal="",
        configuration="",
    )
    containers = ("x" * 63,) * 9 if isinstance(reason, ContainerReason) else ()
    remedy = Remedy(reason, containers, reason.sentence, reason.remedy.format_map(names), is_pressing=True)

    assert max(map(len, remedy.warnings)) <= MAX_WARNING_CHARACTERS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_line_of_a_page_has_at_most_100_characters(page: Path) -> None:
    assert [line for line in prose(page) if len(line) > MAX_LINE_CHARACTERS and "](http" not in line] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_no_word_in_angle_brackets_which_a_browser_takes_for_a_tag(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)

    assert re.findall(r"(?<!\\)<(?!/?(?:a|picture|source|img)\b|!--)[^>]*>", text) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page not in DECISIONS], ids=lambda page: page.name)
def test_a_page_starts_with_who_it_is_for(page: Path) -> None:
    title, first, *_ = [line for line in prose(page) if line and not line.startswith("<!--")]

    assert title.startswith("# ")
    assert first.startswith("For ")


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_is_in_the_list_and_has_a_context_a_decision_and_consequences(page: Path) -> None:
    title = page.read_text("utf-8").partition("\n")[0].removeprefix("# ")
    number, _, name = title.partition(". ")
    parts = re.findall(r"^\*\*([A-Z][a-z]+)\.\*\*", page.read_text("utf-8"), re.MULTILINE)

    assert number == str(int(page.name[:4]))
    assert f"{number}. [{name}]({page.name})" in page.with_name("README.md").read_text("utf-8")
    assert {"Context", "Decision", "Consequences"} <= set(parts)


def prose(page: Path) -> list[str]:
    """The lines of a page outside code and tables."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [line for line in text.splitlines() if not line.startswith("|")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_annotations_settings_and_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text("utf-8")

    assert set(re.findall(r"airflow-sidecar-webhook/[a-z]+(?:-[a-z]+)*", text)) <= {
        *POD_OPTIONS,
        names.STATUS_ANNOTATION,
        names.TREATMENT_LABEL,
        MEMORY_ANNOTATION,
        "airflow-sidecar-webhook/airflow-sidecar-webhook-reaper",
        "airflow-sidecar-webhook/busybox",
        "airflow-sidecar-webhook/files",
        "airflow-sidecar-webhook/tls",
    }
    assert {name.lower() for name in re.findall(rf"{PREFIX}([A-Z_]+)", text)} <= {*Settings.model_fields, "config", "name"}
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        assert "://" in link or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_to_a_place_on_a_page_finds_it(page: Path) -> None:
    links = re.findall(r"\]\((?![a-z]+:)([^)#]*)#([^)]+)\)", page.read_text("utf-8"))

    assert [f"{path}#{place}" for path, place in links if place not in places(page.parent / path if path else page)] == []


@cache
def places(page: Path) -> frozenset[str]:
    """The places on a page to which a link can lead."""
    text = page.read_text("utf-8")
    return frozenset((*map(anchor, re.findall(r"^#+ (.+)$", text, re.MULTILINE)), *re.findall(r'<a id="([^"]+)">', text)))


def anchor(heading: str) -> str:
    """As GitHub makes it: in small letters, without punctuation, spaces as hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_names_that_others_rely_on_have_not_changed() -> None:
    assert {key: value for key, value in vars(names).items() if key.isupper() and key != "TYPE_CHECKING"} == {
        "PREFIX": "airflow-sidecar-webhook",
        "OPT_IN": "airflow-sidecar-webhook=enabled",
        "STATUS_ANNOTATION": "airflow-sidecar-webhook/status",
        "TREATMENT_LABEL": "airflow-sidecar-webhook/treatment",
        "MODE_ANNOTATION": "airflow-sidecar-webhook/mode",
        "MAIN_CONTAINER_ANNOTATION": "airflow-sidecar-webhook/main-container",
        "ENTRYPOINT_ANNOTATION": "airflow-sidecar-webhook/entrypoint",
        "SHELL_ANNOTATION": "airflow-sidecar-webhook/shell",
        "SIDECARS_ANNOTATION": "airflow-sidecar-webhook/sidecars",
        "OUTLIVES_TASK_ANNOTATION": "airflow-sidecar-webhook/outlives-task",
        "WAIT_SECONDS_ANNOTATION": "airflow-sidecar-webhook/wait-seconds",
        "WHEN_NOT_READY_ANNOTATION": "airflow-sidecar-webhook/when-not-ready",
        "HELPER_CONTAINER": "airflow-sidecar-webhook-helper",
        "HELPER_VOLUME": "airflow-sidecar-webhook",
        "HELPER_MOUNT_PATH": "/airflow-sidecar-webhook",
        "HELPER_BUSYBOX": "/airflow-sidecar-webhook/busybox",
        "CANONICAL_NAME": "service.istio.io/canonical-name",
        "NAME_LABELS": ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app"),
        "BASE_CONTAINER": "base",
        "EXECUTOR_LABEL": "kubernetes_executor",
        "OPERATOR_LABEL": "kubernetes_pod_operator",
        "SPARK_LABEL": "spark_kubernetes_operator",
        "SPARK_ROLE_LABEL": "spark-role",
        "SPARK_ROLES": ("driver", "executor"),
        "XCOM_CONTAINER": "airflow-xcom-sidecar",
    }
