"""The values of fields in line protocol that stand without quotes."""

import re

NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"(-?)([0-9]+)([iu])")
_TRUE, _FALSE = {"t", "T", "true", "True", "TRUE"}, {"f", "F", "false", "False", "FALSE"}


class Unsigned(int):
    """A field value written as ``1u``."""


Value = float | int | Unsigned | bool | str


class Malformed(Exception):
    """What is wrong with a line."""


def unquoted(text: str) -> Value:
    """Raises Malformed."""
    if NUMBER.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise Malformed("invalid float")
        return number
    if whole := _WHOLE.fullmatch(text):
        return _whole(*whole.groups())
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    is_number = text[0] in "0123456789.-Nn"
    raise Malformed("invalid number" if is_number else "invalid boolean")


def _whole(sign: str, digits: str, kind: str) -> Value:
    number = int(sign + digits)
    if kind == "i":
        if not -(2**63) <= number < 2**63:
            reason = f'strconv.ParseInt: parsing "{sign}{digits}": value out of range'
            raise Malformed(f"unable to parse integer {sign}{digits}: {reason}")
        return number
    if sign:
        raise Malformed("invalid number")
    if number >= 2**64:
        reason = f'strconv.ParseUint: parsing "{digits}": value out of range'
        raise Malformed(f"unable to parse unsigned {digits}: {reason}")
    return Unsigned(number)
