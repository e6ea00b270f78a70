"""What Ludwig was asked for, held against what it says it uses: it drops keys it does not know without a word."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Without a value these are chosen: `alpha` is 2 x `r` in Ludwig, and PEFT knows the layers of an architecture.
_CHOSEN = ("adapter.alpha", "adapter.target_modules")
_ABSENT = object()


@dataclass(frozen=True)
class Difference:
    """A key that is not used as it was asked for."""

    key: str
    """With dots into the sections; features by their names."""
    asked: Any
    used: Any
    """None also where Ludwig does not know the key."""
    known: bool
    """Whether Ludwig has the key at all."""

    def __str__(self) -> str:
        if not self.known:
            return f"Ludwig does not know {self.key} and trains without it ({self.asked!r} was asked for)."
        return f"Ludwig uses {self.used!r} for {self.key}, and {self.asked!r} was asked for."


def differences(asked: Mapping[str, Any], rendered: Mapping[str, Any]) -> list[Difference]:
    """Compare the config that was handed to Ludwig with the one it rendered.

    Args:
        asked: As `Recipe.ludwig_config` makes it.
        rendered: As Ludwig writes it, with every default.

    Returns:
        The keys that were asked for and are used otherwise, or not at all. What Ludwig adds is none, numbers are
        the same whether they are whole or not, and features are matched by their names.
    """
    return list(_compare("", asked, rendered))


def _compare(key: str, asked: Any, used: Any) -> list[Difference]:
    if isinstance(asked, Mapping) and isinstance(used, Mapping):
        return [
            difference
            for name, value in asked.items()
            for difference in _compare(f"{key}.{name}".lstrip("."), value, used.get(name, _ABSENT))
        ]
    if _are_features(asked) and _are_features(used):
        by_name = {feature["name"]: feature for feature in used}
        named = {feature["name"]: feature for feature in asked}
        return _compare(key, named, by_name)
    if used is _ABSENT:
        return [] if asked is None else [Difference(key, asked, None, known=False)]
    if asked == used or (asked is None and key in _CHOSEN) or _as_lists(asked) == _as_lists(used):
        return []
    return [Difference(key, asked, used, known=True)]


def _are_features(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) and "name" in one for one in value)


def _as_lists(value: Any) -> Any:
    return [_as_lists(one) for one in value] if isinstance(value, list | tuple) else value
