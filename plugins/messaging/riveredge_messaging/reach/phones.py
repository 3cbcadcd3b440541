"""Phone numbers, in the one form that all providers understand (ITU-T E.164)."""

import re

# What people write between digits.
_SEPARATORS = re.compile(r"[\s\-./()\u00a0\u2010-\u2015]")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def phone_number(text: str) -> str:
    """`+8613800138000`, from what people write: `+86 138-0013-8000` or `0086 138 0013 8000`.

    Raises:
        ValueError: it is no number with its country code.
    """
    number = _SEPARATORS.sub("", text.strip())
    if number.startswith("00"):
        number = "+" + number[2:]
    if not number.isascii() or not _E164.fullmatch(number):
        raise ValueError("expected a phone number with its country code, such as +86 138 0013 8000")
    return number
