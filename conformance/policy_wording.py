"""Writes statements and rules from tokens in odd but legal ways: casing, blanks, quotes."""

import re

from policy_oracle.text import WORD

BLANKS = (" ", " ", " ", "  ", "\t", "\n", " \r\n\t")
# Words that mean something where a name may stand, so that a name which equals one needs its quotes.
KEYWORDS = {"to", "in", "of", "id", "as", "where", "with", "group", "dynamic-group", "service", "tenancy", "compartment",
            "any-user", "any-group", "any-tenancy", "resource", "all", "any", "not"}
GLUES = re.compile(r"[\w\-.@+$#&%*/]")


class Wording:
    """How one text is written: plainly, or as oddly as the grammar allows."""

    def __init__(self, random, odd):
        self.random, self.odd = random, odd

    def cased(self, text):
        """Changes the case of letters; for what is compared without case."""
        if not self.odd or self.random.random() < 0.4:
            return text
        how = self.random.choice((str.upper, str.lower, self.mixed))
        return how(text)

    def mixed(self, text):
        return "".join(self.random.choice((one.upper(), one.lower())) for one in text)

    def name(self, name):
        """A name, in quotes where it needs them and sometimes where not."""
        if not name.isascii():
            # The documents do not say whether names are compared without case beyond ASCII.
            return f"'{name}'"
        plain = WORD.fullmatch(name) and name.lower() not in KEYWORDS
        if plain and not name.startswith("_") and self.random.random() < 0.8:
            return self.cased(name)
        return self.quoted(name)

    def quoted(self, text):
        return f"'{self.cased(text)}'"

    def ocid(self, ocid):
        return ocid if self.random.random() < 0.8 else f"'{ocid}'"

    def join(self, tokens):
        """Puts tokens together, with blanks where two would become one and elsewhere at will."""
        text = self.outside()
        last = ""
        for token in tokens:
            if last:
                text += self.between(last, token)
            text += token
            last = token
        return text + self.outside()

    def between(self, last, token):
        glued = GLUES.search(last[-1]) and GLUES.search(token[0]) and "/" not in (last, token)
        if self.odd:
            return self.random.choice(BLANKS if glued else ("", *BLANKS))
        if token in (",", ":", "/", ")") or last in (":", "/", "(", "!"):
            return ""
        return " "

    def outside(self):
        return self.random.choice(("", "", *BLANKS)) if self.odd else ""


def separated(lists, by=","):
    """Joins lists of tokens with a token between them."""
    tokens = list(lists[0])
    for one in lists[1:]:
        tokens += [by, *one]
    return tokens
