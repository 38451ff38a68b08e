"""Rules and words of every profile, read together: either all of them are good, or the old ones stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emotion.words import EmotionLexicon, LexiconError, load_lexicon
from pipeline.alerts.rules import Rule, load_rules
from pipeline.config import ProfileSettings
from pipeline.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRules:
    """What applies to the calls of one profile."""

    lexicon: EmotionLexicon
    rules: tuple[Rule, ...]


def read_rules(profiles: Mapping[str, ProfileSettings]) -> dict[str, ProfileRules]:
    """Return what applies to the calls of each profile.

    Raises:
        SettingsError: a file is wrong; the message has file, line and reason.
    """
    return {name: read_profile_rules(profile, name) for name, profile in profiles.items()}


def read_profile_rules(profile: ProfileSettings, name: str) -> ProfileRules:
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
    return ProfileRules(lexicon=lexicon, rules=rules)
