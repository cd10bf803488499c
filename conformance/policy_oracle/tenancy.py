"""A tenancy as a file of cases describes it: who is in which group, and what names mean."""

from . import rules
from .text import Refused


class Tenancy:
    """Compartments by key, groups and principals of one tenancy."""

    def __init__(self, world):
        self.id = world["tenancy_id"]
        self.compartments = world["compartments"]
        self.groups = world["groups"]
        self.dynamic_groups = world["dynamic_groups"]
        self.principals = world["principals"]
        self.rules = [rules.read_rule(group["rule"]) for group in self.dynamic_groups]

    def path(self, key):
        """Returns a compartment and all above it."""
        keys = []
        while key is not None:
            keys.append(key)
            key = self.compartments[key]["parent"]
        return keys

    def groups_of(self, who):
        """Returns the groups of a user or the dynamic groups of a resource."""
        principal = self.principals[who]
        if principal["kind"] == "user":
            return [group for group in self.groups if who in group["members"]]
        if principal["kind"] != "resource":
            return []
        resource = rules.values_of(principal, self.compartments[principal["compartment"]]["id"])
        return [group for group, rule in zip(self.dynamic_groups, self.rules) if rules.matches(rule, resource)]

    def find_group(self, kind, domain, name):
        """Returns the OCID of a group or dynamic group by its name, or raises Refused."""
        groups = self.groups if kind == "group" else self.dynamic_groups
        for group in groups:
            if group["domain"].lower() == domain.lower() and group["name"].lower() == name.lower():
                return group["id"]
        raise Refused(f"there is no {kind} {name}")

    def find_compartment(self, attached, location):
        """Returns the key of the compartment that a location means in a policy attached there, or raises Refused."""
        if location == ("tenancy",):
            if self.compartments[attached]["parent"] is not None:
                raise Refused("the tenancy is not below the policy")
            return attached
        if location[0] == "id":
            found = [key for key, one in self.compartments.items() if one["id"] == location[1]]
            if not found or attached not in self.path(found[0]):
                raise Refused("the compartment is not below the policy")
            return found[0]
        return self.find_path(attached, location[1])

    def find_path(self, attached, names):
        at = attached
        for name in names:
            below = [key for key, one in self.compartments.items()
                     if one["parent"] == at and one["name"].lower() == name.lower()]
            if not below:
                own = self.compartments[attached]
                if len(names) == 1 and own["parent"] is not None and own["name"].lower() == name.lower():
                    return attached
                raise Refused(f"there is no compartment {name}")
            at = below[0]
        return at
