"""Names of people: before titles, behind 我姓 and 我叫, spelled with other words, English ones. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

from cantonese.jyutping import is_word
from cantonese.keys import key_form
from cantonese.personal.addresses import LATIN_AREAS
from cantonese.personal.lists import any_of, table

_CHINESE, _ENGLISH_WORDS = table("names", "chinese"), table("names", "english")
_HAN = "\u4e00-\u9fff"
SURNAMES = _CHINESE["surnames"][0]
"""Usual ones in Hong Kong, of one character."""
_COMPOUND = any_of(_CHINESE["compound"])
SURNAME = f"(?:{_COMPOUND}|[{SURNAMES}])"
ANY_SURNAME = f"(?:{_COMPOUND}|[{SURNAMES}{_CHINESE['rare'][0]}])"
"""With those that are ordinary words too: where a title or a question says that a name comes."""
_TITLE = any_of(_CHINESE["titles"]) + (
    "|阿?[sS]ir|SIR"
    "|(?<![學醫出發衛花人產畢陌])生(?![病日意產效活育物字存成長肖熟氣鏽蟲怕果菜滾死得仔嗰])"
    "|太(?![廚抽爐電多大貴高少遲早慢快長短細好耐平遠近難熱凍陽空古過極子重久])"
    "|伯(?![爺母])|姨(?!媽)|叔|嬸|姐(?!姐|夫)|哥(?!哥)|仔(?!細)"
)
_NOT_GIVEN = (
    "證便所店司院廠部診嘅係咗呀你我佢唔嗰呢個啲喺同俾畀哋有冇嘢咁就都咩乜點邊喎㗎啦喇囉啊嗎吖嘞叫姓請多謝問要想去返到打話講聽睇幫"
    "零〇位先噉樣嘩噃咪吓哎吔唉，。？！、 "
)
"""Characters that are in no given name."""
GIVEN = rf"[^\W\d_A-Za-z{_NOT_GIVEN}]"
_TITLED = re.compile(rf"\s?(?:{_TITLE})")
_LATIN_TITLED = re.compile(
    r"(?<![A-Za-z])([A-Z][a-z]+|[A-Z]{2,8})\s?(?:先生|小姐|太太|女士|生(?![日效意])|太(?!太|貴))"
)
_BEFORE_TITLE = re.compile(rf"(?:{SURNAME}{GIVEN}{{0,2}}|{ANY_SURNAME})$")
_WORDS_ENDING_IN_SURNAME = re.compile(any_of(_CHINESE["not_names"]) + "$")
_SELF = re.compile(
    rf"(?:我姓|佢姓|姓(?=[{SURNAMES}])(?!名))(?P<surname>{_COMPOUND}|[{_HAN}](?![{_HAN}]*名))(?!名|乜|咩)"
    rf"|(?:{any_of(_CHINESE['called'])}|(?:我個名(?:係|叫)?|全名|寫住)(?=[{SURNAMES}])|叫 )\s?"
    rf"(?!你|佢|我|人|佢哋|車|外賣|緊|咗|做|咩|乜|住|俾|返)(?P<called>阿?(?:{ANY_SURNAME}{GIVEN}{{1,3}}|[{SURNAMES}](?=[，。])|{GIVEN}{{2,3}}(?=[，。？！\s呀啊㗎]|$))|阿[{_HAN}])"
    rf"|(?:^|(?<=[，。\s]))(?P<whole>{SURNAME}[{_HAN}]{{1,3}})(?=\s?(?:係)?我?嘅?全名)"
    rf"|(?P<serve>阿[{_HAN}]|[{SURNAMES}][{_HAN}]{{2}})(?=為你服務)"
    rf"|(?<=叫)(?P<person>{SURNAME}{GIVEN}{{1,2}})(?=[，。？！\s呀啊]|$)"
    rf"|{any_of(_CHINESE['is'])}\s?(?P<am>{SURNAME}[{_HAN}]{{2}})(?=[，。？！、\s呀啊㗎]|本人|$)"
)
_SAME = re.compile(
    rf"(?:[姓叫](?P<one>{ANY_SURNAME})|(?P<two>{_COMPOUND}|[{SURNAMES}])(?:先生|小姐|太太|女士|生|太))[，。\s]+"
    rf"(?P<whole>(?:(?P=one)|(?P=two)){GIVEN}{{1,2}})(?=[，。\s嘅呀]|$)"
)
"""A surname, and then the whole name: 司徒先生，司徒展鵬."""
_RADICALS = "|".join(f"{radical}字邊[個嘅]?[{_HAN}]" for radical in "女木金火日王玉言水石")
_SPELLED = re.compile(
    rf"(?P<parts>{any_of(_CHINESE['told_by_parts'])}|{_RADICALS}|[三兩]點水[{_HAN}]|[草竹]花頭[{_HAN}]|企人邊[個嘅]?[{_HAN}]"
    rf"|[{_HAN}]{{1,2}}未[余遲]|(?:[{_HAN}]{{1,4}}嗰個)?[{_HAN}]字旁[{_HAN}])"
    rf"|(?P<of>[{_HAN}]{{1,4}}(?:嘅|嗰個|個)(?P<char>[{_HAN}])(?:字)?)(?=[，。、？！\s呀啊]|$|[{_HAN}]{{1,3}}嘅)"
)
TITLE_CASE = r"(?:Ma?c(?=[A-Z])|O')?[A-Z][a-z]+(?:-[A-Z]?[a-z]+|'(?!s(?![a-z]))[A-Z]?[a-z]+)?"
_KIN = "媽爸婆公姨伯哥姐妹嫂女仔叔嬸太嬤爺嫲"
_FAMILIAR = re.compile(
    rf"(?:^|(?<=[係叫，、。？！\s搵俾]))(?P<named>[^\W\d_A-Za-z{_NOT_GIVEN}女男兔古公大二三四五六七八九十表堂阿老小細家契親姑舅呀客])"
    r"(?=哥(?!哥)|叔(?!叔)|姨|姐(?!姐)|仔(?=[，。\s]|$)|嬸|伯(?!伯)|婆婆)"
    rf"|(?P<a>阿(?:[A-Z][a-z]+|[^\W\d_A-Za-z{_NOT_GIVEN}{_KIN}里富拉根聯爾彌斯頭門])(?![姐哥叔姨婆伯嬸]))"
)
_ORGANISATION = re.compile(rf"\s{any_of(_ENGLISH_WORDS['organisations'])}s?(?![a-z])")
_IN_A_STREET = re.compile(r"\s(?:Road|Street|Avenue|Lane|Drive)(?![a-z])")
_CAPITALS = r"[A-Z]{2,}(?:\s[A-Z]{2,})"
_ENGLISH = re.compile(
    r"(?:(?<![A-Za-z])(?:Mr|Mrs|Ms|Miss|Dr|Sir|Madam|Mister|Doctor|Professor)\.?\s"
    rf"(?P<titled>{TITLE_CASE}(?:\s{TITLE_CASE}){{0,2}}|{_CAPITALS}{{0,2}}))"
    rf"|(?:(?<![A-Za-z])(?i:{any_of(_ENGLISH_WORDS['introduced'])})\s)(?P<am>{TITLE_CASE}(?:\s{TITLE_CASE}){{0,2}})"
    r"|(?<![A-Za-z])(?P<here>[A-Z][a-z]+)\s(?:here|speaking)(?![a-z])"
    rf"|(?:我係[^\W\d_A-Za-z，。]{{0,10}}|{any_of(_CHINESE['before_latin'])}|(?<![有出聞])名)[\s，]?(?!M(?:r|s|rs|iss)(?![a-z]))"
    rf"(?P<code>[A-Z][a-z]+(?:\s[A-Z][a-z]+){{0,2}}|{_CAPITALS}{{0,3}})(?![A-Za-z])"
)
_LATIN_TITLES = frozenset({"Mr", "Mrs", "Ms", "Miss", "Dr"})
NO_ENGLISH_NAME = frozenset(_ENGLISH_WORDS["no_names"])
_LATIN_PLACES = re.compile(rf"{LATIN_AREAS}(?![A-Za-z])", re.IGNORECASE)
_CAPS_NAME = re.compile(
    rf"(?<![A-Za-z])(?:{_CAPITALS}{{1,3}}|{TITLE_CASE}(?:\s{TITLE_CASE}){{1,3}})(?![A-Za-z])"
)
_ROMANISED = frozenset(_ENGLISH_WORDS["romanised"])
_SURNAME_ALONE = re.compile(
    "(?<![A-Za-z])" + any_of(name for name in _ROMANISED if len(name) > 3) + "(?![A-Za-z])"
)
"""In capitals, as on a ticket; shorter ones are codes of airlines, units and the like as often."""

Stretch = tuple[int, int]


_HAS_TITLE = re.compile("[先小太女師姑醫經主老律教博校議伯婆生哥姐叔姨嬸仔sSM]")
_HAS_INTRODUCTION = re.compile("[姓叫名係，住郎娘哥妹爺阿]")
_HAS_FAMILIAR = re.compile("[哥叔姨姐仔嬸伯婆阿]")
_HAS_SPELLING = re.compile("[嘅個旁邊點未陳張李林吳黃楊胡章何許趙程彭曾呂關劉羅蔡謝錢徐余花]")
_HAS_CAPITAL = re.compile("[A-Z]")
"""Each found in any text in which the patterns behind it may find something: most texts skip them."""


def is_surname(char: str) -> bool:
    """Tell whether a character is a surname, of the usual or of the rare ones."""
    return char in SURNAMES or char in _CHINESE["rare"][0]


def names(text: str) -> Iterator[Stretch]:
    """Yield where names stand, without their titles; some may overlap."""
    if _HAS_TITLE.search(text):
        for title in _TITLED.finditer(text):
            yield from _titled(text, title.start(), short=len(title.group().strip()) == 1)
    if _HAS_INTRODUCTION.search(text):
        yield from _introducing(text)
    if _HAS_FAMILIAR.search(text):
        for found in _FAMILIAR.finditer(text):
            yield found.span("named" if found["named"] else "a")
    if _HAS_SPELLING.search(text):
        yield from _spelled(text)
    if _HAS_CAPITAL.search(text):
        for found in _LATIN_TITLED.finditer(text):
            yield found.span(1)
        yield from _english(text)


def _introducing(text: str) -> Iterator[Stretch]:
    for found in _SELF.finditer(text):
        for group in ("surname", "called", "person", "am", "serve", "whole"):
            if found[group]:
                start = found.start(group)
                yield start, start + len(without_title(found[group]))
    for found in _SAME.finditer(text):
        yield found.span("whole")


def _titled(text: str, at: int, *, short: bool) -> Iterator[Stretch]:
    """Yield the name before a title: the longest that begins with a surname and not inside another word."""
    before = text[max(0, at - 4) : at]
    for length in (4, 3, 2, 1):
        name = before[-length:]
        if len(name) < length or not _BEFORE_TITLE.fullmatch(name):
            continue
        start = at - length
        if _WORDS_ENDING_IN_SURNAME.search(text[max(0, start - 3) : start + 1]):
            continue
        if short and length == 1 and name not in SURNAMES:
            continue  # 都生到, 能太
        if _TOY.fullmatch(name) and text[at : at + 1] == "仔":
            continue
        if length > 1 and text[max(0, start - 1) : start] == "多" and name[0] == "謝":
            continue
        yield start, at
        return


_TOY = re.compile("[古公牛羊馬魚雞豬狗貓熊龍]|金魚")
"""With 仔 behind it a story, a toy or an animal."""


def without_title(name: str) -> str:
    """Return a name without the title or the particles behind it."""
    name = name[: len(name) - _trailing(name)]
    if len(name) > 1 and name[1] in "太生" and re.match(SURNAME, name[0]):
        return name[0]
    for title in ("先生", "小姐", "太太", "女士", "師奶", "生", "太"):
        if len(name) > len(title) and name.endswith(title) and (len(title) > 1 or len(name) == 2):
            return name.removesuffix(title)
    return name


def _trailing(name: str) -> int:
    """Return how many particles a name ends in."""
    count = 0
    while len(name) - count > 1 and name[len(name) - 1 - count] in "呀啊㗎啦喇喎呢囉嘅架先您":
        count += 1
    return count


def _spelled(text: str) -> Iterator[Stretch]:
    found = list(_SPELLED.finditer(text))
    for match in found:
        if match["parts"]:
            yield match.span("parts")
            continue
        start, word = match.start("of"), re.split("嘅|嗰個|個", match["of"])[0]
        shown = re.sub(f"^.*[{_NOT_GIVEN}]", "", word)
        start, word = start + len(word) - len(shown), shown
        if match["char"] in word and match["char"] not in "月日年":  # 一月十三個月
            offset = word.find(match["char"])
            yield start + max(0, min(offset, len(word) - 2)) if len(word) > 2 else start, match.end("of")


def _english(text: str) -> Iterator[Stretch]:
    for found in _ENGLISH.finditer(text):
        for group in ("titled", "am", "code", "here"):
            if not found[group] or _ORGANISATION.match(text, found.end(group)):
                continue
            start, words = found.start(group), found[group].split()
            while words and words[0] in _LATIN_TITLES:
                start += len(words.pop(0)) + 1
            kept = list(takewhile(lambda word: word not in NO_ENGLISH_NAME, words))
            if kept:
                yield start, start + len(" ".join(kept))
    yield from (found.span() for found in _SURNAME_ALONE.finditer(text))
    for found in _CAPS_NAME.finditer(text):
        words = found.group().upper().split()
        place = _LATIN_PLACES.match(text, found.start())
        organised = any(word.search(" " + found.group()) for word in (_ORGANISATION, _IN_A_STREET))
        if (
            place is None
            and not organised
            and (words[0] in _ROMANISED or words[-1] in _ROMANISED)
            and not _ORGANISATION.match(text, found.end())
        ):
            yield from _kept(text, found.start(), found.group())


def _kept(text: str, start: int, said: str) -> Iterator[Stretch]:
    """Yield a name without the words before it that are none."""
    words = said.split()
    while words and words[0] in NO_ENGLISH_NAME:
        start += len(words.pop(0)) + 1
    if len(words) > 1:
        yield start, start + len(" ".join(words))


_CHUNK = re.compile(r"[^\s，。、？！,.?!…；同]+")
NO_NAME = frozenset(_CHINESE["answers"])
"""What is answered to a question for a name and is none."""
_LEAD_IN = re.compile(f"^{any_of(_CHINESE['lead_in'])}+")
_LATIN_CHUNK = re.compile(
    rf"(?<![A-Za-z]){TITLE_CASE}(?:\s(?:{TITLE_CASE}|[A-Z](?![A-Za-z])))*"
    rf"|(?<![A-Za-z])[A-Z](?:\s[A-Z](?![A-Za-z]))+|(?<![A-Za-z]){_CAPITALS}*(?![A-Za-z])"
)
LONGEST_NAME = 4
"""Characters."""
_DIGITS_OR_LATIN = re.compile("[A-Za-z0-9零一二三四五六七八九十]")
_NO_PART_OF_NAME = re.compile("[幾部楷期日月號碼話址證件]")


def asked_names(text: str) -> Iterator[Stretch]:
    """Yield where names stand in an answer: alone between marks, or letter by letter."""
    chunks = [match for match in _CHUNK.finditer(text) if re.search(f"[{_HAN}]", match.group())]
    for chunk in chunks:
        said = _LEAD_IN.sub("", chunk.group())
        name = without_title(said) if said else ""
        if len(said) > LONGEST_NAME and is_like_full_name(said[:3]):
            yield chunk.end() - len(said), chunk.end() - len(said) + 3
        if _may_be_name(name) and _stands_for_name(name, text, len(chunks)):
            start = chunk.end() - len(said)
            yield start, start + len(name)
    for found in _LATIN_CHUNK.finditer(text):
        start, words = found.start(), found.group().split()
        while words and re.split("['’]", words[0])[0] in NO_ENGLISH_NAME:
            start += len(words.pop(0)) + 1
        code = len(words) == 1 and words[0].isupper() and words[0] not in _ROMANISED
        if words and not code and (len(words) > 1 or len(words[0]) > 1):
            yield start, found.end()


_INTRODUCED = re.compile(
    r"(?:^|(?<=[^\W\d_A-Za-z，]))\s?[，]?\s?(?P<name>[A-Z][a-z]{2,})"
    r"(?=[，。呀]|\s?聽|\s?為你服務|\s?speaking|$)"
    rf"|(?<=主任|服務|客服|顧問|專員)(?P<full>{SURNAME}{GIVEN}{{2}})(?=[，。\s]|$)|(?<=係)(?P<small>小{GIVEN})(?=[，。\s呀]|$)"
)


def introduced(text: str) -> Iterator[Stretch]:
    """Yield the name that an agent gives behind the company's: 信用卡中心 Fiona 為你服務."""
    for found in _INTRODUCED.finditer(text):
        group = next(group for group in ("name", "full", "small") if found[group])
        if found[group] not in NO_ENGLISH_NAME:
            yield found.span(group)


