"""Reads the policy language character by character; what a token means depends on where it stands."""

import re

BLANKS = re.compile(r"[ \t\r\n]*")
WORD = re.compile(r"\w[\w\-.@+$#&%*]*")
STRING = re.compile(r"'([^']*)'")
PATTERN = re.compile(r"/([^\r\n]*?)/(?=[ \t\r\n,})]|\Z)")
VARIABLE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")
OCID = re.compile(r"ocid1?\.[A-Za-z0-9_.:\-]+", re.IGNORECASE)


class Refused(Exception):
    """The text is not in the language, or names what does not exist."""


class Text:
    """A text and the place up to which it was read."""

    def __init__(self, source):
        self.source = source
        self.at = BLANKS.match(source).end()

    def take(self, expression):
        """Reads a token; returns its match, or None without moving."""
        match = expression.match(self.source, self.at)
        if match is not None:
            self.at = BLANKS.match(self.source, match.end()).end()
        return match

    def sign(self, sign):
        """Whether the next characters are these; reads them if so."""
        if not self.source.startswith(sign, self.at):
            return False
        self.at = BLANKS.match(self.source, self.at + len(sign)).end()
        return True

    def next_word(self):
        match = WORD.match(self.source, self.at)
        return match.group().lower() if match else ""

    def keyword(self, *keywords):
        """Returns which of the keywords comes next and reads it, or an empty string."""
        word = self.next_word()
        if word not in keywords:
            return ""
        self.take(WORD)
        return word

    def need(self, found, what):
        if not found:
            raise Refused(f"expected {what} at {self.at}")
        return found

    def need_sign(self, sign):
        self.need(self.sign(sign), sign)

    def need_keyword(self, *keywords):
        return self.need(self.keyword(*keywords), " or ".join(keywords))

    def name(self, *never):
        """Reads a quoted name or a word that is none of the keywords that may follow here."""
        string = self.take(STRING)
        if string is not None:
            return self.need(string.group(1), "a name that is not empty")
        if self.next_word() in never and not self.is_name(never):
            raise Refused(f"expected a name at {self.at}")
        return self.need(self.take(WORD), "a name").group()

    def is_name(self, never):
        """Whether a keyword can only be a name here, because what may follow a name follows it."""
        after = self.after_word()
        return after.next_word() in never or after.source[after.at:after.at + 1] in ("{", ",", "/")

    def follows(self, expression):
        """Whether this comes after the next word, with or without quotes."""
        after = self.after_word()
        return expression.match(after.source, after.at + after.source.startswith("'", after.at)) is not None

    def after_word(self):
        return Text(self.source[WORD.match(self.source, self.at).end():])

    def ocid(self):
        """Reads an OCID with or without quotes."""
        string = self.take(STRING)
        if string is not None and OCID.fullmatch(string.group(1)):
            return string.group(1)
        return self.need(string is None and self.take(OCID), "an OCID").group()

    def string(self):
        return self.need(self.take(STRING), "a quoted string").group(1)

    def end(self):
        if self.at < len(self.source):
            raise Refused(f"did not expect anything at {self.at}")


def listed(text, element, closing):
    """Reads one element or more with commas between them, and the closing sign."""
    elements = [element(text)]
    while text.sign(","):
        elements.append(element(text))
    text.need_sign(closing)
    return elements
