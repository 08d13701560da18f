"""An HTTP relay in front of sluice-localaws, one for each supervisor of a test: it writes down who asked for what, and can
refuse or hold the calls of one service, or have another clock than we."""
import datetime
import email.utils
import http.client
import http.server
import json
import threading
import time
import urllib.parse

# What DynamoDB says when a table's throughput is used up.
THROTTLED = {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "slow down"}


class Relay(http.server.ThreadingHTTPServer):
    """Forwards to `url`. `log` is shared: (name of this relay, operation, body) in the order of forwarding; `signed` has the
    service of each one's signature beside it: (service, operation, body)."""

    daemon_threads = True

    def __init__(self, name, url, log):
        self.name, self.log, self.signed = name, log, []
        self.netloc = urllib.parse.urlsplit(url).netloc
        self.throttled, self.dropped = "", ""  # targets with this text in them
        self.held = {}  # operation: event that lets its replies go
        self.ahead_s = 0  # of our clock; its answers are dated so, and signatures of other times refused
        self.out_of_time = []  # operations refused for that
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def hold(self, operation):
        """The replies of an operation wait from now on, until release(); returns an event: one waits."""
        self.held[operation] = (threading.Event(), threading.Event())
        return self.held[operation][1]

    def release(self):
        for gate, _ in self.held.values():
            gate.set()
        self.held = {}

    def handle_error(self, request, client_address):
        pass  # connections of killed supervisors are reset

    def close(self):
        self.release()
        self.shutdown()
        self.server_close()


def out_of_time(target):
    """Status and body with which services refuse a signature of another time: SQS in its own way, the others as ECS."""
    sqs = target.startswith("AmazonSQS.")
    code = "SignatureDoesNotMatch" if sqs else "InvalidSignatureException"
    return (403 if sqs else 400), json.dumps({"__type": code, "message": "Signature expired: it is now earlier than ..."}).encode()


def read_call(target, body):
    """Operation and members of a call in AWS JSON or, without a target, in the Query protocol."""
    if target:
        return target.rsplit(".", 1)[-1], json.loads(body or b"{}")
    members = {key: values[0] for key, values in urllib.parse.parse_qs(body.decode()).items()}
    return members.get("Action", ""), members


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120

    def do_POST(self):  # noqa: N802, the base class's name
        relay = self.server
        self.ahead_s = relay.ahead_s  # one clock for a call: a reply that is under way at a jump does not tell of it
        body = self.rfile.read(int(self.headers["Content-Length"]))
        target = self.headers.get("X-Amz-Target", "")
        operation, members = read_call(target, body)
        if relay.dropped and relay.dropped in target:
            self.close_connection = True
            return
        if relay.throttled and relay.throttled in target:
            self.answer(400, json.dumps(THROTTLED).encode(), [("Content-Type", "application/x-amz-json-1.0")])
            return
        if self.ahead_s and self.is_out_of_time():
            relay.out_of_time.append(operation)
            self.answer(*out_of_time(target), self.dated([]))
            return
        relay.log.append((relay.name, operation, members))
        scope = self.headers.get("Authorization", "").partition("Credential=")[2].partition(",")[0].split("/")
        relay.signed.append((scope[3] if len(scope) == 5 else None, operation, members))
        connection = http.client.HTTPConnection(relay.netloc, timeout=120)
        connection.putrequest("POST", self.path, skip_host=True, skip_accept_encoding=True)
        for key, value in self.headers.items():
            connection.putheader(key, value)
        connection.endheaders(body)
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        if operation in relay.held:
            gate, waits = relay.held[operation]
            waits.set()
            gate.wait(120)
        headers = [(k, v) for k, v in reply.getheaders() if k.lower() not in ("content-length", "connection")]
        self.answer(reply.status, data, self.dated(headers))

    def is_out_of_time(self):
        stamp = datetime.datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
        return abs(stamp.timestamp() - time.time() - self.ahead_s) > 300

    def dated(self, headers):
        """The headers with the relay's own date, if it has one."""
        if not self.ahead_s:
            return headers
        date = email.utils.formatdate(time.time() + self.ahead_s, usegmt=True)
        return [(k, v) for k, v in headers if k.lower() != "date"] + [("Date", date)]

    def answer(self, status, data, headers):
        try:
            self.send_response_only(status)
            for key, value in headers:
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # who asked did not wait for the answer

    def log_message(self, *_):
        pass
