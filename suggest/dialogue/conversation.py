"""What was said so far, as far as the next suggestion needs it. Pure; one per call."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from suggest.base import CHINESE, Language
from suggest.dialogue.entities import entities
from suggest.dialogue.language import LanguageFollower
from suggest.dialogue.quantities import quantities
from suggest.text.analysis import analyse
from suggest.text.lexicon import INTENT, SearchLexicon
from suggest.text.tokens import Analysis

TURNS_KEPT = 6
SAID_SHARE = 0.6
"""Share of an answer that the agent has said from which it is not suggested (own choice)."""
OWN_MASS, LITTLE_MASS = 1.6, 0.8
"""What a turn must tell to stand without the one before, if it begins with 咁 and the like; and in any case.

Own choice: 咁幾耐呀 has 0.2, 咁要幾耐先得㗎 1.0, 我想重設密碼 1.9.
"""
TELLING_MASS = 0.6
_GOES_ON = re.compile(
    r"^(?:咁|噉|即係|仲有|或者|另外|嗰|佢|如果|and |what about|how about|what if|so |then |but |also )",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"[?？]|[呀咩嗎呢㗎]$|點|幾|邊|乜|咩|係咪|得唔得|有冇|可唔可以|使唔使|會唔會|唔見|如何|怎|為何|為什麼|哪|是否|能否|多少"
    r"|\b(?:how|what|when|where|why|who|which|can|could|do|does|is|are|will|would|should|may)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A turn of the customer as a query.

    Attributes:
        text: of the turn.
        before: what it goes on from; '' if it stands by itself.
        answers: what the agent has just said, for a question that finds nothing by itself; '' for nothing.
        telling: it says enough to be looked up at all.
        question: it looks like a question or a request.
    """

    text: str
    before: str
    answers: str
    telling: bool
    question: bool


class Conversation:
    """Keeps a call's recent turns.

    Args:
        lexicon: tables of words.
        start: language of replies until the customer has spoken.
    """

    def __init__(self, lexicon: SearchLexicon, start: Language = CHINESE) -> None:
        self._lexicon = lexicon
        self.language = LanguageFollower(start)
        self.known: dict[str, str] = {}
        self._customer: deque[str] = deque(maxlen=TURNS_KEPT)
        self._agent: deque[str] = deque(maxlen=TURNS_KEPT)
        self._turns: deque[tuple[str, str]] = deque(maxlen=TURNS_KEPT)

    def customer_said(self, text: str) -> None:
        """Take a finished turn of the customer."""
        self.language.hear(text)
        self.known.update(entities(text))
        self._customer.append(text)
        self._turns.append(("customer", text))

    def agent_said(self, text: str) -> None:
        """Take a finished turn of the agent."""
        self.known.update(entities(text))
        self._agent.append(text)
        self._turns.append(("agent", text))

    def recent(self) -> list[tuple[str, str]]:
        """Return the last turns as (who, text), oldest first, for a drafting model."""
        return list(self._turns)

    def asked(self, text: str) -> Asked:
        """Return a turn of the customer, finished or not, as a query; call before :meth:`customer_said`."""
        own = analyse(text, self._lexicon, spots=True)
        mass = telling_mass(own)
        goes_on = mass < (OWN_MASS if _GOES_ON.match(text.strip()) else LITTLE_MASS)
        before = next((turn for turn in reversed(self._customer) if self._tells(turn)), "")
        intent = any(token.startswith("k" + INTENT) for token in own.tokens)
        question = bool(_QUESTION.search(text)) or intent
        carried = before if goes_on and question else ""
        telling = mass > TELLING_MASS or bool(carried)
        return Asked(text=text, before=carried, answers=self._just_said(), telling=telling, question=question)

    def _just_said(self) -> str:
        """Return the agent's last turn, if nobody has spoken since and it tells something."""
        who, text = self._turns[-1] if self._turns else ("", "")
        return text if who == "agent" and self._tells(text) else ""

    def _tells(self, turn: str) -> bool:
        return telling_mass(analyse(turn, self._lexicon, spots=True)) >= OWN_MASS

    def has_said(self, answers: Iterable[str]) -> bool:
        """Tell whether the agent has just said an answer, given in one or more languages."""
        spoken = " ".join(list(self._agent)[-3:])
        if not spoken:
            return False
        said = analyse(spoken, self._lexicon, phonetic=False).tokens
        for answer in filter(None, answers):
            wanted = analyse(answer, self._lexicon, phonetic=False).tokens
            telling = {token: weight for token, weight in wanted.items() if token[0] in "ke" and weight > 0.3}
            total = sum(telling.values())
            shared = sum(weight for token, weight in telling.items() if token in said)
            if total and shared / total >= SAID_SHARE and quantities(answer) <= quantities(spoken):
                return True
        return False


def telling_mass(analysis: Analysis) -> float:
    """Return how much a turn tells: the weights of its telling characters and words together."""
    return sum(spot.weight for spot in analysis.spots if spot.weight > 0.15)
