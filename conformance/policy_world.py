"""Random tenancies: compartments, groups, dynamic groups and principals, in the form of the public cases."""

from policy_wording import Wording, separated

NAMES = ("Apps", "Prod", "Dev", "DB", "Security", "Vaults", "Sandbox", "cmp-lz.prod", "Network_1", "team a", "to", "id",
         "Tenancy", "in", "where", "x", "10", "Apps", "Prod")
GROUP_NAMES = ("Readers", "SecretAdmins", "KeyAdmins", "Developers", "Ops Team", "grp-lzp.iam", "user@acme.com", "group",
               "to", "Administrators", "A", "any-user", "Équipe", "it_ops+1", "1st#line", "R&D", "100%")
DOMAINS = ("Default", "Default", "Fed", "My Domain", "id_lz")
TYPES = ("instance", "instance", "instance", "fnfunc", "cluster", "workload", "autonomousdatabase", "ApiGateway")
TAGS = {"Ops.Env": ("prod", "dev", "test"), "Ops.Role": ("app", "db", "reader"), "tn-lz_role.app-admin": ("yes", "no"),
        "fin.cost-center_2": ("42", "app")}
SERVICES = ("objectstorage-us-ashburn-1", "blockstorage", "FssOc1Prod")


def world(random):
    """Makes one tenancy."""
    compartments = tree(random)
    principals = people(random) | resources(random, list(compartments)) | services(random)
    taken = set()
    return {
        "tenancy_id": "ocid1.tenancy.oc1..acme",
        "compartments": compartments,
        "principals": principals,
        "groups": groups(random, taken, principals),
        "dynamic_groups": dynamic_groups(random, taken, principals, compartments),
    }


def tags(random, likely):
    return {key: random.choice(values) for key, values in TAGS.items() if random.random() < likely}


def tree(random):
    """Compartments up to six deep; names are unique among siblings only."""
    compartments = {"root": {"id": "ocid1.tenancy.oc1..acme", "name": "acme", "parent": None, "tags": tags(random, 0.2)}}
    for number in range(random.randint(4, 12)):
        parent = random.choice([key for key in compartments if key.count("/") < 5])
        name = random.choice(NAMES)
        key = name if parent == "root" else f"{parent}/{name}"
        if key in compartments:
            continue
        compartments[key] = {"id": f"ocid1.compartment.oc1..c{number}", "name": name, "parent": parent}
        if random.random() < 0.6:
            compartments[key]["tags"] = tags(random, 0.5)
    return compartments


def people(random):
    names = ("alice", "Bob", "carol@acme.com", "dave", "erin", "Frank O")
    return {name: {"kind": "user", "name": name, "id": f"ocid1.user.oc1..{name[:4].lower()}"}
            for name in random.sample(names, 5)}


def resources(random, compartments):
    found = {}
    for number in range(6):
        kind = random.choice(TYPES)
        found[f"r{number}"] = {"kind": "resource", "type": kind, "id": f"ocid1.{kind.lower()}.oc1.iad.r{number}",
                               "compartment": random.choice(compartments)}
        if random.random() < 0.8:
            found[f"r{number}"]["tags"] = tags(random, 0.5)
        if kind == "workload":
            found[f"r{number}"] |= {"namespace": random.choice(("payments", "web")), "service_account": "pay-sa",
                                    "cluster_id": "ocid1.cluster.oc1.iad.r9"}
    return found


def services(random):
    return {f"svc-{name}": {"kind": "service", "type": "service", "name": name, "id": name}
            for name in random.sample(SERVICES, 2)}


def free_name(random, taken):
    """A name and domain that no group or dynamic group has."""
    while True:
        name, domain = random.choice(GROUP_NAMES), random.choice(DOMAINS)
        if (name, domain) not in taken:
            taken.add((name, domain))
            return name, domain


def groups(random, taken, principals):
    users = [key for key, one in principals.items() if one["kind"] == "user"]
    found = []
    for number in range(random.randint(4, 8)):
        name, domain = free_name(random, taken)
        found.append({"name": name, "domain": domain, "id": f"ocid1.group.oc1..g{number}",
                      "members": random.sample(users, random.randint(0, 3))})
        if random.random() < 0.5:
            found[-1]["tags"] = tags(random, 0.5)
    return found


def dynamic_groups(random, taken, principals, compartments):
    resources = [one for one in principals.values() if one["kind"] == "resource"]
    found = []
    for number in range(random.randint(4, 7)):
        name, domain = free_name(random, taken)
        wording = Wording(random, random.random() < 0.4)
        rule = wording.join(element(random, wording, random.choice(resources), compartments, 0))
        found.append({"name": name, "domain": domain, "id": f"ocid1.dynamicgroup.oc1..d{number}", "rule": rule})
        if random.random() < 0.5:
            found[-1]["tags"] = tags(random, 0.5)
    return found


def element(random, wording, resource, compartments, depth):
    """A part of a matching rule, more often than not one that takes in this resource."""
    if depth < 3 and random.random() < 0.4:
        inner = [element(random, wording, resource, compartments, depth + 1) for _ in range(random.randint(1, 3))]
        return [wording.cased(random.choice(("all", "any"))), "{", *separated(inner), "}"]
    home = compartments[resource["compartment"]]["id"]
    choices = [("resource.type", resource["type"]), ("resource.id", resource["id"]), ("resource.compartment.id", home)]
    if resource["type"] == "instance":
        choices += [("instance.id", resource["id"]), ("instance.compartment.id", home)]
    choices += [(f"tag.{key}.value", value) for key, value in resource.get("tags", {}).items()]
    name, value = random.choice(choices)
    if random.random() < 0.3:
        name = random.choice(("instance.id", "instance.compartment.id", "tag.Ops.Env.value", "tag.no.such.value", name))
        value = random.choice((random.choice(list(compartments.values()))["id"], "prod", "instance", value))
    if name.startswith("tag.") and random.random() < 0.3:
        return [wording.cased(name)]
    operator = ["="] if random.random() < 0.75 else ["!", "="] if wording.odd else ["!="]
    return [wording.cased(name), *operator, wording.quoted(value)]
