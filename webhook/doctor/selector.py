"""A label selector, evaluated as the API server does (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_never

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Requirement(msgspec.Struct, frozen=True):
    """One of ``matchExpressions``. A label that is not there fits ``NotIn``, whatever the values."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] | None = None

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels meet it."""
        match self.operator:
            case "In":
                return self.key in labels and labels[self.key] in (self.values or ())
            case "NotIn":
                return self.key not in labels or labels[self.key] not in (self.values or ())
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case _:
                assert_never(self.operator)

    def __str__(self) -> str:
        """As ``kubectl --selector`` takes it."""
        match self.operator:
            case "In" | "NotIn":
                return f"{self.key} {self.operator.lower()} ({', '.join(self.values or ())})"
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"
            case _:
                assert_never(self.operator)


class LabelSelector(msgspec.Struct, frozen=True):
    """All of its parts must be met. An empty one fits everything."""

    matchLabels: dict[str, str] | None = None  # noqa: N815  the API's own name
    matchExpressions: tuple[Requirement, ...] | None = None  # noqa: N815  the API's own name

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether an object of these labels is selected."""
        named = all(labels.get(key) == value for key, value in (self.matchLabels or {}).items())
        return named and all(one.fits(labels) for one in self.matchExpressions or ())

    def unmet(self, labels: Mapping[str, str]) -> str:
        """The parts that these labels do not meet, as ``kubectl --selector`` takes them; "" where they meet all."""
        return ", ".join(self._unmet(labels))

    def lacking(self, labels: Mapping[str, str]) -> dict[str, str] | None:
        """The labels to set so that it fits; None: setting those of ``matchLabels`` is not enough."""
        named = self.matchLabels or {}
        if not self.fits({**labels, **named}):
            return None
        return {key: value for key, value in named.items() if labels.get(key) != value}

    def _unmet(self, labels: Mapping[str, str]) -> Iterator[str]:
        yield from (f"{key}={value}" for key, value in (self.matchLabels or {}).items() if labels.get(key) != value)
        yield from (str(one) for one in self.matchExpressions or () if not one.fits(labels))


EVERYTHING = LabelSelector()
"""What a webhook without a selector has (admissionregistration.k8s.io/v1: the default is the empty selector)."""
