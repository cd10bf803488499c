"""Random cases in the form of the public ones: a tenancy, policies in it, a caller and what is asked.

The same seed gives the same cases. Statements are aimed at the request more often than not, so that 30 to 60 % of the
cases are allowed. What is expected is left open; `policy_oracle` or anyone else may fill it in.
"""

import datetime
import random as randomness
import re

import policy_world
from policy_conditions import Conditions
from policy_oracle import decide
from policy_oracle.tables import FAMILIES, NEEDED, VERB_TABLE, VERBS, permissions_of
from policy_oracle.tenancy import Tenancy
from policy_wording import Wording, separated

COMMON = ("GetSecretBundle", "GetSecretBundleByName", "GetSecret", "ListSecrets", "CreateSecret", "UpdateSecret",
          "ScheduleSecretVersionDeletion", "ChangeSecretCompartment", "Encrypt", "Decrypt", "CreateKey", "AddUserToGroup")
OPERATIONS = list(NEEDED)
# Of services that the tenancy does not have: they are read, and grant nothing.
FOREIGN_TYPES = ("buckets", "instance-family", "virtual-network-family", "autonomous-database-family")
FOREIGN_PERMISSIONS = ("OBJECT_READ", "BUCKET_INSPECT", "INSTANCE_LAUNCH")
NAMES = ("db-prod", "DB-Test", "api-key", "a/b", "x", "été", "db-*")
# Oracle's tables contradict one another about what a permission set means by these.
UNSETTLED = {"TAG_DEFAULT_CREATE", "TAG_DEFAULT_UPDATE", "TAG_DEFAULT_DELETE", "TAG_DEFAULT_MANAGE"}
TOKENS = re.compile(r"'[^']*'|/[^/\s]*/|[\w.\-@+$#&%*]+|\S")
WRONG = ("to", "in", ",", "{", "}", "'x'", "and", "or", "==", ";", '"x"', "//", "tenancy", "where", "not", "compartment",
         "group", "id", "raed", "=", "!", "x", "any", "(", ")", "acme")


