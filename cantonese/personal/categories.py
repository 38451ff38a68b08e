"""Kinds of personal data, and what is shown in their place. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """What a stretch of text tells about somebody."""

    HKID = "hkid"
    CARD = "card"
    SECURITY_CODE = "security_code"
    ONE_TIME_CODE = "one_time_code"
    PASSWORD = "password"  # noqa: S105 (a kind of data)
    BANK_ACCOUNT = "bank_account"
    PHONE = "phone"
    DATE_OF_BIRTH = "date_of_birth"
    ADDRESS = "address"
    NAME = "name"
    PASSPORT = "passport"
    HOME_RETURN_PERMIT = "home_return_permit"
    MAINLAND_ID = "mainland_id"
    POLICY_NUMBER = "policy_number"
    ACCOUNT_NUMBER = "account_number"
    OCTOPUS = "octopus"
    EMAIL = "email"
    CAR_PLATE = "car_plate"
    NUMBER = "number"
    SENSITIVE = "sensitive"


SECRETS = frozenset({Category.SECURITY_CODE, Category.ONE_TIME_CODE, Category.PASSWORD, Category.SENSITIVE})
"""Never shown to anybody and never kept (PCI DSS 4.0.1, 3.3.1): no setting turns them off."""
LABELS: Mapping[Category, str] = {
    Category.HKID: "身份證",
    Category.CARD: "卡號",
    Category.SECURITY_CODE: "安全碼",
    Category.ONE_TIME_CODE: "驗證碼",
    Category.PASSWORD: "密碼",
    Category.BANK_ACCOUNT: "銀行戶口",
    Category.PHONE: "電話",
    Category.DATE_OF_BIRTH: "出生日期",
    Category.ADDRESS: "地址",
    Category.NAME: "姓名",
    Category.PASSPORT: "護照",
    Category.HOME_RETURN_PERMIT: "回鄉證",
    Category.MAINLAND_ID: "內地身份證",
    Category.POLICY_NUMBER: "保單號碼",
    Category.ACCOUNT_NUMBER: "帳戶號碼",
    Category.OCTOPUS: "八達通",
    Category.EMAIL: "電郵",
    Category.CAR_PLATE: "車牌",
    Category.NUMBER: "號碼",
    Category.SENSITIVE: "敏感資料",
}
"""For people, in Traditional Chinese."""


@dataclass(frozen=True, slots=True)
class PersonalSpan:
    """A stretch of text that is personal data, in code points.

    Attributes:
        start: its first one.
        end: behind its last one.
        category: what it is.
        provisional: it may turn out to be none: what follows will tell.
    """

    start: int
    end: int
    category: Category
    provisional: bool = False
