"""What a PKCS#11 token says of the keys in it, asked by a process of its own: python token_objects.py MODULE PIN."""

import ctypes
import json
import sys
from ctypes import byref, c_ubyte, c_ulong, c_void_p

CLASS, VALUE, KEY_TYPE, ID, PRIVATE_EXPONENT, OK = 0x0, 0x11, 0x100, 0x102, 0x123, 0x0
ATTRIBUTE_SENSITIVE = 0x11
CLASSES = {3: "private key", 4: "secret key"}
KINDS = {0x0: "RSA", 0x3: "ECDSA", 0x1F: "AES"}
FLAGS = {"private": 0x2, "sensitive": 0x103, "extractable": 0x162, "local": 0x163, "never_extractable": 0x164,
         "always_sensitive": 0x165}
SERIAL_SESSION, USER = 4, 1


class Attribute(ctypes.Structure):
    _fields_ = [("type", c_ulong), ("value", c_void_p), ("length", c_ulong)]


class Token:
    """The first token of a module, logged in to."""

    def __init__(self, module, pin):
        self.library, self.session = ctypes.CDLL(module), c_ulong()
        self.call("C_Initialize", None)
        slots, count = (c_ulong * 16)(), c_ulong(16)
        self.call("C_GetSlotList", c_ubyte(1), slots, byref(count))
        self.call("C_OpenSession", c_ulong(slots[0]), c_ulong(SERIAL_SESSION), None, None, byref(self.session))
        self.call("C_Login", self.session, c_ulong(USER), pin.encode(), c_ulong(len(pin)))

    def call(self, name, *arguments):
        result = getattr(self.library, name)(*arguments)
        assert result == OK, f"{name}: {result:#x}"

    def read(self, found, kind):
        """The result of asking for an attribute, and its bytes."""
        held = (c_ubyte * 4096)()
        wanted = Attribute(kind, ctypes.cast(held, c_void_p), len(held))
        result = self.library.C_GetAttributeValue(self.session, c_ulong(found), byref(wanted), c_ulong(1))
        return result, bytes(held[: wanted.length]) if result == OK else b""

    def number(self, found, kind):
        result, held = self.read(found, kind)
        assert result == OK, f"{kind:#x}: {result:#x}"
        return int.from_bytes(held, sys.byteorder)

    def objects(self):
        self.call("C_FindObjectsInit", self.session, None, c_ulong(0))
        found, count = (c_ulong * 4096)(), c_ulong()
        self.call("C_FindObjects", self.session, found, c_ulong(len(found)), byref(count))
        self.call("C_FindObjectsFinal", self.session)
        return found[: count.value]

    def key(self, found):
        kind = KINDS[self.number(found, KEY_TYPE)]
        told = {name: self.number(found, attribute) != 0 for name, attribute in FLAGS.items()}
        refused, _ = self.read(found, PRIVATE_EXPONENT if kind == "RSA" else VALUE)
        return {"id": self.read(found, ID)[1].hex(), "kind": kind, "value_refused": refused == ATTRIBUTE_SENSITIVE, **told}

    def keys(self):
        return [self.key(found) for found in self.objects() if self.number(found, CLASS) in CLASSES]


if __name__ == "__main__":
    print(json.dumps(Token(*sys.argv[1:]).keys()))
