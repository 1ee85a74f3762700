"""Receives ApsaraVideo VOD callbacks and lets only genuine ones through. See ../README.md for the variables."""
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALLBACK_URL = os.environ["CALLBACK_URL"]
AUTH_KEY_FILES = os.environ["AUTH_KEY_FILES"].split(",")
MAX_AGE_SECONDS = int(os.environ.get("MAX_AGE_SECONDS", "300"))
MAX_BODY_BYTES = 1 << 20


def auth_keys():
    """Read each time: a mounted Secret changes under a running process."""
    for path in AUTH_KEY_FILES:
        with open(path, encoding="utf-8") as file:
            yield file.read().rstrip("\r\n")


def refusal(timestamp, signature):
    """Why a callback is not genuine, or None."""
    if not timestamp or not signature:
        return "no X-VOD-TIMESTAMP or X-VOD-SIGNATURE"
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(time.time() - int(timestamp)) > MAX_AGE_SECONDS:
        return f"the time is not within {MAX_AGE_SECONDS} s of the clock"
    genuine = False
    for key in auth_keys():
        wanted = hashlib.md5(f"{CALLBACK_URL}|{timestamp}|{key}".encode()).hexdigest()
        genuine |= hmac.compare_digest(wanted.encode(), signature.encode())
    return None if genuine else "the signature is wrong"


class Receiver(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self):
        why = refusal(self.headers.get("X-VOD-TIMESTAMP"), self.headers.get("X-VOD-SIGNATURE"))
        if why:
            print(f"refused: {why}", flush=True)
            return self.answer(403)
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return self.answer(413)
        try:
            event = json.loads(self.rfile.read(int(length)))
            kind, video = event.get("EventType"), event.get("VideoId")
        except (ValueError, AttributeError):
            return self.answer(400)
        # Answer within 5 seconds: put the event on a queue here, and do the work elsewhere. It may come again.
        print(f"event: {kind} {video}", flush=True)
        self.answer(200)

    def answer(self, code):
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8080"))), Receiver)
    print(f"listening on port {server.server_address[1]}", flush=True)
    server.serve_forever()
