"""What the docs say is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generate import REFERENCE, WHAT_ANNOTATIONS_DO, reference
from webhook.core import names
from webhook.core.pod_options import POD_OPTIONS
from webhook.core.reasons import SENTENCES, NotConvertedReason, Reason, SkipReason
from webhook.core.review import MAX_WARNING_CHARACTERS
from webhook.core.status import TREATMENTS
from webhook.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_the_reference_is_current() -> None:
    assert REFERENCE.read_text("utf-8") == reference(), "run: make docs"


def test_every_annotation_is_described_and_no_other() -> None:
    assert set(WHAT_ANNOTATIONS_DO) == set(POD_OPTIONS)


def test_every_reason_has_a_sentence_and_a_treatment() -> None:
    assert set(SENTENCES) == {*Reason, *SkipReason, *NotConvertedReason}
    assert set(TREATMENTS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_the_warning_of_each_reason_reaches_the_reader_whole(reason: Reason) -> None:
    assert len(f"airflow-sidecar-webhook: {reason}: {SENTENCES[reason]}") <= MAX_WARNING_CHARACTERS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_annotations_settings_and_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text("utf-8")

    assert set(re.findall(r"airflow-sidecar-webhook/[a-z]+(?:-[a-z]+)*", text)) <= {
        *POD_OPTIONS,
        names.STATUS,
        "airflow-sidecar-webhook/busybox",
        "airflow-sidecar-webhook/tls",
    }
    assert {name.lower() for name in re.findall(rf"{PREFIX}([A-Z_]+)", text)} <= {*Settings.model_fields, "config", "name"}
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        assert "://" in link or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_to_a_place_on_a_page_finds_it(page: Path) -> None:
    for path, place in re.findall(r"\]\((?![a-z]+:)([^)#]*)#([^)]+)\)", page.read_text("utf-8")):
        target = page.parent / path if path else page
        text = target.read_text("utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert place in {*map(anchor, headings), *re.findall(r'<a id="([^"]+)">', text)}, f"{path}#{place}"


def anchor(heading: str) -> str:
    """As GitHub makes it: in small letters, without punctuation, spaces as hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_names_that_others_hold_on_to_have_not_changed() -> None:
    assert {key: value for key, value in vars(names).items() if key.isupper() and key != "TYPE_CHECKING"} == {
        "PREFIX": "airflow-sidecar-webhook",
        "STATUS": "airflow-sidecar-webhook/status",
        "MODE": "airflow-sidecar-webhook/mode",
        "MAIN_CONTAINER": "airflow-sidecar-webhook/main-container",
        "ENTRYPOINT": "airflow-sidecar-webhook/entrypoint",
        "SHELL": "airflow-sidecar-webhook/shell",
        "SIDECARS": "airflow-sidecar-webhook/sidecars",
        "WAIT_SECONDS": "airflow-sidecar-webhook/wait-seconds",
        "WHEN_NOT_READY": "airflow-sidecar-webhook/when-not-ready",
        "HELPER_CONTAINER": "airflow-sidecar-webhook-helper",
        "HELPER_VOLUME": "airflow-sidecar-webhook",
        "HELPER_MOUNT_PATH": "/airflow-sidecar-webhook",
        "HELPER_BUSYBOX": "/airflow-sidecar-webhook/busybox",
        "CANONICAL_NAME": "service.istio.io/canonical-name",
        "NAME_LABELS": ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app"),
        "XCOM_CONTAINER": "airflow-xcom-sidecar",
    }
