"""Random conditions over the variables of a request, in every form of the grammar."""

import datetime

from policy_oracle.conditions import TIME, TIME_OF_DAY
from policy_oracle.text import OCID
from policy_wording import separated

# Never carried, misspelt, or carried by other requests only.
ABSENT = ("target.secret.naem", "target.resource.tag.Ops.Nope", "request.ad", "target.bucket.name", "request.user.name",
          "request.networkSource.name", "request.principal.group.tag.Ops.Role", "target.secret.name", "target.key.id",
          "request.principal.compartment.tag.Ops.Env", "target.group.name", "request.principal.namespace")
OTHERS = ("x", "", "db-*", "*", 'a"b', "prod", "iad", "phx", "42", "É", "user", "Prod", "instance", "a, b}", "12")
MOMENTS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dZ")
TIMES_OF_DAY = ("%H:%M:%S", "%H:%M:%SZ", "%H:%MZ")


class Conditions:
    """Writes conditions for one request; about two in three of the simplest hold."""

    def __init__(self, random, wording, carried):
        self.random, self.wording, self.carried = random, wording, carried

    def condition(self, depth=0):
        """Returns the tokens of a condition."""
        if depth < 6 and self.random.random() < (0.35 if depth < 2 else 0.2):
            word = self.wording.cased(self.random.choice(("all", "any", "any")))
            inner = [self.condition(depth + 1) for _ in range(self.random.randint(1, 3))]
            return [word, "{", *separated(inner), "}"]
        name = self.variable()
        values = self.carried.get(name.lower(), [])
        if name.lower() == TIME and values:
            return self.in_time(name, values[0])
        if name.lower() == TIME_OF_DAY and values:
            return self.in_day(name, self.carried[TIME][0])
        return self.comparison(name, values)

    def variable(self):
        if self.random.random() < 0.8:
            return self.random.choice(list(self.carried))
        return self.random.choice(ABSENT)

    def comparison(self, name, values):
        left = self.wording.cased(name)
        form = self.random.choices(("=", "!=", "in", "not in", "sets-intersect", "sets-equal", "absent", "present"),
                                   (40, 12, 15, 8, 8, 6, 5, 6))[0]
        if form == "=":
            return [left, "=", self.value(values)]
        if form == "!=":
            return [left, *self.unequal(), self.value(values, 0.3)]
        if form in ("in", "not in"):
            words = [self.wording.cased(word) for word in form.split()]
            right = self.values(values, 0.5 if form == "in" else 0.2)
            return [left, *words, "(", *right, ")"]
        if form in ("absent", "present"):
            mark = [self.random.choice(("!", self.wording.cased("not")))] if form == "absent" else []
            return [*mark, left]
        right = self.whole(values) if form == "sets-equal" else self.values(values, 0.6)
        return [self.wording.cased(form), "(", left, ",", "(", *right, ")", ")"]

    def unequal(self):
        return ["!", "="] if self.wording.odd else ["!="]

    def values(self, values, likely):
        return separated([[self.value(values, likely)] for _ in range(self.random.randint(1, 3))])

    def whole(self, values):
        """Values that make up a whole set, or nearly."""
        found = [[self.wording.quoted(value)] for value in values if self.random.random() < 0.9]
        if not found or self.random.random() < 0.2:
            found.append([self.value(values)])
        self.random.shuffle(found)
        return separated(found)

    def value(self, values, likely=0.7):
        """A right side; one that equals a value of the left, with this likelihood."""
        kind = self.random.random()
        if kind < 0.12:
            return self.wording.cased(self.variable())
        if values and self.random.random() < likely:
            text = self.random.choice(values)
        else:
            text = self.random.choice(OTHERS)
        if kind < 0.3:
            return f"/{self.wording.cased(self.starred(text))}/"
        if kind < 0.4 and OCID.fullmatch(text) and text.lower().startswith("ocid1."):
            return text
        return self.wording.quoted(self.starred(text) if kind > 0.9 else text)

    def starred(self, text):
        """Puts a star in place of a run of characters, or of none."""
        first, last = sorted(self.random.randint(0, len(text)) for _ in range(2))
        starred = f"{text[:first]}*{text[last:]}"
        return starred if self.random.random() < 0.8 else starred.replace("-", "*", 1)

    def in_time(self, name, now):
        at = datetime.datetime.strptime(now, MOMENTS[0])
        limits = [at + datetime.timedelta(hours=self.random.choice((-1000, -30, -1, 0, 1, 30, 1000))) for _ in range(2)]
        strings = [f"'{limit.strftime(self.random.choice(MOMENTS))}'" for limit in limits]
        word = self.random.choice(("before", "after", "between"))
        return self.timed(name, word, strings)

    def in_day(self, name, now):
        at = datetime.datetime.strptime(now, MOMENTS[0])
        limits = [at + datetime.timedelta(minutes=self.random.choice((-700, -60, 0, 60, 700))) for _ in range(2)]
        strings = [f"'{limit.strftime(self.random.choice(TIMES_OF_DAY))}'" for limit in limits]
        return self.timed(name, "between", strings)

    def timed(self, name, word, strings):
        left = self.wording.cased(name)
        if word != "between":
            return [left, self.wording.cased(word), strings[0]]
        return [left, self.wording.cased(word), strings[0], self.wording.cased("and"), strings[1]]
