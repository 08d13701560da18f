"""A worker that keeps (or breaks) the worker contract as its arguments say; for tests of the supervisor.

It touches no queue. Environment: SLUICE_TELEMETRY_FD, SLUICE_WORKER_NAME. Options:

--stats-file FILE   JSON object of gauges and counters to report in every stats line; read anew each time
--interval S        real seconds between stats lines (0.05)
--exit CODE         leave with CODE instead of getting ready
--exit-file FILE    once FILE exists: leave with the code that it holds
--never-ready       run, but say nothing
--mute              say ready, and then nothing more
--babble            say ready, and then only lines that nobody understands
--ignore-term       do not drain on TERM
--child FILE        start a child that ignores TERM and keeps the pipes open; its pid goes to FILE
--print TEXT        write TEXT to stdout at the start; --print-error to stderr
--flood N           write N lines to stdout at the start
--dump FILE         append "NAME ENVIRONMENT-AS-JSON" to FILE
"""
import argparse
import json
import os
import select
import signal
import subprocess
import sys
import time


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stats-file")
    parser.add_argument("--interval", type=float, default=0.05)
    parser.add_argument("--exit", type=int)
    parser.add_argument("--exit-file")
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--mute", action="store_true")
    parser.add_argument("--babble", action="store_true")
    parser.add_argument("--ignore-term", action="store_true")
    parser.add_argument("--child")
    parser.add_argument("--print", dest="text", action="append", default=[])
    parser.add_argument("--print-error", dest="error_text", action="append", default=[])
    parser.add_argument("--flood", type=int, default=0)
    parser.add_argument("--dump")
    return parser.parse_args()


GAUGES = ("busy", "waiting", "held", "capacity", "last_receive_age_ms")
COUNTERS = (
    "received", "completed", "failed", "deleted", "returned", "extended", "lease_lost", "redelivered",
    "receives", "receives_full", "receives_empty", "handle_ms_sum", "wait_ms_sum",
)


class Worker:
    def __init__(self, options):
        self.options = options
        self.name = os.environ["SLUICE_WORKER_NAME"]
        fd = os.environ.get("SLUICE_TELEMETRY_FD", "")
        self.fd = int(fd) if fd else None
        self.draining = False

    def say(self, **line):
        if self.fd is None:
            return
        try:
            os.write(self.fd, (json.dumps({"v": 1, **line}) + "\n").encode())
        except OSError:
            if not self.options.ignore_term:
                self.draining = True
            self.fd = None

    def stats(self):
        values = dict.fromkeys(GAUGES + COUNTERS, 0)
        values["capacity"] = 5
        if self.options.stats_file and os.path.exists(self.options.stats_file):
            told = json.loads(open(self.options.stats_file).read() or "{}")
            values.update(told.get("*", {}))
            values.update(told.get(self.name, {}))
        state = "draining" if self.draining else "running"
        self.say(type="stats", t_ms=int(time.time() * 1000), state=state, **values)

    def on_term(self, *_):
        if not self.options.ignore_term:
            self.draining = True

    def supervisor_is_gone(self):
        """Waits one interval; EOF on the channel tells."""
        if self.fd is None:
            time.sleep(self.options.interval)
            return False
        readable, _, _ = select.select([self.fd], [], [], self.options.interval)
        try:
            return bool(readable) and os.read(self.fd, 4096) == b""
        except ConnectionResetError:  # it died with lines of ours unread
            return True

    def run(self):
        while not self.draining:
            if self.options.exit_file and os.path.exists(self.options.exit_file):
                return int(open(self.options.exit_file).read() or "0")
            if self.options.babble:
                self.say(type=7)
            elif not self.options.mute and not self.options.never_ready:
                self.stats()
            if self.supervisor_is_gone() and not self.options.ignore_term:
                return 0
        self.stats()
        self.say(type="bye", reason="drained", returned=0)
        return 0


def main():
    options = parse_arguments()
    worker = Worker(options)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, worker.on_term)
    for text in options.text:
        print(text, flush=True)
    for text in options.error_text:
        print(text, file=sys.stderr, flush=True)
    for i in range(options.flood):
        print(f"flood line {i}", flush=False)
    sys.stdout.flush()
    if options.dump:
        with open(options.dump, "a") as out:
            out.write(f"{worker.name} {json.dumps(dict(os.environ))}\n")
    if options.child:
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-S", "-c", code])
        with open(options.child, "a") as out:
            out.write(f"{child.pid}\n")
    if options.exit is not None:
        return options.exit
    if not options.never_ready:
        worker.say(type="ready", worker=worker.name, pid=os.getpid(), threads=1, capacity=5)
    return worker.run()


if __name__ == "__main__":
    sys.exit(main())
