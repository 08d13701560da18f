"""DynamoDB of sluice-localaws under boto3: Debian's and a current one."""
import pathlib
import re
import subprocess

import pytest

import harness

SCRIPT = pathlib.Path(__file__).with_name("localaws_dynamodb_boto3.py")
SCENARIOS = re.findall(r"^def scenario_(\w+)", SCRIPT.read_text(), re.MULTILINE)
PYTHONS = {"current": harness.TOOLS / "venv/bin/python", "debian": "/usr/bin/python3"}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("which", PYTHONS)
def test_boto3(localaws, which, scenario):
    server = localaws()
    done = subprocess.run([PYTHONS[which], SCRIPT, server.url, scenario], env=harness.environment(), timeout=120,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    version = tuple(int(n) for n in re.search(r"boto3 (\d+)\.(\d+)", done.stdout).groups())
    assert (version >= (1, 29)) == (which == "current"), version


def test_there_are_scenarios():
    assert len(SCENARIOS) == 4