def batch(seed, size):
    """Returns a file of cases over one tenancy."""
    random = randomness.Random(seed)
    world = policy_world.world(random)
    maker = Maker(random, Tenancy(world))
    return {
        "about": f"random cases, seed {seed}",
        "world": world,
        "cases": [{"id": f"R{seed}-{number}", "title": "random", **maker.case()} for number in range(size)],
        "create_cases": [{"id": f"N{seed}-{number}", "title": "random", **maker.create_case()}
                         for number in range(size // 5)],
    }


class Maker:
    """Makes cases over one tenancy."""

    def __init__(self, random, tenancy):
        self.random, self.tenancy = random, tenancy

    def case(self):
        random = self.random
        principal = random.choice(list(self.tenancy.principals))
        request = self.request()
        wanted = decide.needed(request["operation"], random.choice(("strict", "oracle")))
        policies = []
        for permission in (*wanted, *random.choices(wanted, k=random.randint(0, 3))):
            policies.append(self.policy(principal, request, permission))
        return {"policies": self.gathered(policies), "principal": principal, "request": request}

    def gathered(self, policies):
        """Puts the statements of one attachment into one policy, sometimes."""
        found = []
        for policy in policies:
            same = [one for one in found if one["attach"] == policy["attach"]]
            if same and self.random.random() < 0.5:
                same[0]["statements"] += policy["statements"]
            else:
                found.append(policy)
        self.random.shuffle(found)
        return found

    def request(self):
        random = self.random
        operation = random.choice(COMMON) if random.random() < 0.6 else random.choice(OPERATIONS)
        request = {"operation": operation, "target": self.target(operation)}
        if random.random() < 0.4:
            request["targets"] = {prefix: self.target(operation, prefix) for prefix in ("KEY_", "VAULT_")
                                  if random.random() < 0.7}
        if random.random() < 0.9:
            at = datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=random.randint(0, 31_535_999))
            request["time"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        if random.random() < 0.3:
            request["network_source"] = random.choice(("corpnet", "Office-1"))
        return request

    def target(self, operation, prefix=""):
        random = self.random
        target = {"compartment": random.choice(list(self.tenancy.compartments)), "vars": self.vars(operation, prefix)}
        if not operation.startswith(("List", "Create")) and random.random() < 0.6:
            target["tags"] = policy_world.tags(random, 0.5)
        return target

    def vars(self, operation, prefix):
        random = self.random
        if operation.startswith("List") or prefix == "VAULT_":
            return {"target.vault.id": "ocid1.vault.oc1.iad.v1"} if random.random() < 0.5 else {}
        if "Secret" in operation and not prefix:
            name = random.choice(NAMES)
            carried = {"target.secret.name": name, "target.vault.id": "ocid1.vault.oc1.iad.v1"}
            if operation != "CreateSecret":
                carried["target.secret.id"] = f"ocid1.vaultsecret.oc1.iad.{len(name)}"
            return carried
        if "Policy" in operation:
            return {"target.policy.type": random.choice((["allow"], ["allow", "deny"], ["deny"])),
                    "target.policy.name": random.choice(NAMES)}
        if "User" in operation or "Group" in operation:
            return {"target.group.name": random.choice(policy_world.GROUP_NAMES),
                    "target.user.id": "ocid1.user.oc1..alic"}
        return {"target.key.id": f"ocid1.key.oc1.iad.k{random.randint(1, 2)}",
                "target.vault.id": "ocid1.vault.oc1.iad.v1"}

    def policy(self, principal, request, permission):
        """A policy of one statement, aimed at one permission of a request."""
        random = self.random
        asked = decide.Asked(self.tenancy, principal, request, permission, False)
        place = asked.target["compartment"] if random.random() < 0.9 else random.choice(list(self.tenancy.compartments))
        location = random.choice(self.tenancy.path(place))
        attached = random.choice(self.tenancy.path(location))
        if random.random() < 0.015:
            attached = random.choice(list(self.tenancy.compartments))
        return {"attach": attached, "statements": [self.statement(asked, attached, location)]}

    def statement(self, asked, attached, location):
        random = self.random
        wording = Wording(random, random.random() < 0.5)
        denies = random.random() < 0.12
        first = [wording.cased("deny" if denies else "allow")] if denies or random.random() < 0.95 else []
        tokens = [*first, *self.subject(wording, asked), *self.action(wording, asked.permission, denies),
                  wording.cased("in"), *self.location(wording, attached, location)]
        if random.random() < (0.8 if denies else 0.4):
            condition = Conditions(random, wording, asked.variables).condition()
            tokens += [wording.cased("where"), *condition]
        return wording.join(tokens)

    def subject(self, wording, asked):
        random = self.random
        kind = random.choices(("any-user", "any-group", "own", "group", "dynamic-group", "service"),
                              (15, 6, 65, 6, 6, 2))[0]
        what = asked.principal["kind"]
        own = asked.groups
        if kind == "own":
            kind = {"user": "group", "resource": "dynamic-group", "service": "service"}[what]
        else:
            own = []
        if kind in ("any-user", "any-group"):
            return [wording.cased(kind)]
        if kind == "service":
            names = random.sample(policy_world.SERVICES, 2) + ([asked.principal["name"]] if what == "service" else [])
            return [wording.cased(kind), *separated([[wording.name(name)] for name in names])]
        others = self.tenancy.groups if kind == "group" else self.tenancy.dynamic_groups
        chosen = random.sample(others, random.randint(0, 2)) + own[:1] or others[:1]
        random.shuffle(chosen)
        return [wording.cased(kind), *self.principals(wording, chosen)]

    def principals(self, wording, groups):
        lists = []
        after_id = False
        for group in groups:
            by_id = self.random.random() < 0.2
            if by_id:
                again = after_id and self.random.random() < 0.5
                # After a comma and without `id`, an OCID in quotes might be a name as well.
                lists.append([group["id"]] if again else [wording.cased("id"), wording.ocid(group["id"])])
            else:
                domain = [wording.name(group["domain"]), "/"]
                if group["domain"] == "Default" and self.random.random() < 0.7:
                    domain = []
                lists.append([*domain, wording.name(group["name"])])
            after_id = by_id
        return separated(lists)

    def action(self, wording, permission, denies):
        """A permission set or a verb that names this permission, now and then another."""
        random = self.random
        to = wording.cased("to")
        if random.random() < 0.15 and permission not in UNSETTLED:
            names = self.permission_set(permission)
            first = [to] if random.random() < 0.8 else []
            return [*first, "{", *separated([[wording.cased(name)] for name in names]), "}"]
        if random.random() < 0.1:
            kind = random.choice((*FAMILIES, *VERB_TABLE, *FOREIGN_TYPES))
            return [to, wording.cased(random.choice(VERBS)), wording.cased(kind)]
        pairs = [(verb, kind) for verb in VERBS for kind in (*VERB_TABLE, *FAMILIES)
                 if permission in permissions_of(verb, kind, denies)]
        verb, kind = random.choice(pairs)
        return [to, wording.cased(verb), wording.cased(kind)]

    def permission_set(self, permission):
        random = self.random
        names = [*random.choice(list(NEEDED.values())), *random.sample(FOREIGN_PERMISSIONS, random.randint(0, 1))]
        if random.random() < 0.85:
            names.append(permission)
        return [name for name in names if name not in UNSETTLED] or ["KEY_READ"]

    def location(self, wording, attached, location):
        """One of the ways in which a policy attached there may name a compartment."""
        compartments = self.tenancy.compartments
        if location == "root":
            return [wording.cased("tenancy")]
        if self.random.random() < 0.3:
            return [wording.cased("compartment"), wording.cased("id"), wording.ocid(compartments[location]["id"])]
        path = self.tenancy.path(location)
        above = path[:path.index(attached)] if attached in path else path[:1]
        names = [compartments[key]["name"] for key in reversed(above or [location])]
        return [wording.cased("compartment"), *separated([[wording.name(name)] for name in names], ":")]

    def create_case(self):
        """A statement that allows, whole or with one mistake."""
        policy = self.random.choice(self.case()["policies"])
        statement = policy["statements"][0]
        if self.random.random() < 0.6:
            statement = self.mistaken(statement)
        return {"attach": policy["attach"], "statement": statement}

    def mistaken(self, statement):
        """Leaves out, repeats, moves or replaces one token."""
        random = self.random
        tokens = TOKENS.findall(statement)
        at = random.randrange(len(tokens))
        token = tokens.pop(at)
        how = random.choice(("without", "twice", "moved", "replaced"))
        if how == "twice":
            tokens[at:at] = [token, token]
        elif how == "moved":
            tokens.insert(random.randint(0, len(tokens)), token)
        elif how == "replaced":
            tokens.insert(at, random.choice(WRONG))
        return " ".join(tokens)
