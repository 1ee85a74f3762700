"""The official Python SDK as a client of the local endpoint. Prints one JSON object with what it saw."""

import json
import sys

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
    return seen


if __name__ == "__main__":
    host, key, secret = sys.argv[1:4]
    print(json.dumps({style: walk(host, key, secret, style) for style in ("v3", "v2")}))
