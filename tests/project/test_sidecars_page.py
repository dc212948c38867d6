"""The page of the sidecars, and the generated part of the page on native sidecars, are current."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs import generate_sidecars
from docs.generate import NATIVE_PAGE, not_converted_reasons
from webhook.core import built_in_sidecars

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_page_of_the_sidecars_is_current() -> None:
    assert generate_sidecars.PAGE.read_text(encoding="utf-8") == generate_sidecars.page(built_in_sidecars()), "run: make docs"


def test_check_fails_on_a_page_that_is_not_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing or stale; writing mends it, and the check itself writes nothing."""
    monkeypatch.setattr(generate_sidecars, "PAGE", tmp_path / "sidecars.md")
    assert generate_sidecars.main(["--check"]) == 1
    generate_sidecars.PAGE.write_text("stale", encoding="utf-8")
    assert generate_sidecars.main(["--check"]) == 1
    assert generate_sidecars.PAGE.read_text(encoding="utf-8") == "stale"
    assert generate_sidecars.main([]) == 0
    assert generate_sidecars.main(["--check"]) == 0


def test_the_page_on_native_sidecars_has_the_reasons_of_the_code() -> None:
    assert "\n".join(not_converted_reasons()) in NATIVE_PAGE.read_text("utf-8"), "run: make docs"
