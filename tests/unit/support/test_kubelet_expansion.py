"""The port of the kubelet's expansion of ``$(VAR)``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.oracles import kubelet_expansion

EXPANSIONS: dict[str, tuple[str, str]] = {
    "a reference becomes its value": ("run $(DAG).$(TASK)", "run sales.load"),
    "an empty value leaves nothing": ("a$(EMPTY)b", "ab"),
    "a value is not expanded again": ("$(NESTED)", "$(DAG)"),
    "an unknown name stays": ("$(OTHER) and $()", "$(OTHER) and $()"),
    "a doubled dollar escapes": ("$$(DAG)", "$(DAG)"),
    "a doubled dollar is halved before anything": ("$$HOME $$$$", "$HOME $$"),
    "an odd dollar still refers": ("$$$(DAG)", "$sales"),
    "a lone dollar stays": ("$HOME ${DAG} $5 $é $", "$HOME ${DAG} $5 $é $"),
    "an unclosed reference stays": ("$(DAG", "$(DAG"),
    "an unclosed reference hides no escape": ("$($$", "$($"),
    "a name runs to the first closing bracket": ("$(DAG$(TASK))", "$(DAG$(TASK))"),
    "a name keeps its dollars": ("$(A$$B)", "$(A$$B)"),
    "backslashes and newlines mean nothing": ("\\$(DAG)\n$(TA\nSK)", "\\sales\n$(TA\nSK)"),
}


ENV = {"DAG": "sales", "TASK": "load", "EMPTY": "", "NESTED": "$(DAG)"}


@pytest.mark.parametrize(("text", "expanded"), EXPANSIONS.values(), ids=EXPANSIONS.keys())
def test_the_kubelet_expands_references(text: str, expanded: str) -> None:
    assert kubelet_expansion.expand(text, ENV) == expanded


@given(st.text(alphabet=st.sampled_from("$()AB é")))
def test_doubling_every_dollar_undoes_the_expansion(text: str) -> None:
    assert kubelet_expansion.expand(text.replace("$", "$$"), {"A": "x", "B": "y"}) == text


def test_command_and_args_are_expanded_element_by_element() -> None:
    container = {"command": ["$(A)", "$("], "args": ["A)", "$(A)"]}

    assert kubelet_expansion.container_argv(container, {"A": "x y"}) == ["x y", "$(", "A)", "x y"]


def test_a_container_without_command_or_args_has_an_empty_argv() -> None:
    assert kubelet_expansion.container_argv({"command": None}, {}) == []
