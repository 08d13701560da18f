"""Starts Sluice's programs for tests, on loopback and port 0, each test in a folder of its own.

Whatever a test starts here is stopped when the test ends, and only pids started here are ever signalled.
"""
import errno
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

BIN = pathlib.Path(os.environ.get("SLUICE_BIN_DIR", pathlib.Path(__file__).parent.parent / "build" / "bin")).resolve()
TOOLS = pathlib.Path(os.environ.get("SLUICE_TEST_TOOLS", pathlib.Path(__file__).resolve().parent.parent / ".cache"))
# Under a sanitizer programs are several times slower: tests then use few workers, few threads and speed <= 2.
SANITIZED = bool(os.environ.get("SLUICE_SANITIZED"))
TIER = os.environ.get("SLUICE_TEST_TIER", "plain")  # quick, plain, long

ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"
ACCOUNT = "123456789012"


def wait_until(condition, timeout_s=30.0, what="condition"):
    """Polls until condition() is truthy and returns its value; the limit is a hang guard, not an expectation."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up waiting for {what}")
        time.sleep(0.01)


def speed(wanted):
    """The product seconds in a real one that a test may use here."""
    return min(wanted, 2) if SANITIZED else wanted


def built_with():
    """The C compiler that made the programs: what they load has to be made by it, too, and against its C library."""
    cache = (BIN.parent / "CMakeCache.txt").read_text()
    named = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", cache, re.MULTILINE)
    return named.group(1) if named else "cc"  # a toolchain file's: cc is it in tests/portability/emulated


def says(number):
    """The words of the programs' C library for an errno, as a pattern: they are no standard's."""
    return {errno.EADDRINUSE: "Address (already )?in use",
            errno.EMFILE: "Too many open files|No file descriptors available"}[number]


def some(cases):
    """Cases of a parametrised test: all of them; every third under a sanitizer (the code behind them is the same) and in
    the quick tier."""
    return list(cases)[::3] if SANITIZED or TIER == "quick" else list(cases)


def threads(wanted):
    """The handler threads of a worker that a test may use here."""
    return min(int(wanted), 16) if SANITIZED else wanted


def environment(endpoint=None, speed=1, origin_ms=None, **extra):
    """A child's environment: fixed test credentials, no settings leaking in from the machine."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SLUICE_", "SQS_"))}
    env.update(
        AWS_ACCESS_KEY_ID=ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY=SECRET_KEY,
        AWS_REGION=REGION,
        AWS_DEFAULT_REGION=REGION,
        AWS_CONFIG_FILE="/nonexistent",
        AWS_SHARED_CREDENTIALS_FILE="/nonexistent",
        AWS_EC2_METADATA_DISABLED="true",
        SLUICE_LOG_FORMAT="json",
    )
    if endpoint:
        env["AWS_ENDPOINT_URL"] = endpoint
    if speed != 1:
        env["SLUICE_TIME_SCALE"] = f"{speed}@{origin_ms if origin_ms is not None else int(time.time() * 1000)}"
    for key, value in extra.items():
        if value is None:
            env.pop(key, None)
        else:
            env[key] = str(value)
    return env


class Process:
    """A program under test; stderr and stdout go to files in the test's folder."""

    def __init__(self, argv, folder, env, name=None, **popen):
        self.name = name or pathlib.Path(argv[0]).name
        folder = pathlib.Path(folder)
        self.stdout_path = folder / f"{self.name}.out"
        self.stderr_path = folder / f"{self.name}.err"
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self.popen = subprocess.Popen(
                [str(a) for a in argv], stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env, cwd=folder, **popen
            )
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, timeout_s=60):
        return self.popen.wait(timeout_s)

    def stop(self, timeout_s=60):
        if self.alive():
            self.signal(signal.SIGTERM)
            try:
                return self.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)
                self.wait(10)
                raise AssertionError(f"{self.name} ignored TERM for {timeout_s} s:\n{self.stderr()[-4000:]}")
        return self.popen.returncode

    def kill(self):
        if self.alive():
            self.signal(signal.SIGKILL)
            self.wait(10)

    def stdout(self):
        return self.stdout_path.read_text(errors="replace")

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def logs(self):
        """The JSON log lines on stderr so far."""
        lines = []
        for line in self.stderr().splitlines():
            if line.startswith("{"):
                try:
                    lines.append(json.loads(line))
                except ValueError:
                    pass
        return lines


class LocalAws(Process):
    """sluice-localaws on a free port; verifies signatures unless told otherwise."""

    def __init__(self, folder, speed=1, origin_ms=None, verify=True, args=(), name="localaws"):
        argv = [BIN / "sluice-localaws", "--listen", "127.0.0.1:0", "--region", REGION, "--account", ACCOUNT]
        env = environment(speed=speed, origin_ms=origin_ms)
        if verify:
            argv += ["--verify-signatures"]  # against AWS_ACCESS_KEY_ID / AWS_SECRET_ACCESS_KEY of its environment
        super().__init__([*argv, *args], folder, env, name=name)
        self.url = wait_until(self._listening, what="sluice-localaws to listen")

    def _listening(self):
        if not self.alive():
            raise AssertionError(f"sluice-localaws ended with {self.popen.returncode}:\n{self.stderr()}")
        for line in self.stdout().splitlines():
            if line.startswith("{") and line.endswith("}"):
                return json.loads(line)["url"]
        return None

    def faults(self, method="GET", body=None):
        """GET counts, POST rules, DELETE rules and counts of /_localaws/faults."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_localaws/faults", data=data, method=method)
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read() or b"{}")

    def queue_url(self, name):
        return f"{self.url}/{ACCOUNT}/{name}"