def with_surname(text: str, surnames: Iterable[str]) -> Iterator[Stretch]:
    """Yield whole names of people whose surname was said before: 石先生, and then 石志明."""
    for surname in surnames:
        pattern = (
            rf"(?<![A-Za-z])[A-Z][a-z]+\s{re.escape(surname)}(?![A-Za-z])"
            if surname.isascii()
            else rf"(?:^|(?<=[\s，。、係呀啊哦])){re.escape(surname)}{GIVEN}{{1,2}}(?=[\s，。、？呀]|$)"
        )
        for found in re.finditer(pattern, text):
            if without_title(found.group()) == found.group():
                yield found.span()


def _may_be_name(name: str) -> bool:
    if not 1 <= len(name) <= LONGEST_NAME or name in NO_NAME or name[:2] in NO_NAME:
        return False
    return not any(char in _NOT_GIVEN for char in name) and not _DIGITS_OR_LATIN.search(name)


def is_like_full_name(said: str) -> bool:
    """Tell whether three characters are like a name: a surname, and no word is made of it (方便, 高興)."""
    like = re.fullmatch(f"{ANY_SURNAME}{GIVEN}{{2}}", said) is not None and not _DIGITS_OR_LATIN.search(said)
    return like and not NO_PART_OF_FULL_NAME.search(said) and not is_word(key_form(said[:2]))


def _stands_for_name(name: str, text: str, chunks: int) -> bool:
    """Tell whether a stretch between marks is a name by its surname, or by how short the answer is."""
    if re.match(ANY_SURNAME, name) and (len(name) > 1 or chunks > 1):
        return True
    short = len(text) <= 6 and len(name) == 3 and not _NO_PART_OF_NAME.search(name)
    return short or (len(name) <= 2 and _SPELLED.search(text) is not None)


_FULL = re.compile(
    rf"(?:^|(?<=[\s，。、：；同]))(?:叫|係|姓名)?(?P<name>{SURNAME}[^\W\d_A-Za-z{_NOT_GIVEN}零一二三四五六七八九十百千]{{2}})"
    r"(?=[\s，。、？；同]|$)"
)
NO_PART_OF_FULL_NAME = re.compile("[幾部期日月號碼話址證件費間分鐘元用地方便]")


def full_names(text: str) -> Iterator[Stretch]:
    """Yield names of three characters that stand alone between marks."""
    for found in _FULL.finditer(text):
        name = found["name"]
        if not NO_PART_OF_FULL_NAME.search(name[1:]) and without_title(name) == name:
            yield found.span("name")
