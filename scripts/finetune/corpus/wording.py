"""Is it Cantonese as spoken, or Mandarin and written Chinese?"""

from __future__ import annotations

import re

# Function words of each side that the other does not use in speech (Matthews and Yip 2011, ch. 1).
_CANTONESE = re.compile(
    "[嘅係唔喺咗嚟佢哋冇啲咩乜嘢嗰呢咁俾畀搵睇嗌瞓攞噉吖㗎喎囉咋啩]|點解|邊個|邊度|幾時|而家|鍾意|返工|尋日"
)
_MANDARIN = re.compile(
    "[的是他她們這嗎很沒給吃]|什麼|怎麼|為甚麼|為什麼|哪裏|哪兒|現在|喜歡|可不可以|昨天|一點兒|不是|不會"
)


def is_mandarin(text: str) -> bool:
    """Tell whether verbatim ``text`` has words of Mandarin or written Chinese and none of Cantonese.

    Fixed expressions (的士, 目的, 是但) are passed over.
    """
    text = re.sub("的士|目的|的確|是但|但是|於是|是否|確是|這個月", "", text)
    return bool(_MANDARIN.search(text)) and not _CANTONESE.search(text)
