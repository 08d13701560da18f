"""A web application for tests of the http handler: HTTP/1.1 with kept connections, and faults on demand."""
import collections
import dataclasses
import os
import socket
import struct
import threading


@dataclasses.dataclass
class Request:
    path: str
    headers: list  # (name, value) in order, as they came
    body: bytes
    connection: int  # which one, counted from 1
    attempt: int  # of this message id, counted from 1

    def header(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    @property
    def message_id(self):
        return self.header("X-Aws-Sqsd-Msgid")


class WebApp:
    """Answers what behave(request) returns: a status, a (status, headers, body), or one of

    "reset"     the connection is reset, no reply
    "close"     it is closed, no reply
    "hang"      no reply until the client leaves, which is counted in `left`
    "truncate"  a reply of 200 that ends before its Content-Length
    "endless"   a reply of 200 whose body does not end before the client leaves
    "slow"      a reply of 200 in pieces
    "last"      a reply of 200, after which the connection is closed without a word about it
    """

    def __init__(self, behave=None, unix_path=None, context=None):
        self.behave = behave or (lambda request: 200)
        self.context = context
        self.requests = []
        self.attempts = collections.Counter()
        self.connections = 0
        self.left = 0
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX if unix_path else socket.AF_INET)
        self.socket.bind(unix_path or ("127.0.0.1", 0))
        self.socket.listen(1024)
        self.port = None if unix_path else self.socket.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}/orders"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.socket.close()

    def ids(self):
        """How many requests came for each message id."""
        with self.lock:
            return collections.Counter(request.message_id for request in self.requests)

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_safely, args=(client,), daemon=True).start()

    def _serve_safely(self, client):
        try:
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
            with client, client.makefile("rb") as stream:
                with self.lock:
                    self.connections += 1
                    number = self.connections
                while self._serve_one(client, stream, number):
                    pass
        except (OSError, ValueError):
            pass  # the client left; what that means the test sees in the counts

    def _read(self, stream, number):
        first = stream.readline()
        if not first:
            return None
        method, path, _ = first.split()
        assert method == b"POST", first
        headers = []
        while (line := stream.readline().rstrip(b"\r\n")):
            name, _, value = line.partition(b":")
            headers.append((name.decode(), value.strip().decode()))
        length = int(next(value for name, value in headers if name.lower() == "content-length"))
        request = Request(path.decode(), headers, stream.read(length), number, 0)
        with self.lock:
            self.attempts[request.message_id] += 1
            request.attempt = self.attempts[request.message_id]
            self.requests.append(request)
        return request

    def _serve_one(self, client, stream, number):
        request = self._read(stream, number)
        if request is None:
            return False
        answer = self.behave(request)
        if isinstance(answer, str):
            return getattr(self, "_" + answer)(client, stream)
        status, headers, body = answer if isinstance(answer, tuple) else (answer, {}, b"")
        self._send(client, status, headers, body)
        return True

    @staticmethod
    def _send(client, status, headers, body):
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        client.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def _reset(self, client, stream):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def _close(self, client, stream):
        return False

    def _last(self, client, stream):
        self._send(client, 200, {}, b"")
        return False

    def _hang(self, client, stream):
        if not stream.read(1):
            with self.lock:
                self.left += 1
        return False

    def _truncate(self, client, stream):
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of")
        return False

    def _endless(self, client, stream):
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                client.sendall(b"1000\r\n" + os.urandom(4096) + b"\r\n")
        except OSError:
            with self.lock:
                self.left += 1
        return False

    def _slow(self, client, stream):
        for piece in (b"HTTP/1.1 20", b"0 OK\r\nContent-", b"Length: 4\r\n\r\nsl", b"ow"):
            client.sendall(piece)
            threading.Event().wait(0.01)
        return True
