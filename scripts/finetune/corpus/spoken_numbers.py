"""Random money, dates, times and numbers as Cantonese speakers say them, for training sentences."""

from __future__ import annotations

import random

from cantonese.numerals import DIGITS, counting_numeral, spoken_numeral

_GIVEN_NAMES = [
    *("peter", "mary", "john", "amy", "ken", "karen", "eric", "tony", "joyce", "david", "sandy", "henry"),
    *("alice", "ben", "sam", "alex", "simon", "lily", "grace", "andy", "helen", "chris"),
]
_FAMILY_NAMES = ["chan", "wong", "lee", "lam", "ho", "cheung", "ng", "lau", "leung", "tang", "mak", "yip"]
_CHECK_LETTERS = "ABCDEFGHIJKLMNOPRSTUVWXYZ"


def digit_string(rng: random.Random, length: int) -> str:
    """Return ``length`` random digits, read one by one."""
    return "".join(rng.choice(DIGITS) for _ in range(length))


def phone(rng: random.Random) -> str:
    """Return an eight-digit Hong Kong number as spoken, sometimes with a pause in the middle."""
    digits = rng.choice("二三五六九") + digit_string(rng, 7)
    return digits if rng.random() < 0.7 else f"{digits[:4]}，{digits[4:]}"


def money(rng: random.Random) -> str:
    """Return an amount of Hong Kong dollars as spoken."""
    scale = rng.choice((20, 100, 1000, 1000, 10_000, 100_000))
    value = rng.randint(2, scale)
    if value > 100 and rng.random() < 0.6:
        value = value // 10 * 10 if value < 1000 else value // 100 * 100
    unit = rng.choices(("蚊", "元", "港幣", "蚊雞"), (8, 3, 1, 0.3))[0]
    if unit == "港幣":
        return f"港幣{spoken_numeral(value)}元"
    if value < 1000 and unit == "蚊" and rng.random() < 0.1:
        return f"{spoken_numeral(value)}個半"
    return counting_numeral(value) + unit + rng.choices(("", "幾毫子"), (30, 1))[0]


def date(rng: random.Random) -> str:
    """Return a day, with or without its month or year, as spoken."""
    day, month = spoken_numeral(rng.randint(1, 31)), spoken_numeral(rng.randint(1, 12))
    forms = (
        f"{month}月{day}號",
        f"{month}月{day}號",
        f"{day}號",
        f"上個月{day}號",
        f"今個月{day}號",
        f"下個月{day}號",
        f"二零二{rng.choice('四五六七')}年{month}月",
        f"二零二{rng.choice('四五六七')}年{month}月{day}日",
        f"{month}月{rng.choice(('頭', '尾', '中'))}",
    )
    return rng.choice(forms)


def birth_date(rng: random.Random) -> str:
    """Return a date of birth as spoken."""
    year = f"{rng.choice(('一九', '一九', '二零'))}"
    year += rng.choice("五六七八九") + rng.choice(DIGITS) if year == "一九" else "零" + rng.choice(DIGITS)
    month, day = spoken_numeral(rng.randint(1, 12)), spoken_numeral(rng.randint(1, 31))
    return f"{year}年{month}月{day}{rng.choice('日號')}"


def clock(rng: random.Random) -> str:
    """Return a time of day without morning or evening, in minutes or in fives (個字)."""
    hour = counting_numeral(rng.randint(1, 12))
    minute = spoken_numeral(rng.randint(1, 59))
    forms = (
        f"{hour}點",
        f"{hour}點鐘",
        f"{hour}點半",
        f"{hour}點{minute}分",
        f"{hour}點{spoken_numeral(rng.randint(1, 11))}",
        f"{hour}點{rng.choice('一二三四五六七八九')}個字",
        f"{hour}點到{counting_numeral(rng.randint(1, 12))}點",
        f"{hour}點前",
    )
    return rng.choice(forms)


def time_of_day(rng: random.Random) -> str:
    """Return a time of day, usually with the part of the day."""
    part = rng.choice(("朝早", "上晝", "下晝", "夜晚", "下午", "上午", "晏晝", "今晚", "聽朝", ""))
    return part + clock(rng)


def duration(rng: random.Random) -> str:
    """Return a span of time as spoken."""
    count = rng.randint(2, 15)
    unit = rng.choice(("日", "個鐘", "個星期", "個月", "分鐘", "年", "個工作天", "個禮拜", "個鐘頭"))
    forms = (
        counting_numeral(count) + unit,
        counting_numeral(count) + unit,
        f"{counting_numeral(count)}至{counting_numeral(count + rng.randint(1, 5))}{unit}",
        f"{rng.choice('三四五六')}{rng.choice('十百')}{unit}",
        "半個鐘",
        "成個月",
        "半年",
        f"{counting_numeral(count)}個半鐘",
        "好幾日",
        "三個字",
    )
    return rng.choice(forms)


def hkid(rng: random.Random) -> str:
    """Return a made-up identity number as read out: letter, six digits, bracketed check digit."""
    check = rng.choice([*DIGITS, " A "])
    end = f"括號{check}" if rng.random() < 0.7 else check
    return f" {rng.choice(_CHECK_LETTERS)} {digit_string(rng, 6)}{end}"


def code(rng: random.Random) -> str:
    """Return an order or case number as read out: letters, then digits."""
    letters = " ".join(rng.choice(_CHECK_LETTERS + "Q") for _ in range(rng.choice((0, 1, 2, 2, 3))))
    return f" {letters} {digit_string(rng, rng.randint(3, 8))}"


def email(rng: random.Random) -> str:
    """Return an e-mail address as read out."""
    name, family = rng.choice(_GIVEN_NAMES), rng.choice(_FAMILY_NAMES)
    digits = digit_string(rng, rng.choice((0, 0, 2, 3, 4)))
    host = rng.choice(("gmail", "yahoo", "hotmail", "outlook", "icloud", "netvigator"))
    return f" {name} {family} {digits} at {host} dot com"
