"""Sources of credentials on loopback: a container's endpoint, instance metadata (version 2 only) and STS, scripted by the test."""
import datetime
import http.server
import json
import threading
import urllib.parse

import harness

ROLE = "queue-role"


def expiration(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def key_set(life_s=3600, key=harness.ACCESS_KEY, secret=harness.SECRET_KEY):
    """A set whose token is no part of what localaws checks, but is signed with the rest."""
    return {"AccessKeyId": key, "SecretAccessKey": secret, "Token": "session-token", "Expiration": expiration(life_s)}


class Sources:
    """One server for all of them. `answer` is called for each request for keys and gives (status, object) or a set."""

    def __init__(self, answer=None):
        self.answer = answer or (lambda number: key_set())
        self.requests = []  # (method, path, headers, body)
        self.key_requests = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                with outer.lock:
                    outer.requests.append((self.command, self.path, dict(self.headers), body))
                status, text = outer.reply(self.command, self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_PUT = do_POST = do

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def keys(self):
        """(status, set) as the test's script has it for this request."""
        with self.lock:
            number = self.key_requests
            self.key_requests += 1
        answer = self.answer(number)
        return answer if isinstance(answer, tuple) else (200, answer)

    def reply(self, method, path, headers, body):
        if method == "POST":
            return self.sts(body)
        if path == "/latest/api/token":
            good = method == "PUT" and headers.get("X-aws-ec2-metadata-token-ttl-seconds") == "21600"
            return (200, "metadata-token") if good else (400, "")
        if path.startswith("/latest/"):
            if headers.get("X-aws-ec2-metadata-token") != "metadata-token":
                return 401, ""
            if path == "/latest/meta-data/placement/region":
                return 200, harness.REGION
            if path == "/latest/meta-data/iam/security-credentials/":
                return 200, ROLE
            status, keys = self.keys()
            return status, json.dumps({"Code": "Success", **keys})
        status, keys = self.keys()
        return status, json.dumps(keys)

    def sts(self, body):
        status, keys = self.keys()
        action = urllib.parse.parse_qs(body)["Action"][0]
        if status != 200:
            return status, (f"<ErrorResponse><Error><Type>Sender</Type><Code>{keys['Code']}</Code><Message>told by the test"
                            "</Message></Error><RequestId>r</RequestId></ErrorResponse>")
        return 200, (f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
                     f"<AccessKeyId>{keys['AccessKeyId']}</AccessKeyId><SecretAccessKey>{keys['SecretAccessKey']}"
                     f"</SecretAccessKey><SessionToken>{keys['Token']}</SessionToken><Expiration>{keys['Expiration']}"
                     f"</Expiration></Credentials></{action}Result></{action}Response>")
