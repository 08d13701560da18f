"""A small client of sluice-localaws for tests: signs requests, speaks JSON, and hands out raw sockets."""
import datetime
import hashlib
import hmac
import http.client
import json
import socket
import urllib.parse

import harness


class SqsError(Exception):
    def __init__(self, status, headers, body):
        super().__init__(f"{status} {body}")
        self.status = status
        self.headers = headers
        self.body = body
        self.type = body.get("__type", "").split("#")[-1]
        self.message = body.get("message", body.get("Message", ""))


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def sign(method, host, path, body, headers, secret=harness.SECRET_KEY, access_key=harness.ACCESS_KEY,
         region=harness.REGION, service="sqs", when=None):
    """Returns headers with X-Amz-Date and Authorization (AWS Signature Version 4)."""
    when = when or datetime.datetime.now(datetime.timezone.utc)
    stamp = when.strftime("%Y%m%dT%H%M%SZ")
    headers = {**headers, "Host": host, "X-Amz-Date": stamp}
    lower = {k.lower(): " ".join(v.split()) for k, v in headers.items()}
    names = ";".join(sorted(lower))
    canonical = "\n".join(
        [method, path, "", *(f"{n}:{lower[n]}" for n in sorted(lower)), "", names, hashlib.sha256(body).hexdigest()])
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = _hmac(_hmac(_hmac(_hmac(b"AWS4" + secret.encode(), stamp[:8]), region), service), "aws4_request")
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}")
    return headers


class Client:
    """One connection, opened anew when it broke."""

    def __init__(self, url, timeout_s=60, **identity):
        self.url = url
        self.netloc = urllib.parse.urlsplit(url).netloc
        self.timeout_s = timeout_s
        self.identity = identity
        self.connection = None
        self.last_headers = {}

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def post(self, body, headers, path="/", host=None):
        """Returns status, headers (lower case), body. Exceptions of http.client and OSError pass."""
        headers = sign("POST", host or self.netloc, path, body, headers, **self.identity)
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.netloc, timeout=self.timeout_s)
        try:
            self.connection.request("POST", path, body, headers)
            reply = self.connection.getresponse()
            data = reply.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if reply.will_close:
            self.close()
        self.last_headers = {k.lower(): v for k, v in reply.getheaders()}
        return reply.status, self.last_headers, data

    def call(self, operation, host=None, **members):
        body = json.dumps(members).encode()
        status, headers, data = self.post(
            body, {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{operation}"}, host=host)
        answer = json.loads(data) if data else {}
        if status != 200:
            raise SqsError(status, headers, answer)
        return answer

    def counts(self, queue_url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
                 "ApproximateNumberOfMessagesDelayed"]
        attributes = self.call("GetQueueAttributes", QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return tuple(int(attributes[n]) for n in names)

    def stats(self):
        connection = http.client.HTTPConnection(self.netloc, timeout=self.timeout_s)
        connection.request("GET", "/_localaws/stats")
        stats = json.loads(connection.getresponse().read())
        connection.close()
        return stats


class Raw:
    """A bare TCP connection."""

    def __init__(self, url, timeout_s=30):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=timeout_s)
        self.netloc = parts.netloc
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self, head_only=False):
        """Reads one reply: status, headers, body."""
        line = self.file.readline()
        if not line:
            raise EOFError
        status = int(line.split()[1])
        headers = {}
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, value = line.decode().split(":", 1)
            headers[name.strip().lower()] = value.strip()
        length = 0 if head_only or status == 100 else int(headers.get("content-length", 0))
        return status, headers, self.file.read(length)

    def at_end(self):
        """True when the peer has closed and nothing more can be read."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()


def json_request(netloc, operation, members, extra=""):
    body = json.dumps(members)
    return (f"POST / HTTP/1.1\r\nHost: {netloc}\r\nX-Amz-Target: AmazonSQS.{operation}\r\n"
            f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n{extra}\r\n{body}")
