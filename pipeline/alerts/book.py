"""Rules and words of every profile, read together: either all of them are good, or the old ones stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emotion.words import Lexicon, LexiconError, load_lexicon
from pipeline.alerts.rules import Rule, load_rules
from pipeline.config import ProfileSettings
from pipeline.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What applies to the calls of one profile."""

    lexicon: Lexicon
    rules: tuple[Rule, ...]


class RuleBook:
    """Pages by profile.

    Args:
        profiles: of the settings.

    Raises:
        SettingsError: a file is wrong; the message has file, line and reason.
    """

    def __init__(self, profiles: Mapping[str, ProfileSettings]) -> None:
        self._profiles = profiles
        self._pages = self._read()

    def _read(self) -> dict[str, Page]:
        return {name: read_page(profile, name) for name, profile in self._profiles.items()}

    def page(self, profile: str) -> Page:
        """Return what applies to a call that begins now."""
        return self._pages[profile]

    def reload(self) -> None:
        """Read everything again; live calls keep what they began with.

        Raises:
            SettingsError: a file is wrong; nothing has changed then.
        """
        self._pages = self._read()


def read_page(profile: ProfileSettings, name: str) -> Page:
    """Return what a profile names.

    Raises:
        SettingsError: a file is wrong.
    """
    try:
        lexicon = load_lexicon([path.expanduser() for path in profile.lexicon])
    except LexiconError as error:
        raise SettingsError(f"profiles.{name}.lexicon: {error}") from error
    try:
        rules = load_rules(profile.alert_rules, frozenset(lexicon.categories))
    except SettingsError as error:
        raise SettingsError(f"profiles.{name}.alert_rules: {error}") from error
    return Page(lexicon=lexicon, rules=rules)
