"""Addresses: area, street or estate with block, floor and flat, in Chinese order or in English. Pure.

One part alone is no address (沙田, 十五樓, 第一城); a place with a door in it is, and so are two parts of a
door (三十座廿二樓). Where an address was asked for, one part is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cantonese.personal.lists import any_of, table

_N = r"(?:[0-9]{1,4}|[零〇一二三四五六七八九十百廿卅]{1,5})"
_PLACES = table("places", "places")
AREAS = (
    any_of([*_PLACES["areas"], *_PLACES["mainland"]])
    .replace("新界|", "新界(?!東|西)|")
    .replace("九龍)", "九龍(?!東|西|站))")
)
LATIN_AREAS = any_of(_PLACES["latin_areas"])
_STOP = (
    "我佢你哋嘅係喺住去到返寄送址嗰呢個啲過嚟就喎呀啊啦喇嘛呢吖同埋，。、？！；：,.!?呃嗯哦唔有冇話講要想俾畀搬咗部"
    "或者邊點咩乜改做即應該附響幾先再都成仲未對落得睇搵問叫打等用喂咪啱咁條座"
)
"""Characters that are in no name of a place: words of the sentence around it."""
_C = rf"[^\W\d_A-Za-z{_STOP}零〇一二兩三四五六七八九十百千廿卅]"
_ESTATE = (
    rf"(?:{_C}|[一二三四五六七八九十第]){{1,7}}?"
    rf"(?:{any_of(_PLACES['estates'])}|樓(?![下上盤宇梯層面市])|灣(?![仔道區頭]))(?:樓(?=\s?[0-9A-Za-z零一二三四五六七八九十]))?"
)
_ROAD = (
    "(?:街|(?<![知味頻報渠軌難管])道|(?<![馬網電線思後退條])路|(?<![公英海])里|巷|徑|坊|(?<![範周包氛])圍)"
    "(?:東|南|西|北|中)?(?![理歉具謝賀面程線邊由徑])"
)
_STREET = rf"百?{_C}{{1,5}}(?:東|南|西|北|中)?{_ROAD}"
_NUMBER = (
    rf"\s?(?:門牌\s?)?{_N}(?:至{_N})?\s?(?:號(?![碼線風])|[A-Za-z]?號(?![碼線風]))\s?"
    "(?:[A-Z](?![A-Za-z鋪室座])|地鋪)?"
)
_LATIN_PLACE = rf"(?:[A-Z][A-Za-z']*\s){{0,3}}{any_of(_PLACES['buildings'])}"
_WORD_NUMBER = any_of(_PLACES["numbers"], space=r"[\s-]")
_LATIN_STREET = (
    rf"(?:No\.?\s|number\s)?(?:(?:\d{{1,4}}[A-Z]?|{_WORD_NUMBER}(?:\s{_WORD_NUMBER})?(?:\s[A-Z])?)\s)?"
    rf"(?:[A-Z][A-Za-z']*\s){{1,4}}{any_of(_PLACES['streets'])}\b(?:\s(?:East|West|North|South|Central))?"
    rf"(?:\snumber\s{_WORD_NUMBER}(?:\s{_WORD_NUMBER})?)?"
)
_FLATS = (
    rf"(?:第)?{_N}\s?號?\s?室",
    r"[A-Z]\s?[A-Z]?\s?室",
    "[左右東南西北]翼",
    rf"[A-Z]\s?{_N}\s?房",
    r"[A-Z]\s?鋪(?:後座)?",
    rf"{_N}\s?[A-Z]\s?室",
    rf"(?i:flat|room|rm|unit|suite|house)\s?(?:{_N}\s?[A-Za-z]?|{_WORD_NUMBER}(?:\s[A-Z])?|[A-Za-z])(?![A-Za-z])",
    r"(?<![A-Za-z0-9])[0-9]{1,3}[A-Z](?=,?\s(?i:tower|block)\s)",
    rf"\b[0-9]{{1,3}}[A-Z](?=\s(?:[A-Z][a-z]+\s){{0,3}}{any_of(_PLACES['buildings'])})",
    f"{_N}號單位",
    r"[A-Z]\s?單位",
    r"單位\s?[A-Z](?![A-Za-z])",
    rf"劏房\s?(?:[A-Z]|{_N}(?:號)?)?",
    "[前後]座|天台屋|閣樓|板間房",
    f"{_N}號房|床位{_N}",
    r"[A-Z]\s?房",
)
_BLOCKS = (
    rf"第?{_N}\s?座",
    rf"[A-Z]{_N}?\s?座",
    rf"{_N}[A-Z]\s?座",
    r"[A-Z]\s座",
    rf"(?i:block|tower|blk|phase)\s?(?:{_N}|{_WORD_NUMBER}|[A-Z])(?![A-Za-z])",
    rf"第?{_N}\s?期",
)
_FLOORS = (
    rf"{_N}\s?(?:字樓|樓)(?![下上盤宇梯])",
    rf"{_N}\s?/?\s?F(?![A-Za-z])|{_N}\s?/\s?f(?![A-Za-z])",
    r"[GM]\s?/\s?F",
    r"\d{1,3}F(?![A-Za-z])",
    "地下(?![室水鐵商街停])",
    rf"(?i:\d{{1,3}}(?:st|nd|rd|th)?\sfloor|{any_of(_PLACES['floors'])}\sfloor|twenty-?\s?[a-z]+\sfloor)",
    rf"(?i:floor\s(?:\d{{1,3}}|{_WORD_NUMBER}))",
)
_BARE = (
    r"(?<![0-9零一二三四五六七八九$])(?:[0-9]{1,4}|[零一二三四五六七八九十廿卅]{1,5})"
    r"(?![0-9零一二三四五六七八九十百千萬:：]|\s?[點月年日個位次蚊元%])\s?[A-Z]?(?![A-Za-z])|(?<![A-Za-z])[A-Z]{1,2}(?![A-Za-z])"
)
_AREA_ESTATE = rf"{AREAS}{any_of(_PLACES['area_estates'])}(?!心)"
_PARTS = re.compile(
    "|".join(
        f"(?P<{kind}>{pattern})"
        for kind, pattern in {
            "flat": "|".join(_FLATS),
            "block": "|".join(_BLOCKS),
            "floor": "|".join(_FLOORS),
            "street": rf"{_STREET}(?:{_NUMBER})?|\b{_LATIN_STREET}",
            "estate": rf"{any_of(_PLACES['named'])}|{_AREA_ESTATE}|(?!{AREAS}){_ESTATE}|\b{_LATIN_PLACE}\b",
            "area": rf"{AREAS}(?:區|市|墟|新市鎮)?|\b{LATIN_AREAS}\b",
            "house": rf"(?:門牌)?{_N}\s?號(?![碼線風文房]|單位)\s?(?:[A-Z](?![A-Za-z鋪室座])|地下|地鋪|屋)?",
            "bare": _BARE,
        }.items()
    )
)
_JOIN = re.compile(r"(?:[\s，、,.。·\-–/]|嘅|呃|嗯|唔|即係|係|喺|in|of|at|on|the|，)*", re.IGNORECASE)
_LATIN_UNKNOWN = re.compile(r",\s[A-Z][\w'-]+(?:\s[A-Z][\w'-]+){0,2},?\s")
"""A building in English without a word for one, between a door and an area."""
LONGEST_JOIN = 7
_UNKNOWN = re.compile(rf"[\s，、]*(?:{_C}){{2,6}}\s?")
"""A building whose name has no word for a building in it, between a street and a door."""
_BEFORE_DOOR = re.compile(rf"(?:{_C}){{2,7}}$")
_WORTH = re.compile(
    "[座樓室號邨村苑園廈城街道路閣軒庭房期/邊臺台居府灣徑里]"
    "|(?i:flat|floor|block|tower|road|street|room|house|court|unit|estate|terrace)"
)
IS_SHOP = re.compile(any_of(_PLACES["shops"]))
IS_PUBLIC = re.compile(any_of([*_PLACES["shops"], *_PLACES["public"]]))
"""Words for places where everybody may go."""
_DOOR = ("flat", "block", "floor", "house", "bare")
_PLACED = ("area", "estate", "street")


@dataclass(frozen=True, slots=True)
class AddressPart:
    """A part of an address.

    Attributes:
        start: first code point.
        end: behind the last one.
        kind: area, street, estate, house, block, floor, flat, or bare: a number or letter that may be a door.
    """

    start: int
    end: int
    kind: str
    numbered: bool = False
    letter: bool = False


def _parts(text: str) -> list[AddressPart]:
    return [
        AddressPart(
            match.start(),
            match.end(),
            match.lastgroup or "",
            re.search("號|[0-9]|number", match.group()) is not None,
            match.group().strip().isalpha() and match.group().isascii(),
        )
        for match in _PARTS.finditer(text)
        if match.end() > match.start()
    ]


def _clusters(text: str, parts: list[AddressPart]) -> Iterator[list[AddressPart]]:
    """Yield parts that follow each other with no more than a mark or a filler between them."""
    cluster: list[AddressPart] = []
    for part in parts:
        if cluster:
            between = text[cluster[-1].end : part.start]
            named = part.kind in ("block", "floor", "flat") and cluster[-1].kind in (
                "street",
                "estate",
                "area",
                "house",
            )
            joined = _JOIN.fullmatch(between) or (named and _UNKNOWN.fullmatch(between))
            building = part.kind == "area" and _LATIN_UNKNOWN.fullmatch(between)
            if not building and (len(between) > LONGEST_JOIN or not joined):
                yield cluster
                cluster = []
        if part.kind == "bare" and not cluster:
            continue
        cluster.append(part)
    if cluster:
        yield cluster


def addresses(text: str, *, asked: bool = False, public: bool = False) -> Iterator[tuple[int, int]]:
    """Yield where addresses stand.

    Args:
        text: verbatim, or as people write it.
        asked: whether an address is expected: one part is then enough.
        public: whether shops and branches may be meant, which are nobody's home.
    """
    if not _WORTH.search(text):
        return
    for cluster in _clusters(text, _parts(text)):
        while cluster and cluster[-1].kind == "bare" and not _ends_address(cluster):
            cluster.pop()
        if not cluster:
            continue
        lives = asked or text[max(0, cluster[0].start - 2) : cluster[0].start].strip("，喺係").endswith("住")
        if _is_address(cluster, lives) and not (public and not lives):
            start = cluster[0].start
            before = (
                _BEFORE_DOOR.search(text, max(0, start - 8), start)
                if lives and cluster[0].kind == "block"
                else None
            )
            yield before.start() if before else start, cluster[-1].end


def _ends_address(cluster: list[AddressPart]) -> bool:
    """Tell whether a number or letter alone is a door: behind a floor, a block or an estate."""
    return len(cluster) > 1 and cluster[-2].kind in ("floor", "block", "estate", "bare", "flat")


def _is_address(cluster: list[AddressPart], asked: bool) -> bool:
    kinds = [part.kind for part in cluster]
    doors = {kind for kind in kinds if kind in _DOOR}
    inside = doors & {"flat", "block", "floor"}
    places = [kind for kind in kinds if kind in _PLACED]
    lettered = len(kinds) > 1 and kinds[-2:] == ["floor", "bare"] and cluster[-1].letter
    certain = (
        any(part.kind == "street" and part.numbered for part in cluster)
        or len(inside) > 1
        or lettered
        or (places and doors - {"bare"})
        or ("estate" in places and doors)
    )
    likely = (
        (places and doors)
        or len(places) > 1
        or any(kind not in ("area", "house", "street") for kind in kinds)
    )
    return bool(certain or (asked and likely))
