"""Statements: read to plain records."""

import dataclasses
import functools
import re

from . import conditions
from .text import OCID, Refused, Text, listed

VERBS = ("inspect", "read", "use", "manage")
RESOURCE_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
PERMISSION = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
BYTES_MAX = 4096


@dataclasses.dataclass(frozen=True)
class Statement:
    """One that allows or denies, or with `grants` false one between tenancies or a definition."""

    grants: bool
    denies: bool = False
    subject: tuple = ()
    verb: str = ""
    resource_type: str = ""
    permissions: tuple = ()
    location: tuple = ()
    condition: tuple = None


@functools.lru_cache(maxsize=4096)
def read_statement(source):
    """Reads a statement, or raises Refused."""
    if len(source.encode()) > BYTES_MAX:
        raise Refused("too long")
    text = Text(source)
    if text.keyword("define"):
        define(text)
        statement = Statement(grants=False)
    else:
        denies = bool(text.keyword("deny"))
        if text.next_word() in ("admit", "endorse"):
            between_tenancies(text)
            statement = Statement(grants=False, denies=denies)
        else:
            if not denies:
                text.keyword("allow")
            statement = allow(text, denies)
    text.end()
    return statement


def allow(text, denies):
    who = subject(text)
    verb, resource_type, permissions = action(text)
    text.need_keyword("in")
    where = location(text)
    return Statement(True, denies, who, verb, resource_type, permissions, where, condition(text))


def condition(text):
    return conditions.condition(text) if text.keyword("where") else None


def subject(text):
    """Reads (kind, names): a name is (domain, name), or (None, OCID)."""
    kind = text.keyword("any-user", "any-group", "group", "dynamic-group", "service", "resource")
    if kind in ("any-user", "any-group"):
        return (kind, ())
    if kind == "service":
        names = [text.name("to")]
        while text.sign(","):
            names.append(text.name("to"))
        return (kind, tuple(names))
    if kind == "resource":
        names = [text.name("to"), text.name("to")]
        while text.next_word() not in ("to", "of") and not text.source.startswith("{", text.at):
            names.append(text.name("to"))
        return (kind, tuple(names))
    text.need(kind, "a subject")
    return (kind, principals(text))


def principals(text):
    names = [principal(text, False)]
    while text.sign(","):
        names.append(principal(text, names[-1][0] is None))
    return tuple(names)


def principal(text, after_id):
    if text.keyword("id"):
        return (None, text.ocid())
    # In quotes and without `id` of its own it is a name, though the grammar has room for both.
    if after_id and OCID.match(text.source, text.at):
        return (None, text.ocid())
    return qualified(text)


def qualified(text):
    name = text.name("to", "of")
    return (name, text.name("to", "of")) if text.sign("/") else ("Default", name)


def action(text, more_verbs=()):
    """Reads (verb, resource-type, permissions); only a permission set may stand without `to`."""
    to = text.keyword("to")
    if text.sign("{"):
        permissions = listed(text, lambda text: text.need(text.take(PERMISSION), "a permission").group().upper(), "}")
        kind = "" if text.next_word() == "in" else resource_type(text)
        return ("", kind, tuple(permissions))
    text.need(to, "to")
    verb = text.need_keyword(*VERBS, *more_verbs)
    return (verb, resource_type(text), ())


def resource_type(text):
    if text.next_word() in ("in", *VERBS):
        raise Refused(f"expected a resource-type at {text.at}")
    return text.need(text.take(RESOURCE_TYPE), "a resource-type").group().lower()


def location(text):
    """Reads ("tenancy",), ("id", OCID) or ("path", names)."""
    if text.need_keyword("tenancy", "compartment") == "tenancy":
        return ("tenancy",)
    if text.next_word() == "id" and text.follows(OCID):
        text.keyword("id")
        return ("id", text.ocid())
    names = [text.name()]
    while text.sign(":"):
        names.append(text.name())
    return ("path", tuple(names))


def between_tenancies(text):
    kind = text.keyword("admit", "endorse")
    who = subject(text)
    if kind == "admit" and text.keyword("of"):
        if text.keyword("any-tenancy"):
            text.need(who[0] in ("any-user", "any-group"), "a named tenancy")
        else:
            text.need_keyword("tenancy")
            text.name("to")
    action(text, ("associate",))
    text.need_keyword("in")
    if kind == "admit":
        location(text)
    else:
        scope(text)
    if text.keyword("with"):
        resource_type(text)
        text.need_keyword("in")
        scope(text)
    condition(text)


def scope(text):
    if text.keyword("any-tenancy"):
        return
    if location(text) == ("tenancy",):
        if text.at < len(text.source) and text.next_word() not in ("with", "where"):
            text.name()
    elif text.keyword("of"):
        text.need_keyword("tenancy")
        text.name()


def define(text):
    text.need_keyword("tenancy", "group", "dynamic-group", "compartment")
    qualified(text)
    text.need_keyword("as")
    text.keyword("id")
    text.ocid()
