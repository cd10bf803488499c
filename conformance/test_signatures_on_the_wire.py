"""A valid request, bent in one place at a time: every one is 401, and all answers are the same."""

import json

import pytest

from wire import Wire

BODY = b'{"description":"x"}'


@pytest.fixture(scope="module")
def wire(vault):
    return Wire(vault)


def target_of(vault):
    return f"/20180608/secrets/{vault.dev['secret_id']}"


def replaced(headers, name, value):
    return [(k, value if k == name else v) for k, v in headers]


def without(headers, name):
    return [(k, v) for k, v in headers if k != name]


def test_valid_forms_are_accepted(vault, wire):
    target = target_of(vault)
    assert wire.send("GET", target, wire.signed("GET", target))[0] == 200
    doubled = "/" + target
    assert wire.send("GET", doubled, wire.signed("GET", doubled))[0] == 200
    assert wire.send("GET", target, wire.signed("GET", target, date_header="x-date"))[0] == 200
    assert wire.send("PUT", target, wire.signed("PUT", target, BODY), BODY)[0] == 200
    mixed = wire.signed("PUT", target, BODY)
    value = dict(mixed)["authorization"].replace("content-length content-type", "Content-Length Content-Type")
    assert wire.send("PUT", target, replaced(mixed, "authorization", value), BODY)[0] == 200
    get = wire.signed("GET", target)
    attributes = dict(get)["authorization"].removeprefix("Signature ").split(",")
    value = "Signature " + ",".join(reversed(attributes))
    assert wire.send("GET", target, replaced(get, "authorization", value))[0] == 200
    for skew in [-280, 280]:
        assert wire.send("GET", target, wire.signed("GET", target, skew=skew))[0] == 200


def bent(vault, wire):
    target = target_of(vault)
    get, put = wire.signed("GET", target), wire.signed("PUT", target, BODY)
    good = dict(get)["authorization"]
    names = "date (request-target) host"
    signature = good.split('signature="')[1].split('"')[0]
    yield "no authorization", "GET", target, without(get, "authorization"), b""
    yield "two authorizations", "GET", target, get + [("authorization", good)], b""
    yield "another method", "DELETE", target, get, b""
    yield "another path", "GET", target + "x", get, b""
    yield "an unknown path", "GET", "/nowhere", get, b""
    yield "another query", "GET", target + "?a=b", get, b""
    yield "re-encoded path", "GET", target.replace("ocid1", "%6fcid1"), get, b""
    yield "another host", "GET", target, replaced(get, "host", "elsewhere:1"), b""
    yield "another date", "GET", target, replaced(get, "date", "Mon, 23 Nov 2026 21:15:21 GMT"), b""
    yield "no date", "GET", target, without(get, "date"), b""
    yield "too old", "GET", target, wire.signed("GET", target, skew=-320), b""
    yield "too new", "GET", target, wire.signed("GET", target, skew=320), b""
    yield "a bit of the signature", "GET", target, replaced(
        get, "authorization", good.replace(signature, ("B" if signature[0] == "A" else "A") + signature[1:])), b""
    yield "an empty signature", "GET", target, replaced(get, "authorization", good.replace(signature, "")), b""
    for change in [
        {"algorithm": "hs2019"}, {"algorithm": None}, {"keyId": None}, {"headers": None},
        {"headers": "date (request-target)"}, {"headers": "date host"}, {"headers": ""}, {"version": "2"},
        {"headers": names + " date"}, {"headers": names + " x-absent"}, {"signature": "!"},
        {"keyId": wire.key_id[:-2] + "00"}, {"keyId": "a/b/c"}, {"keyId": wire.key_id + "/x"},
        {"keyId": "ST$abc"}, {"surprise": "x"},
    ]:
        value = wire.authorization(names, signature, **change)
        yield f"authorization with {change}", "GET", target, replaced(get, "authorization", value), b""
    yield "another scheme", "GET", target, replaced(get, "authorization", "Basic YTpi"), b""
    yield "another body", "PUT", target, put, BODY.replace(b"x", b"y")
    yield "another digest", "PUT", target, replaced(put, "x-content-sha256", "A" * 43 + "="), BODY
    yield "no digest", "PUT", target, without(put, "x-content-sha256"), BODY
    yield "another type", "PUT", target, replaced(put, "content-type", "text/plain"), BODY
    yield "body headers unsigned", "PUT", target, [
        *without(put, "authorization"), ("authorization", wire.authorization(names, signature))], BODY
    yield "a delegation", "GET", target, get + [("opc-obo-token", "x")], b""
    yield "a signed header twice", "GET", target, get + [("date", dict(get)["date"])], b""


def test_every_bent_request_is_refused_alike(vault, wire):
    before = vault.log.read_text()
    answers, count = set(), 0
    for what, method, target, headers, body in bent(vault, wire):
        status, answered, content = wire.send(method, target, headers, body)
        assert (status, json.loads(content)["code"]) == (401, "NotAuthenticated"), what
        assert answered["opc-request-id"].count("/") == 2
        answers.add(content)
        count += 1
    assert count >= 35 and len(answers) == 1
    log = vault.log.read_text()[len(before):]
    assert log.count("status=401") == count
    for reason in ["does not verify", "seconds away", "is not the digest", "names no key"]:
        assert reason in log
    assert dict(wire.signed("GET", "/"))["authorization"][40:90] not in log
