"""A small ECS client of sluice-localaws for tests: signs requests and speaks AWS JSON 1.1."""
import http.client
import json
import sys
import urllib.parse

import harness
from localaws_client import Client, SqsError

EcsError = SqsError  # the same members: status, type, message
SLEEPER = [sys.executable, "-c", "import time; time.sleep(3600)"]


class Ecs(Client):
    def __init__(self, url, **identity):
        super().__init__(url, **{"service": "ecs", **identity})

    def call(self, operation, host=None, **members):
        body = json.dumps(members).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1",
                   "X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{operation}"}
        status, headers, data = self.post(body, headers, host=host)
        assert headers["content-type"] == "application/x-amz-json-1.1"
        answer = json.loads(data)
        if status != 200:
            raise EcsError(status, headers, answer)
        return answer

    def register(self, command, family="worker", stop_timeout=None, environment=None):
        container = {"name": "main", "image": "none", "command": [str(c) for c in command],
                     "environment": [{"name": k, "value": str(v)} for k, v in (environment or {}).items()]}
        if stop_timeout is not None:
            container["stopTimeout"] = stop_timeout
        return self.call("RegisterTaskDefinition", family=family,
                         containerDefinitions=[container])["taskDefinition"]["taskDefinitionArn"]

    def service(self, name="orders"):
        (service,) = self.call("DescribeServices", services=[name])["services"]
        return service

    def wait(self, condition, name="orders", what="the service"):
        """Polls DescribeServices until condition(service)."""
        def good():
            service = self.service(name)
            return service if condition(service) else None
        return harness.wait_until(good, what=what)

    def wait_running(self, count, name="orders"):
        return self.wait(lambda s: s["runningCount"] == count and s["pendingCount"] == 0, name,
                         what=f"{count} running tasks")

    def tasks(self, name="orders", status="RUNNING"):
        arns = self.call("ListTasks", serviceName=name, desiredStatus=status)["taskArns"]
        return self.call("DescribeTasks", tasks=arns)["tasks"] if arns else []

    def stopped(self, count, name="orders"):
        """The tasks that were stopped, once `count` have ended."""
        def ended():
            tasks = [t for t in self.tasks(name, "STOPPED") if t["lastStatus"] == "STOPPED"]
            return tasks if len(tasks) >= count else None
        return harness.wait_until(ended, what=f"{count} stopped tasks")


def request(url, method, path, body=None):
    """A plain request, as a task makes them; returns status and the JSON of the reply."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=30)
    connection.request(method, path, body if body is None or isinstance(body, bytes) else json.dumps(body))
    reply = connection.getresponse()
    data = json.loads(reply.read())
    connection.close()
    return reply.status, data
