"""Values that exist only while a plan runs: tokens, certificate keys, kubeconfigs."""

from __future__ import annotations

from kanae.execute.redact import Redactor


class Values:
    """A store that steps of one run share. Nothing of it is ever written: its text hides the
    values, and it cannot be pickled. All values are masked in events and journal by `redactor`."""

    __slots__ = ("_values", "redactor")

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self.redactor = Redactor()

    def put(self, name: str, value: str) -> str:
        """Remember a value and mask it from now on. Returns it."""
        self._values[name] = value
        self.redactor.hide(value)
        return value

    def get(self, name: str) -> str:
        """Raises KeyError when no step has put it."""
        return self._values[name]

    def find(self, name: str) -> str | None:
        return self._values.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __repr__(self) -> str:
        return f"Values({', '.join(sorted(self._values))})"

    def __reduce__(self) -> str:
        raise TypeError("values of a run are never pickled")
