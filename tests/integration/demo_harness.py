"""Runs `sluice demo` for tests, and finds what it may have left behind."""
import json
import os
import pathlib
import subprocess

import harness
from harness import BIN

# What a sanitizer can bear; options of a test come later and win.
SMALL = ["--max", 4, "--threads", 16] if harness.SANITIZED else []


def argv(*args):
    return [str(a) for a in [BIN / "sluice", "demo", "--speed", harness.speed(20), *SMALL, *args]]


def environment(tmp_path, **extra):
    return harness.environment(**{"TMPDIR": str(tmp_path), "NO_COLOR": None, **extra})


def demo(tmp_path, *args, exit_code=0, **extra):
    done = subprocess.run(argv(*args, "--report", tmp_path / "report.json", "--chart", tmp_path / "chart.svg"),
                          env=environment(tmp_path, **extra), capture_output=True, text=True, timeout=300)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return json.loads((tmp_path / "report.json").read_text()), done.stdout


def programs_of(folder):
    """Pids of programs that know of a folder: by argument or environment."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in told:
                found.append(int(entry.name))
    return found
