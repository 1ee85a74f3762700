"""The official Python SDK as a client of the local endpoint. Prints one JSON object with what it saw."""

import http.client
import json
import sys
from urllib.parse import urlsplit

import requests
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vod20170321 import models
from alibabacloud_vod20170321.client import Client


def client(host, key, secret, style):
    config = Config(access_key_id=key, access_key_secret=secret, endpoint=host, protocol="http")
    if style == "v2":
        config.signature_algorithm = "v2"
    return Client(config)


def code_of(call):
    try:
        call()
        return "OK"
    except Exception as error:
        return getattr(error, "code", None) or repr(error)


def recorded(call):
    """The request that the SDK signs for `call`, which is not sent."""

    class Recorded(Exception):
        pass

    kept = []
    send = requests.Session.send

    def keep(self, request, **options):
        kept.append(request)
        raise Recorded

    requests.Session.send = keep
    try:
        call()
    except Exception:
        if not kept:
            raise
    finally:
        requests.Session.send = send
    request = kept[0]
    parts = urlsplit(request.url)
    body = request.body or b""
    return {
        "method": request.method,
        "target": (parts.path or "/") + "?" + parts.query,
        # The length follows the body, which a replay may change.
        "headers": {name: value for name, value in request.headers.items() if name.lower() != "content-length"},
        "body": body.encode() if isinstance(body, str) else body,
    }


def raw(host, request):
    """Sends a recorded request as it is, without the SDK. Returns the answer's code."""
    connection = http.client.HTTPConnection(host, timeout=20)
    try:
        connection.request(request["method"], request["target"], request["body"], request["headers"])
        answer = connection.getresponse()
        seen = json.loads(answer.read())
        return "OK" if answer.status == 200 else seen.get("Code", str(answer.status))
    finally:
        connection.close()


def one_byte(text):
    """`text` with another last character."""
    return text[:-1] + ("1" if text[-1] != "1" else "2")


def replays(host, vod, wanted, style):
    """A recorded request with one byte changed in each place, then as it was, then once more."""
    kept = recorded(lambda: vod.set_message_callback(wanted))
    seen = {}

    def replay(name, **changed):
        seen[name] = raw(host, {**kept, **changed})

    def header(name, change):
        same = next(key for key in kept["headers"] if key.lower() == name)
        return {**kept["headers"], same: change(kept["headers"][same])}

    assert "hooks.example.com" in kept["target"], kept["target"]
    replay("query", target=kept["target"].replace("hooks.example.com", "hooks.example.con"))
    if style == "v3":
        for name in ("x-acs-action", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256", "authorization"):
            replay(name, headers=header(name, one_byte))
        replay("added header", headers={**kept["headers"], "x-acs-added": "1"})
        replay("body", body=b"x")
    else:
        for name in ("Timestamp", "SignatureNonce", "AuthKey"):
            replay(name, target=kept["target"].replace(name + "=", name + "=1"))
        replay("method", method="GET")
    replay("unchanged")
    replay("again")
    return seen


def walk(host, key, secret, style):
    vod = client(host, key, secret, style)
    wanted = models.SetMessageCallbackRequest(
        app_id="app-sdk",
        callback_type="HTTP",
        callback_url="https://hooks.example.com/a b*c~d+e?x=1&y=%E4%BD%A0".replace(" ", "%20"),
        event_type_list="TranscodeComplete,FileUploadComplete",
        auth_switch="on",
        auth_key="Example1Key",
    )
    seen = {}
    seen["set"] = vod.set_message_callback(wanted).body.request_id
    seen["get"] = vod.get_message_callback(models.GetMessageCallbackRequest(app_id="app-sdk")).body.to_map()
    seen["delete"] = vod.delete_message_callback(models.DeleteMessageCallbackRequest(app_id="app-sdk")).body.request_id
    seen["gone"] = vod.get_message_callback(models.GetMessageCallbackRequest(app_id="app-sdk")).body.to_map()
    seen["wrong_secret"] = code_of(lambda: client(host, key, secret + "x", style).set_message_callback(wanted))
    seen["wrong_key"] = code_of(lambda: client(host, key + "x", secret, style).set_message_callback(wanted))

    # Changes the request after the SDK has signed it, as somebody in the middle would.
    send = requests.Session.send

    def tampered(self, request, **options):
        request.url = request.url.replace("hooks.example.com", "hooks.example.org")
        return send(self, request, **options)

    requests.Session.send = tampered
    try:
        seen["tampered"] = code_of(lambda: vod.set_message_callback(wanted))
    finally:
        requests.Session.send = send
    seen["replays"] = replays(host, vod, wanted, style)
    return seen


if __name__ == "__main__":
    host, key, secret = sys.argv[1:4]
    print(json.dumps({style: walk(host, key, secret, style) for style in ("v3", "v2")}))
