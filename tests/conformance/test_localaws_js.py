"""sluice-localaws under the AWS SDK for JavaScript v3; the scenarios are in js/localaws_scenarios.js."""
import os
import pathlib
import re
import subprocess

import pytest

import harness

SCRIPT = pathlib.Path(__file__).with_name("js") / "localaws_scenarios.js"
SCENARIOS = re.findall(r"^  async (\w+)\(\)", SCRIPT.read_text(), re.MULTILINE)
NODE = os.environ.get("SLUICE_NODE", "node")
PREFIX = harness.TOOLS / "node"


def run(*args):
    return subprocess.run([NODE, SCRIPT, PREFIX, *args], env=harness.environment(), timeout=120, capture_output=True,
                          text=True)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_javascript(localaws, scenario):
    server = localaws()
    done = run(server.url, scenario)
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.alive()


def test_the_scenarios_are_those_of_the_script():
    done = run("--list")
    assert done.stdout.split() == SCENARIOS and len(SCENARIOS) == 9, done.stderr
