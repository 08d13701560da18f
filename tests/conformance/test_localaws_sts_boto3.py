"""STS and the credential endpoints of sluice-localaws under boto3: Debian's and a current one."""
import json
import pathlib
import re
import subprocess

import pytest

import harness

SCRIPT = pathlib.Path(__file__).with_name("localaws_sts_boto3.py")
SCENARIOS = re.findall(r"^def scenario_(\w+)", SCRIPT.read_text(), re.MULTILINE)
PYTHONS = {"current": harness.TOOLS / "venv/bin/python", "debian": "/usr/bin/python3"}


def run(which, url, scenario, **environment):
    done = subprocess.run([PYTHONS[which], SCRIPT, url, scenario], env=harness.environment(**environment), timeout=120,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    version = tuple(int(n) for n in re.search(r"boto3 (\d+)\.(\d+)", done.stdout).groups())
    assert (version >= (1, 29)) == (which == "current"), version


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s != "endpoint"])
@pytest.mark.parametrize("which", PYTHONS)
def test_boto3(localaws, which, scenario):
    run(which, localaws().url, scenario)


@pytest.mark.parametrize("source", ["container", "instance"])
@pytest.mark.parametrize("which", PYTHONS)
def test_the_endpoints(localaws, tmp_path, which, source):
    token = tmp_path / "token"
    token.write_text("the token")
    server = localaws(args=("--container-credentials", "127.0.0.1:0", "--imds", "127.0.0.1:0", "--container-token-file",
                            str(token)))
    line = json.loads(server.stdout().splitlines()[0])
    settings = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": line["container_credentials_url"] + "/credentials",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": "the token"}
    if source == "instance":
        settings = {"AWS_EC2_METADATA_DISABLED": None, "AWS_EC2_METADATA_SERVICE_ENDPOINT": line["imds_url"]}
    run(which, server.url, "endpoint", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, **settings)


def test_there_are_scenarios():
    assert len(SCENARIOS) == 3
