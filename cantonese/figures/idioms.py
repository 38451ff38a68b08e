"""Words with numerals in them that are no numbers, and amounts that nobody means exactly."""

from __future__ import annotations

import re

from cantonese.figures.grammar import START
from cantonese.numerals import NUMERAL_CHARS

_INTRODUCED = "(?<![係號碼打按線轉房數位級機])(?<![A-Za-z] )(?<![A-Za-z])"
"""Not behind a word that a number follows."""
_WEEKDAYS = (
    "(?:星期|禮拜|逢|週|周)(?:[一二三四五六日])(?:[至到同、，]{0,2}[一二三四五六日](?![十百點月號樓個]))*"
)
_SAME = "[個次蚊元日年月條張位分件部間塊人秒]|分鐘|小時|個鐘|個月"
_PHRASES = (
    f"萬一(?![{NUMERAL_CHARS}蚊元])",
    "千萬(?![蚊元圓港富])",
    "十分(?!鐘|之[一二三四五六七八九]|[一二三四五六七八九])",
    "百分百|百分之百",
    "[一二兩三四五六七八九十]成[一二三四五六七八九]?",
    f"(?!百分之)[{NUMERAL_CHARS}]+分之[{NUMERAL_CHARS}]+",
    "(?<=年)(?:三十|卅)(?=晚)",
    "十個[^，。]{0,3}有[六七八九]個",
    "十分[一二三四五六七八九](?![十百點])",
    "一千零一夜|一五一十|十足|百般|萬分|萬事|七零八落|亂七八糟|七老八十|十項全能",
    f"(?:三三兩兩|七七八八|四四六六|三三五五|五五六六|八八九九)(?![{NUMERAL_CHARS}])",
    "三一三十一|一樓一|十萬火急|百萬富翁|百佳|千色|百家樂|零零碎碎|零零散散|九九歸一|三五成群",
    f"{_INTRODUCED}(?:一二三|一三五|二四六|三五七)(?:日)?(?![{NUMERAL_CHARS}號樓室座])",
    f"十(?P<same>{_SAME})八(?P=same)|十元八塊|十年八載|百(?P<hundred>{_SAME})(?:八十|千)(?P=hundred)",
)
IDIOMS = re.compile(f"{START}(?:{'|'.join(_PHRASES)})|{_WEEKDAYS}")
"""What stays words; matched where it may begin."""
