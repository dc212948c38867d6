"""A property that is computed once. The one of `functools` takes a lock up to Python 3.11, which costs more than most computations here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class CachedProperty(Generic[T]):
    """The first read stores the value under the same name in the instance's ``__dict__``, where the next read finds it."""

    def __init__(self, compute: Callable[..., T]) -> None:
        """Compute the value by this method, which is pure: two threads may both call it."""
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, _owner: type, name: str) -> None:
        """Remember under which name."""
        self._name = name

    def __get__(self, instance: object, _owner: type) -> T:
        """Compute and store."""
        value = instance.__dict__[self._name] = self._compute(instance)
        return value
