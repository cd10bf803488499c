"""Conditions of statements: read to nested tuples, then tried against the variables of a request."""

import re

from .text import OCID, PATTERN, STRING, VARIABLE
from .text import Refused, listed
from .times import moment, time_of_day

DEPTH_MAX = 32
TIME = "request.utc-timestamp"
TIME_OF_DAY = "request.utc-timestamp.time-of-day"


def condition(text, depth=1):
    """Reads a condition: ("all" or "any", conditions) or (operator, variable, values)."""
    if text.next_word() in ("all", "any"):
        return (text.keyword("all", "any"), braced(text, depth))
    if text.next_word() in ("sets-intersect", "sets-equal"):
        return set_function(text)
    if text.keyword("not") or text.sign("!"):
        return ("absent", variable(text), [])
    left = variable(text)
    if text.sign("="):
        return ("=", left, [value(text)])
    if text.sign("!"):
        text.need_sign("=")
        return ("!=", left, [value(text)])
    return worded(text, left)


def braced(text, depth):
    if depth > DEPTH_MAX:
        raise Refused("nested too deep")
    text.need_sign("{")
    return listed(text, lambda text: condition(text, depth + 1), "}")


def set_function(text):
    operator = text.keyword("sets-intersect", "sets-equal")
    text.need_sign("(")
    left = variable(text)
    text.need_sign(",")
    values = in_brackets(text)
    text.need_sign(")")
    return (operator, left, values)


def worded(text, left):
    """Reads what follows a variable when its operator is a word, or nothing."""
    if text.keyword("not"):
        text.need_keyword("in")
        return ("not in", left, in_brackets(text))
    if text.keyword("in"):
        return ("in", left, in_brackets(text))
    if text.keyword("between"):
        read = time_of_day if left == TIME_OF_DAY else moment
        first = text.need(read(text.string()), "a time")
        text.need_keyword("and")
        return ("between", left, [first, text.need(read(text.string()), "a time")])
    operator = text.keyword("before", "after")
    return (operator, left, [text.need(moment(text.string()), "a time")]) if operator else ("present", left, [])


def in_brackets(text):
    text.need_sign("(")
    return listed(text, value, ")")


def variable(text):
    return text.need(text.take(VARIABLE), "a variable").group().lower()


def value(text):
    """Reads a right side: (kind, its text)."""
    for kind, expression in (("string", STRING), ("pattern", PATTERN)):
        match = text.take(expression)
        if match is not None:
            return (kind, match.group(1).lower())
    match = text.take(OCID)
    if match is not None:
        return ("string", match.group().lower())
    return ("variable", variable(text))


def holds(condition, variables, strict):
    """Whether a condition is true; variables are lists of values by lower-case name, absent ones have no entry."""
    if condition[0] == "all":
        return all(holds(inner, variables, strict) for inner in condition[1])
    if condition[0] == "any":
        return any(holds(inner, variables, strict) for inner in condition[1])
    operator, name, values = condition
    if operator in ("absent", "present"):
        return (name in variables) == (operator == "present")
    if name not in variables:
        return False
    if operator in ("before", "after", "between"):
        return name in (TIME, TIME_OF_DAY) and in_time(operator, name, variables[name][0], values)
    left = [one.lower() for one in variables[name]]
    sides = [right_side(side, variables, strict and stars_in_quotes(name)) for side in values]
    return compare(operator, left, sides)


def compare(operator, left, sides):
    """Compares the values on the left with each right side, which is None where its variable is absent."""
    if operator == "sets-equal":
        if None in sides:
            return False
        tests = [test for side in sides for test in side]
        return (bool(left) and all(any(test(one) for test in tests) for one in left)
                and all(any(test(one) for one in left) for test in tests))
    matches = [side and any(test(one) for one in left for test in side) for side in sides]
    if operator in ("!=", "not in"):
        return all(side is not None and not match for side, match in zip(sides, matches))
    return any(matches)


def right_side(side, variables, stars):
    """Returns a test for each value on the right, or None for a variable that the request does not carry."""
    kind, text = side
    if kind == "variable":
        return [equal_to(one.lower()) for one in variables[text]] if text in variables else None
    if kind == "pattern" or stars and "*" in text:
        return [re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL).fullmatch]
    return [equal_to(text)]


def equal_to(wanted):
    return lambda found: found == wanted


def stars_in_quotes(name):
    """Whether a star in a quoted value of this variable is a wildcard when read strictly: names of targets only."""
    return name.startswith("target.") and name.endswith(".name") and ".tag." not in name


def in_time(operator, name, now, limits):
    if name == TIME_OF_DAY:
        if operator != "between":
            return False
        first, last = limits
        at = time_of_day(now)
        return first <= at <= last if first <= last else at >= first or at <= last
    at = moment(now)
    if operator == "between":
        return limits[0] <= at <= limits[1]
    return at < limits[0] if operator == "before" else at > limits[0]
