"""Which casts happen by themselves: those that lose nothing.

A number that is rounded, a text that is cut or a time whose zone is dropped would be published
without anybody having decided it, so such a cast has to be written in the asset's function.
"""

import ibis.expr.datatypes as dt

_DIGITS_OF_A_DOUBLE = 53
_DIGITS_OF_A_FLOAT = 24


def is_lossless(actual: dt.DataType, declared: dt.DataType) -> bool:
    """Whether every value of a type is also one of another type, whatever the value is."""
    if actual.copy(nullable=True) == declared.copy(nullable=True) or actual.is_null():
        return True
    if isinstance(actual, dt.Array) and isinstance(declared, dt.Array):
        return is_lossless(actual.value_type, declared.value_type)
    if isinstance(actual, dt.Integer):
        return _holds_integers(actual, declared)
    if isinstance(actual, dt.Decimal) and isinstance(declared, dt.Decimal):
        return _holds_decimals(actual, declared)
    if isinstance(actual, dt.Floating) and isinstance(declared, dt.Floating):
        return int(declared.nbytes) >= int(actual.nbytes)
    return isinstance(declared, dt.Timestamp) and _holds_moments(actual, declared)


def _holds_integers(actual: dt.Integer, declared: dt.DataType) -> bool:
    lowest, highest = actual.bounds.lower, actual.bounds.upper
    if isinstance(declared, dt.Integer):
        return bool(declared.bounds.lower <= lowest and highest <= declared.bounds.upper)
    if isinstance(declared, dt.Floating):
        bits = _DIGITS_OF_A_DOUBLE if declared.nbytes == 8 else _DIGITS_OF_A_FLOAT
        return bool(highest <= 2**bits)
    if isinstance(declared, dt.Decimal) and declared.precision is not None:
        return len(str(highest)) <= int(declared.precision) - int(declared.scale or 0)
    return False


def _holds_moments(actual: dt.DataType, declared: dt.Timestamp) -> bool:
    """Iceberg keeps microseconds, and no zone unless it is declared."""
    if isinstance(actual, dt.Timestamp):
        return actual.timezone == declared.timezone and (actual.scale or 6) <= 6
    return bool(actual.is_date()) and declared.timezone is None


def _holds_decimals(actual: dt.Decimal, declared: dt.Decimal) -> bool:
    """A decimal of unknown precision may have more digits than any other one."""
    if None in (actual.precision, actual.scale, declared.precision, declared.scale):
        return False
    whole = declared.precision - declared.scale
    return bool(declared.scale >= actual.scale and whole >= actual.precision - actual.scale)
