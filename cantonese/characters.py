"""Hong Kong Traditional characters: OpenCC with a Cantonese exception list, and variant folding.

OpenCC declares Cantonese out of scope (BYVoid/OpenCC issue 868): its s2hk table turns 郁 (to move)
into 鬱 and 晒 (completely) into 曬. Characters that Cantonese writing uses in their own right are
therefore shielded, and text without a single simplified-only character is never converted.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import opencc

from cantonese.homographs import SHARED, exceptions

# Cantonese words whose character s2hk would replace by another: never converted.
CANTONESE_WORDS = frozenset("郁晒喎咸吓响煲攞嘅咗冚瞓啱嘥冧揸冇乸嚟哋")

# Characters in ordinary Traditional use that are also somebody's simplified form. On their own they
# do not make a text simplified; inside a simplified text they are converted like the rest.
_SHARED = frozenset(
    "台余范沈于里後后只松云面系干克占布才丑斗谷回伙姜借卷困了累霉曲舍朱注冲出升向周症板杯志致制游群"
    "床岩唇麻粘托抬采雇岳幸夸折朴戚仆仔佣冬啰娘巨度攰杆梁欲淀痴秘系胡表見逛鐘涌厘扑征虱糍棱刹咤肴"
    "恒杠凶杰准几据熏蝎炖腌横迹挂簷栗谷症叶"
)

# One spelling for each Cantonese word that is written in several ways: variant to Hong Kong usage.
VARIANTS = {
    "噉": "咁", "𡃉": "㗎", "囖": "囉", "畀": "俾", "揾": "搵", "嗻": "啫", "裡": "裏", "綫": "線",
    "衹": "只", "祇": "只", "爲": "為", "啓": "啟", "旣": "既", "羣": "群", "峯": "峰", "牀": "床",
    "麽": "麼", "説": "說", "悦": "悅", "脱": "脫", "税": "稅", "鋭": "銳",
    "閲": "閱", "蜕": "蛻", "産": "產", "温": "溫", "衞": "衛", "鷄": "雞", "菓": "果", "敎": "教",
    "査": "查", "痳": "痲", "皁": "皂", "滙": "匯", "僞": "偽", "戱": "戲", "吿": "告", "緖": "緒",
    "臺": "台", "佈": "布", "迴": "回", "麪": "麵", "粧": "妝", "痺": "痹", "嘞": "喇",
    "嚹": "喇", "吖": "呀", "𠻺": "喎", "㖿": "啊", "𠿪": "嗱", "𡁵": "緊", "𡃓": "咋",
}  # fmt: skip
_VARIANT_TABLE = str.maketrans(VARIANTS)
HAN = r"[\u2e80-\u2fff\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
"""Regular expression of one Chinese character."""
_HAN = re.compile(HAN)


def is_han(char: str) -> bool:
    """Tell whether ``char`` is a Chinese character."""
    return _HAN.fullmatch(char) is not None


@lru_cache(maxsize=1)
def _converters() -> tuple[opencc.OpenCC, opencc.OpenCC]:
    return opencc.OpenCC("s2hk"), opencc.OpenCC("t2s")


@lru_cache(maxsize=8192)
def is_simplified(char: str) -> bool:
    """Tell whether ``char`` occurs only in simplified writing, Cantonese words aside."""
    if char in CANTONESE_WORDS or char in _SHARED or not is_han(char):
        return False
    to_traditional, to_simplified = _converters()
    return bool(to_traditional.convert(char) != char and to_simplified.convert(char) == char)


def to_traditional(text: str) -> str:
    """Return ``text`` in Hong Kong Traditional characters, Cantonese words untouched.

    A text without any simplified character keeps its characters, but for those that are Traditional in other
    words only, such as 系 in 唔系 (see :mod:`cantonese.homographs`).
    """
    converted = _converted(text) if any(map(is_simplified, text)) else text
    shared = "".join(old if old in SHARED else new for old, new in zip(text, converted, strict=True))
    changed = exceptions(shared)
    if not changed:
        return converted
    return "".join(changed.get(index, char) for index, char in enumerate(converted))


def _converted(text: str) -> str:
    converted: str = _converters()[0].convert(text)
    if len(converted) != len(text):
        return "".join(_converters()[0].convert(c) if is_simplified(c) else c for c in text)
    return "".join(old if old in CANTONESE_WORDS else new for old, new in zip(text, converted, strict=True))


@lru_cache(maxsize=32_768)
def to_simplified_char(char: str) -> str:
    """Return the simplified form of one character; many to one, so no context is needed."""
    converted: str = _converters()[1].convert(char)
    return converted if len(converted) == 1 else char


def fold_width_and_case(text: str) -> str:
    """Return ``text`` in half width and lower case, with straight quotes and single spaces."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("‘", "'")
    return re.sub(r"\s+", " ", plain)


def fold_variants(text: str) -> str:
    """Return ``text`` with one spelling per Cantonese word (see :data:`VARIANTS`); 滙豐 keeps its own."""
    return text.translate(_VARIANT_TABLE).replace("匯豐", "滙豐")
