"""A generated corpus: every category, in the forms in which people say it, and numbers that are nobody's.

Values are drawn, phrases are combined; so it shows that the rules of spoken numbers hold everywhere, not how
people talk. The sets beside it, written by hand and unseen, show that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from benchmarks.redaction.dialogues import Dialogue, marked
from cantonese.numerals import DIGITS, counting_numeral, spoken_numeral

SEED = 21
_ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NATO = {
    "A": "Apple",
    "B": "Boy",
    "C": "Cat",
    "D": "Dog",
    "E": "Echo",
    "K": "King",
    "M": "Mary",
    "R": "Roger",
    "Z": "Zebra",
}
_SURNAMES, _GIVEN = (
    "陳李黃張梁王林吳劉何葉鄭",
    ("大文", "志強", "美玲", "家欣", "子軒", "慧儀", "嘉敏", "俊傑"),
)
_STREETS = ("彌敦道", "英皇道", "大埔道", "青山道", "軒尼詩道")
_ESTATES = ("沙田第一城", "太古城", "美孚新邨", "荃灣荃威花園", "將軍澳新都城", "黃埔花園")


class Corpus:
    """Draws dialogues.

    Args:
        seed: of the draw.
    """

    def __init__(self, seed: int = SEED) -> None:
        self._rng = random.Random(seed)

    def dialogues(self, count: int) -> Iterator[Dialogue]:
        """Yield ``count`` dialogues, a fifth of them without personal data."""
        kinds = list(self._kinds().values())
        for number in range(count):
            if number % 5 == 4:
                yield tuple(marked(role, text) for role, text in self._harmless())
                continue
            draw = kinds[number % len(kinds)]
            turns = [*self._greeting(), *draw(), *self._harmless()[:2]]
            yield tuple(marked(role, text) for role, text in turns)

    # ---------------------------------------------------------------- values

    def _digits(self, count: int, first: str = "0123456789") -> str:
        return self._rng.choice(first) + "".join(self._rng.choice("0123456789") for _ in range(count - 1))

    def _spoken(self, digits: str) -> str:
        """Return digits as somebody says them: plain, in groups, with 孖 and 洞, in pairs, or as figures."""
        form = self._rng.choice(["plain", "groups", "commas", "doubled", "figures", "holes"])
        said = "".join(DIGITS[int(digit)] for digit in digits)
        if form == "figures":
            return digits
        if form == "holes":
            return said.replace("零", "洞")
        if form == "doubled":
            out, at = "", 0
            while at < len(said):
                if at + 1 < len(said) and said[at] == said[at + 1]:
                    out, at = out + "孖" + said[at], at + 2
                else:
                    out, at = out + said[at], at + 1
            return out
        if form in ("groups", "commas"):
            size = self._rng.choice([3, 4])
            return (" " if form == "groups" else "，").join(
                said[start : start + size] for start in range(0, len(said), size)
            )
        return said

    def _dictated(self, category: str, ask: str, digits: str, lead: str = "") -> Iterator[tuple[str, str]]:
        """Yield a request, the number at once or in parts, and mostly its repetition."""
        rng = self._rng
        yield "agent", ask
        manner = rng.choice(["whole", "parts", "corrected", "whole"])
        if manner == "parts" and len(digits) >= 6:
            cut = rng.choice([3, 4])
            parts = [digits[start : start + cut] for start in range(0, len(digits), cut)]
            for index, part in enumerate(parts):
                yield "customer", (lead if not index else "") + f"[[{category}:{self._spoken(part)}]]"
                if index + 1 < len(parts):
                    yield "agent", rng.choice(["係", "嗯", "跟住呢", "OK"])
        else:
            before = rng.choice(["", "係", "呃，係", "等等，", "我諗係"])
            yield "customer", f"{before}{lead}[[{category}:{self._spoken(digits)}]]"
        if manner == "corrected":
            wrong = digits[:-1] + str((int(digits[-1]) + 1) % 10)
            yield "agent", f"[[{category}:{self._spoken(wrong)}]]，係唔係？"
            yield "customer", f"唔係，最尾係[[{category}:{DIGITS[int(digits[-1])]}]]"
        elif rng.random() < 0.6:
            yield (
                "agent",
                rng.choice(["我讀一次，", "收到，", ""]) + f"[[{category}:{self._spoken(digits)}]]，啱唔啱？",
            )
            yield "customer", rng.choice(["啱呀", "係", "冇錯，唔該"])

    # ---------------------------------------------------------------- categories

    def _kinds(self) -> dict[str, Callable[[], Iterator[tuple[str, str]]]]:
        plain = {
            "phone": (
                ["請問你嘅聯絡電話？", "麻煩你講電話號碼", "可唔可以留低個手提號碼？"],
                lambda: self._digits(8, "235679"),
            ),
            "card": (["請講信用卡號碼", "麻煩你讀張卡嘅號碼", "卡號係？"], lambda: self._digits(16, "45")),
            "security_code": (["背面嗰三個數字係？", "安全碼幾多？", "請講 CVV"], lambda: self._digits(3)),
            "one_time_code": (
                ["短訊嘅驗證碼係？", "請讀一次性密碼", "收到 OTP 未？讀俾我"],
                lambda: self._digits(6),
            ),
            "password": (["請講你嘅電話理財密碼", "密碼係？", "你個 PIN 幾多？"], lambda: self._digits(6)),
            "bank_account": (
                ["戶口號碼係？", "轉去邊個戶口？", "麻煩你講銀行戶口"],
                lambda: self._digits(12),
            ),
            "octopus": (["八達通號碼係？", "請講八達通背面嗰串號碼"], lambda: self._digits(8)),
            "account_number": (["客戶編號係？", "麻煩你講賬戶號碼"], lambda: self._digits(10)),
            "mainland_id": (["內地身份證號碼係？", "居民身份證嗰十八位請講"], self._mainland),
        }
        found = {
            name: (
                lambda name=name, asks=asks, draw=draw: self._dictated(name, self._rng.choice(asks), draw())
            )
            for name, (asks, draw) in plain.items()
        }
        return found | {
            "hkid": self._hkid, "passport": self._passport, "home_return_permit": self._permit,
            "policy_number": self._policy, "car_plate": self._plate, "date_of_birth": self._birth,
            "name": self._name, "address": self._address, "email": self._email, "english": self._in_english,
        }  # fmt: skip

    def _mainland(self) -> str:
        return (
            "440"
            + self._digits(3)
            + f"19{self._rng.randint(50, 99)}0{self._rng.randint(1, 9)}1{self._rng.randint(0, 9)}"
            + self._digits(4)
        )

    def _hkid(self) -> Iterator[tuple[str, str]]:
        letter, rng = self._rng.choice("ABCDEKMRZ"), self._rng
        digits, check = self._digits(6), rng.choice("0123456789")
        said = rng.choice(
            [
                f"{letter}{digits}({check})",
                f"{letter} {self._chinese(digits)}，括號{DIGITS[int(check)]}",
                f"{letter} for {_NATO[letter]} {self._chinese(digits[:3])} "
                f"{self._chinese(digits[3:])} 括號{DIGITS[int(check)]}",
            ]
        )
        yield "agent", rng.choice(["請講你嘅身份證號碼", "身份證號碼係？", "麻煩你核對身份證"])
        if rng.random() < 0.3:
            yield "customer", f"[[hkid:{letter} {self._chinese(digits[:3])}]]"
            yield "agent", "嗯"
            yield "customer", f"[[hkid:{self._chinese(digits[3:])}，括號{DIGITS[int(check)]}]]"
        else:
            yield "customer", f"係[[hkid:{said}]]"
        yield "agent", f"[[hkid:{letter}{self._chinese(digits)}括號{DIGITS[int(check)]}]]，係唔係？"

    def _chinese(self, digits: str) -> str:
        return "".join(DIGITS[int(digit)] for digit in digits)

    def _lettered(self, category: str, ask: str, letters: str, digits: str) -> Iterator[tuple[str, str]]:
        spelled = " ".join(letters) if self._rng.random() < 0.5 else letters
        yield "agent", ask
        yield "customer", f"[[{category}:{spelled} {self._chinese(digits)}]]"
        yield "agent", f"[[{category}:{letters}{self._chinese(digits)}]]，冇錯？"

    def _passport(self) -> Iterator[tuple[str, str]]:
        return self._lettered(
            "passport", "護照號碼係？", self._rng.choice(["K", "KJ", "HJ"]), self._digits(8)
        )

    def _permit(self) -> Iterator[tuple[str, str]]:
        return self._lettered("home_return_permit", "回鄉證號碼請講", "H", self._digits(8))

    def _policy(self) -> Iterator[tuple[str, str]]:
        letters = "".join(self._rng.choice("BCDFGHLPRTW") for _ in range(2))
        return self._lettered("policy_number", "保單號碼係？", letters, self._digits(8))

    def _plate(self) -> Iterator[tuple[str, str]]:
        letters = "".join(self._rng.choice("BDFGHJRSTVWXZ") for _ in range(2))
        return self._lettered("car_plate", "車牌號碼幾多？", letters, self._digits(4, "123456789"))

    def _birth(self) -> Iterator[tuple[str, str]]:
        rng = self._rng
        year, month, day = rng.randint(1940, 2005), rng.randint(1, 12), rng.randint(1, 28)
        spoken = f"{self._chinese(str(year))}年{spoken_numeral(month)}月{spoken_numeral(day)}號"
        short = f"{self._chinese(str(year)[2:])}年{spoken_numeral(month)}月{spoken_numeral(day)}"
        yield "agent", rng.choice(["出生日期係？", "請問你幾時出世？", "核對返出世年月日"])
        said = rng.choice([spoken, short, f"{day}/{month}/{year}", f"{year}年{month}月{day}日"])
        yield "customer", f"[[date_of_birth:{said}]]"
        yield "agent", f"[[date_of_birth:{spoken}]]，係咪？"

    def _name(self) -> Iterator[tuple[str, str]]:
        rng = self._rng
        surname, given = rng.choice(_SURNAMES), rng.choice(_GIVEN)
        title = rng.choice(["先生", "小姐", "太太", "生", "太"])
        yield "agent", rng.choice(["請問點稱呼？", "貴姓呀？", "請問全名？"])
        yield (
            "customer",
            rng.choice(
                [f"我叫[[name:{surname}{given}]]", f"我姓[[name:{surname}]]", f"[[name:{surname}{given}]]"]
            ),
        )
        yield "agent", f"多謝你[[name:{surname}]]{title}"
        if rng.random() < 0.5:
            yield "agent", f"我係[[name:{rng.choice(['Kelly', 'Jason', 'Mandy', 'Kenny'])}]]，幫你跟進"

    def _address(self) -> Iterator[tuple[str, str]]:
        rng = self._rng
        flat = rng.choice("ABCDEFGH")
        if rng.random() < 0.5:
            block, floor = spoken_numeral(rng.randint(1, 40)), spoken_numeral(rng.randint(1, 40))
            said = f"{rng.choice(_ESTATES)}{block}座{floor}樓{flat}室"
        else:
            said = f"{rng.choice(_STREETS)}{rng.randint(1, 900)}號{rng.randint(1, 30)}樓{flat}室"
        yield "agent", rng.choice(["地址係？", "送去邊度？", "登記地址請講"])
        yield "customer", f"{rng.choice(['', '我住', '係'])}[[address:{said}]]"
        yield "agent", f"[[address:{said}]]，收到"

    def _email(self) -> Iterator[tuple[str, str]]:
        rng = self._rng
        user, host = (
            rng.choice(["chan tai man", "amy", "k w lee", "wing.ho"]),
            rng.choice(["gmail", "yahoo", "hotmail"]),
        )
        said = rng.choice(
            [f"{user.replace(' ', '')}@{host}.com", f"{user} at {host} 點 com", f"{user} at {host} dot com"]
        )
        yield "agent", "電郵地址係？"
        yield "customer", f"[[email:{said}]]"

    def _in_english(self) -> Iterator[tuple[str, str]]:
        digits = self._digits(8, "235679")
        words = " ".join(_ENGLISH[int(digit)] for digit in digits)
        yield "agent", "May I have your phone number please?"
        yield "customer", f"It's [[phone:{words}]]"
        surname = self._rng.choice(["Chan", "Wong", "Leung"])
        yield "agent", f"[[phone:{digits[:4]} {digits[4:]}]], thank you Ms [[name:{surname}]]"
        yield "customer", "Thanks, how much is the plan?"
        yield "agent", f"It's {{{{amount:${self._rng.randint(1, 9)}98}}}} a month for {{{{other:24 months}}}}"

    # ---------------------------------------------------------------- what is nobody's

    def _greeting(self) -> Iterator[tuple[str, str]]:
        yield "agent", self._rng.choice(["你好，有咩可以幫到你？", "早晨，客戶服務部", "多謝等候"])
        yield "customer", self._rng.choice(["我想改資料", "我想查張單", "想問下點搞"])

    def _harmless(self) -> list[tuple[str, str]]:
        """Return turns whose numbers stay: a few of them, in any order."""
        turns = [
            (
                "agent",
                f"月費係{self._stays('amount', self._money())}，{self._stays('date', self._day())}生效",
            ),
            ("customer", f"即係{self._stays('date', self._number(1, 30) + '號')}{self._afternoon()}前要俾？"),
            ("agent", f"訂單編號係{self._stays('order', self._chinese(self._digits(9)))}"),
            ("customer", f"型號係{self._stays('article', self._model())}嗰部"),
            ("agent", f"有{self._stays('other', self._number(10, 60) + 'GB')}，{self._contract()}"),
            ("agent", f"利率{self._stays('other', self._rate())}，{self._percent()}"),
            ("customer", f"等咗{self._stays('other', self._count() + '個鐘')}，打咗{self._count()}次"),
            (
                "agent",
                f"總數{self._stays('amount', self._dollars())}，{self._stays('date', self._due())}到期",
            ),
            ("agent", f"請撳{self._stays('other', self._chinese(self._digits(3, '123456789')))}"),
            (
                "customer",
                f"部機個畫面寫住{self._stays('other', self._chinese(self._digits(3, '123456789')))}",
            ),
        ]
        self._rng.shuffle(turns)
        return turns[: self._rng.randint(4, 7)]

    @staticmethod
    def _stays(kind: str, text: str) -> str:
        return f"{{{{{kind}:{text}}}}}"

    def _number(self, least: int, most: int) -> str:
        return spoken_numeral(self._rng.randint(least, most))

    def _count(self) -> str:
        return counting_numeral(self._rng.randint(2, 9))

    def _money(self) -> str:
        return counting_numeral(self._rng.choice([98, 128, 168, 320, 1200, 2380])) + "蚊"

    def _dollars(self) -> str:
        return f"${self._rng.randint(1, 9)},{self._digits(3)}"

    def _day(self) -> str:
        return f"{self._number(1, 12)}月{self._number(1, 28)}號"

    def _due(self) -> str:
        return f"{self._rng.randint(1, 12)}月{self._rng.randint(1, 28)}日"

    def _afternoon(self) -> str:
        return self._stays("time", f"下晝{self._number(1, 9)}點半")

    def _model(self) -> str:
        return f"{self._rng.choice(['XR', 'WH', 'TV'])} {self._chinese(self._digits(3))}"

    def _contract(self) -> str:
        return "合約" + self._stays("other", f"{self._number(12, 36)}個月")

    def _rate(self) -> str:
        return f"{self._number(2, 9)}點{DIGITS[self._rng.randint(1, 9)]}厘"

    def _percent(self) -> str:
        return self._stays("other", f"百分之{self._number(2, 60)}")
