"""What was named in a call and a reply may repeat: order numbers, amounts, days, districts. Pure."""

from __future__ import annotations

import re

DISTRICTS = (
    *("中西區", "灣仔", "銅鑼灣", "北角", "鰂魚涌", "太古", "筲箕灣", "柴灣", "香港仔"),
    *("鴨脷洲", "赤柱", "中環", "上環", "西環", "金鐘", "堅尼地城", "薄扶林", "油麻地"),
    *("旺角", "尖沙咀", "佐敦", "大角咀", "深水埗", "長沙灣", "荔枝角", "美孚", "九龍城"),
    *("紅磡", "土瓜灣", "何文田", "黃大仙", "鑽石山", "新蒲崗", "慈雲山", "觀塘", "牛頭角"),
    *("九龍灣", "藍田", "油塘", "將軍澳", "坑口", "西貢", "沙田", "大圍", "馬鞍山"),
    *("火炭", "大埔", "粉嶺", "上水", "元朗", "天水圍", "屯門", "荃灣", "葵涌"),
    *("葵芳", "青衣", "東涌", "大嶼山", "愉景灣", "長洲", "南丫島", "坪洲", "梅窩"),
)
_IS = r"(?:號碼|編號|number|no\.?|係|是|:|：|\s|is)*"
_CODE = r"(?P<value>[A-Za-z]{0,4}-?\d{2,}(?:[ -]?\d{2,}){0,5})"
_HALVES = "上午|下午|朝早|下晝|晏晝|夜晚"
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("order_number", re.compile(rf"(?:訂單|單號|落單|order){_IS}{_CODE}", re.I)),
    ("case_number", re.compile(rf"(?:個案|檔案|參考|case|reference){_IS}{_CODE}", re.I)),
    ("amount", re.compile(r"(?P<value>(?:HK)?\$ ?\d[\d,]*(?:\.\d+)?)")),
    ("amount", re.compile(r"(?P<value>\d[\d,]*(?:\.\d+)?) ?(?:蚊|元|dollars)")),
    ("date", re.compile(r"(?P<value>\d{1,2}月\d{1,2}[號日])")),
    ("time", re.compile(rf"(?P<value>(?:{_HALVES})?\d{{1,2}}(?:點(?:半|\d{{0,2}}分?)?|:\d{{2}}))")),
    ("district", re.compile("(?P<value>" + "|".join(DISTRICTS) + ")")),
)  # fmt: skip
SLOTS = tuple(dict.fromkeys(name for name, _pattern in _PATTERNS))
_NEUTRAL = {
    "zh-Hant": {
        "order_number": "您的訂單",
        "case_number": "您的個案",
        "amount": "有關款項",
        "date": "有關日期",
        "time": "有關時間",
        "district": "您所在地區",
    },
    "en": {
        "order_number": "your order",
        "case_number": "your case",
        "amount": "the amount",
        "date": "that day",
        "time": "that time",
        "district": "your area",
    },
}
_SLOT = re.compile(r"\{([a-z_]+)(?:\|([^{}]*))?\}")


def entities(text: str) -> dict[str, str]:
    """Return what a text names, the last one of each kind; the text is in its reading form (figures)."""
    found: dict[str, str] = {}
    for name, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            value = match["value"].strip()
            found[name] = f"${value}" if name == "amount" and value[0].isdigit() else value
    return found


def filled(text: str, known: dict[str, str], language: str) -> str:
    """Return an answer with its slots filled: {order_number}, or {order_number|your order} with a default.

    A slot that nothing is known of gets its default, else a neutral wording; an unknown name stays as it is.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        if name not in SLOTS:
            return match[0]
        return known.get(name) or (default if default is not None else _NEUTRAL[language][name])

    return _SLOT.sub(value, text)


def unknown_slots(text: str) -> list[str]:
    """Return names in braces that are no slots."""
    return [match[1] for match in _SLOT.finditer(text) if match[1] not in SLOTS]
