"""Matching rules of dynamic groups: read, and tried on a resource."""

import re

from .text import VARIABLE, Refused, Text, listed

PLAIN = ("instance.id", "instance.compartment.id", "resource.id", "resource.type", "resource.compartment.id",
         "resource.compartment.name")
TAG = re.compile(r"tag\.[^.]+\.[^.]+\.value", re.IGNORECASE)


def read_rule(source):
    """Reads a matching rule, or raises Refused."""
    text = Text(source)
    rule = element(text)
    text.end()
    return rule


def element(text):
    word = text.keyword("all", "any")
    if word:
        text.need_sign("{")
        return (word, listed(text, element, "}"))
    name = text.need(text.take(VARIABLE), "a variable").group().lower()
    if name not in PLAIN and not TAG.fullmatch(name):
        raise Refused(f"{name} is not a variable of matching rules")
    if text.sign("!"):
        text.need_sign("=")
        return ("!=", name, text.string().lower())
    if text.sign("="):
        return ("=", name, text.string().lower())
    if name in PLAIN:
        raise Refused("only a tag can stand alone")
    return ("present", name, "")


def matches(rule, resource):
    """Whether a rule takes in a resource, which is its values by lower-case name."""
    if rule[0] == "all":
        return all(matches(inner, resource) for inner in rule[1])
    if rule[0] == "any":
        return any(matches(inner, resource) for inner in rule[1])
    operator, name, wanted = rule
    if name not in resource:
        return False
    return operator == "present" or (resource[name].lower() == wanted) == (operator == "=")


def values_of(principal, compartment_id):
    """Returns what matching rules may ask of a resource principal."""
    values = {
        "resource.id": principal["id"],
        "resource.type": principal["type"],
        "resource.compartment.id": compartment_id,
    }
    if principal["type"].lower() == "instance":
        values |= {"instance.id": principal["id"], "instance.compartment.id": compartment_id}
    for key, value in principal.get("tags", {}).items():
        values[f"tag.{key}.value".lower()] = value
    return values
