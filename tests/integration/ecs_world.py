"""A world for ECS fleets: sluice-localaws with a queue and a service called orders, and supervisors on it."""
import http.server
import json
import threading

import pytest

import harness
from ecs_client import Ecs
from supervisor_harness import ORIGIN_MS, SPEED, Sqs, Supervisor, configuration

QUICK = {"scale_in_after": "5s", "cooldown": "2s"}


class AutoScaling(http.server.ThreadingHTTPServer):
    """Application Auto Scaling with one answer: a list of targets, or an error."""

    def __init__(self):
        self.targets, self.error, self.requests = [], None, []
        super().__init__(("127.0.0.1", 0), AutoScaling.Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):  # noqa: N802, the base class's name
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.requests.append((self.headers["X-Amz-Target"], body))
            status, answer = 200, {"ScalableTargets": self.server.targets}
            if self.server.error:
                status, answer = 400, {"__type": self.server.error, "Message": "not authorized to perform"}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass


class EcsWorld:
    """An endpoint with a queue called orders and a service called orders, whose tasks pretend or run."""

    def __init__(self, folder, localaws, scaling, tasks="pretend", latency="2s", args=()):
        self.folder, self.scaling = folder, scaling
        self.server = localaws(speed=SPEED, origin_ms=ORIGIN_MS,
                               args=("--ecs-tasks", tasks, "--ecs-start-latency", latency, *args))
        self.sqs = Sqs(self.server.url)
        self.ecs = Ecs(self.server.url)
        self.queue_url = self.sqs.create("orders")
        self.started = []

    def environment(self, **extra):
        return harness.environment(self.server.url, speed=SPEED, origin_ms=ORIGIN_MS,
                                   AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING=self.scaling.url, **extra)

    def create(self, desired=2, command=("none",), environment=None, **more):
        self.ecs.register(command, environment=environment)
        if desired is not None:
            more["desiredCount"] = desired
        self.ecs.call("CreateService", serviceName="orders", taskDefinition="worker", **more)

    def configuration(self, minimum=2, maximum=20, policy=None, **fleet):
        config = configuration(self.folder, self.queue_url, [], minimum=minimum, maximum=maximum,
                               policy=policy or QUICK)
        config["fleets"][0]["fleet"] = {"type": "ecs", "cluster": "default", "service": "orders", "describe": "2s",
                                        **fleet}
        return config

    def supervise(self, name="sluice", **settings):
        supervisor = Supervisor(self.folder, self.configuration(**settings), self.environment(), name=name)
        self.started.append(supervisor)
        return supervisor

    def send(self, count):
        self.sqs.send(self.queue_url, ["x"] * count)

    def desired(self):
        return self.ecs.service()["desiredCount"]

    def set_desired(self, count):
        """As Terraform or a person does."""
        self.ecs.call("UpdateService", service="orders", desiredCount=count)

    def wait_desired(self, count):
        return self.ecs.wait(lambda s: s["desiredCount"] == count, what=f"a desired count of {count}")


@pytest.fixture
def scaling():
    server = AutoScaling()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def make(tmp_path, localaws, scaling):
    worlds = []

    def start(**options):
        worlds.append(EcsWorld(tmp_path, localaws, scaling, **options))
        return worlds[-1]

    yield start
    for world in worlds:
        world.ecs.close()
        for supervisor in world.started:
            supervisor.kill()
            text = supervisor.stderr()
            assert "Sanitizer" not in text and "runtime error:" not in text, text[-8000:]
