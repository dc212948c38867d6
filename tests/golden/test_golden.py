"""The golden pairs are what the rules make, and every sidecar with a rule has one. To write them anew: ``python -m tests.golden``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from docs.generate import NATIVE_PAGE, kept_reasons
from tests.golden.pair import WITH, made_anew, pairs
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from webhook.core.policy import Policy
    from webhook.core.sidecar import Sidecar

SIDECARS = build_policy(Settings()).catalogue.sidecars


def has_rule(sidecar: Sidecar) -> bool:
    """Whether the webhook does something with it."""
    native = sidecar.native
    return bool(sidecar.hint or sidecar.quit or (native and (native.hint or native.convert)))


@pytest.mark.parametrize("path", pairs(), ids=lambda path: path.stem)
def test_a_pair_is_what_the_rules_make(path: Path, policy: Policy) -> None:
    text = path.read_text("utf-8")

    assert text == made_anew(text, policy), "run: python -m tests.golden, and read the difference"


@pytest.mark.parametrize("path", pairs(), ids=lambda path: path.stem)
def test_a_pair_says_what_to_look_at_and_shows_a_pod_with_its_sidecar(path: Path, policy: Policy) -> None:
    given = path.read_text("utf-8").partition(WITH)[0]
    sidecars = [one["name"] for one in yaml.safe_load(given)["spec"]["containers"] if one["name"] != "base"]

    assert given.startswith("# ")
    assert bool(sidecars) is not path.stem.endswith("-before-injection")
    assert path.stem.removesuffix("-before-injection") in {sidecar.id for sidecar in policy.catalogue.sidecars}


@pytest.mark.parametrize("sidecar", [one for one in SIDECARS if has_rule(one)], ids=lambda sidecar: sidecar.id)
def test_every_sidecar_with_a_rule_has_a_pair(sidecar: Sidecar) -> None:
    assert sidecar.id in {path.stem for path in pairs()}


@pytest.mark.parametrize(
    "sidecar", [one for one in SIDECARS if one.hint or (one.native and one.native.hint)], ids=lambda sidecar: sidecar.id
)
def test_every_sidecar_whose_injector_is_asked_has_a_pair_before_its_injection(sidecar: Sidecar) -> None:
    assert f"{sidecar.id}-before-injection" in {path.stem for path in pairs()}


def test_the_page_on_native_sidecars_has_the_reasons_of_the_code() -> None:
    """Else: make docs."""
    assert "\n".join(kept_reasons()) in NATIVE_PAGE.read_text("utf-8")
