"""Decides requests by trying every statement on every permission that the operation needs."""

from . import conditions, times
from .statements import read_statement
from .tables import NEEDED, permissions_of
from .text import Refused

BUNDLE_READ = "SECRET_BUNDLE_READ"
REGION = "IAD"


def create(tenancy, attached, source):
    """Reads a statement and finds what it names.

    Returns (statement, OCIDs of its groups, compartment), or raises Refused.
    """
    statement = read_statement(source)
    if not statement.grants:
        return (statement, (), None)
    kind, names = statement.subject
    ids = ()
    if kind in ("group", "dynamic-group"):
        ids = tuple(name if domain is None else tenancy.find_group(kind, domain, name) for domain, name in names)
    return (statement, ids, tenancy.find_compartment(attached, statement.location))


def statements_of(tenancy, policies):
    """Returns the statements in force: a policy of which one statement is refused does not exist."""
    found = []
    for policy in policies:
        try:
            found += [create(tenancy, policy["attach"], source) for source in policy["statements"]]
        except Refused:
            pass
    return found


def missing(tenancy, case, semantics):
    """Returns the permissions that a caller lacks, with ":denied" on what a statement takes away."""
    statements = statements_of(tenancy, case["policies"])
    request = case["request"]
    lacking = []
    for permission in needed(request["operation"], semantics):
        asked = Asked(tenancy, case["principal"], request, permission, semantics == "strict")
        covering = [statement for statement, ids, location in statements if asked.covered(statement, ids, location)]
        if any(statement.denies for statement in covering) and not asked.administrator:
            lacking.append(permission + ":denied")
        elif not any(not statement.denies for statement in covering):
            lacking.append(permission)
    return lacking


def needed(operation, semantics):
    permissions = NEEDED[operation]
    return (*permissions, "KEY_DECRYPT") if semantics == "strict" and BUNDLE_READ in permissions else permissions


class Asked:
    """One permission of one request, on the target that it is checked on."""

    def __init__(self, tenancy, who, request, permission, strict):
        self.tenancy, self.permission, self.strict = tenancy, permission, strict
        self.principal = tenancy.principals[who]
        self.groups = tenancy.groups_of(who)
        self.administrator = self.principal["kind"] == "user" and any(
            (group["domain"].lower(), group["name"].lower()) == ("default", "administrators") for group in self.groups)
        self.target = request["target"]
        for prefix, target in request.get("targets", {}).items():
            if permission.startswith(prefix):
                self.target = target
        self.variables = self.variables_of(request)

    def covered(self, statement, ids, location):
        """Whether a statement speaks of this caller, place and permission, and its condition holds."""
        if not statement.grants or location not in self.tenancy.path(self.target["compartment"]):
            return False
        named = statement.permissions or permissions_of(statement.verb, statement.resource_type, statement.denies)
        return (self.permission in named and self.is_subject(statement.subject, ids)
                and (statement.condition is None or conditions.holds(statement.condition, self.variables, self.strict)))

    def is_subject(self, subject, ids):
        kind, names = subject
        what = self.principal["kind"]
        if kind == "any-user":
            return True
        if kind == "any-group":
            return what != "service"
        if kind == "service":
            return what == "service" and self.principal["name"].lower() in [name.lower() for name in names]
        if kind == "resource":
            return what == "resource" and self.principal["type"].lower() in [name.lower() for name in names[1:]]
        return what == ("user" if kind == "group" else "resource") and any(group["id"] in ids for group in self.groups)

    def variables_of(self, request):
        """Returns what the request carries: lists of values by lower-case name."""
        carried = {
            "request.operation": request["operation"],
            "request.permission": self.permission,
            "request.region": REGION,
            "request.principal.id": self.principal["id"],
            "request.principal.type": self.principal.get("type", "user"),
            "request.networkSource.name": request.get("network_source"),
        }
        if "time" in request:
            carried |= times.parts(request["time"])
        carried |= self.of_principal() | self.of_target(request["operation"])
        carried |= self.target["vars"] | {f"target.resource.tag.{key}": value
                                          for key, value in self.target.get("tags", {}).items()}
        return {name.lower(): value if isinstance(value, list) else [value]
                for name, value in carried.items() if value is not None}

    def of_principal(self):
        principal = self.principal
        carried = {}
        if principal["kind"] == "user":
            carried = {"request.user.id": principal["id"], "request.user.name": principal["name"],
                       "request.groups.id": [group["id"] for group in self.groups]}
        elif principal["kind"] == "resource":
            home = self.tenancy.compartments[principal["compartment"]]
            carried = {f"request.principal.{name}": principal.get(name)
                       for name in ("namespace", "service_account", "cluster_id")}
            carried["request.principal.compartment.id"] = home["id"]
            carried |= {f"request.principal.compartment.tag.{key}": value for key, value in home.get("tags", {}).items()}
        for group in self.groups:
            for key, value in group.get("tags", {}).items():
                carried.setdefault(f"request.principal.group.tag.{key}".lower(), []).append(value)
        return carried

    def of_target(self, operation):
        compartment = self.tenancy.compartments[self.target["compartment"]]
        carried = {f"target.resource.compartment.tag.{key}": value for key, value in compartment.get("tags", {}).items()}
        if operation != "ListCompartments":
            carried |= {"target.compartment.id": compartment["id"], "target.compartment.name": compartment["name"]}
        return carried
