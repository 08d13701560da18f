"""What deploys Sluice in containers: Dockerfile, trial with compose, task definitions, the script that builds.

Nothing is built here: tests/images does that (`tests/run images`).
"""
import json
import os
import pathlib
import re
import string
import subprocess

import pytest
import yaml

import harness
from dockerfile import Dockerfile, exec_form, faults
from ecs_client import Ecs
from harness import BIN, wait_until
from prometheus_text import promtool
from supervisor_harness import run_sluice
from task_definitions import FOLDER, definition
from worker_harness import Shop, Worker

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
ROLES = ["supervisor", "worker", "localaws"]
TEXT = (DEPLOY / "images" / "Dockerfile").read_text()

# ---- Dockerfile ----


def test_the_dockerfile_keeps_the_rules():
    assert faults(TEXT, ROLES) == []


BREAKS = {
    "moving base": ("bookworm-20260824-slim", "bookworm-slim", "BASE=docker.io/library/debian:bookworm-slim: want a dated"),
    "other registry": ("docker.io/library/debian", "debian", "BASE=debian:bookworm-20260824-slim: want a dated"),
    "packages of another day": ("SNAPSHOT=20260824", "SNAPSHOT=20250101", "SNAPSHOT=20250101T000000Z: want the time"),
    "second base": ("FROM base AS runtime", "FROM alpine AS runtime", "runtime: FROM alpine is not pinned"),
    "root": ("USER 10001:10001\n", "", "worker: USER : want numbers"),
    "root by name": ("USER 10001:10001", "USER root", "worker: USER root: want numbers"),
    "health by a shell": ('CMD ["sluice", "health"]', "CMD sluice health", "supervisor: HEALTHCHECK"),
    "no health check": (re.search(r"HEALTHCHECK.*health\"\]\n", TEXT).group(0), "", "supervisor: HEALTHCHECK"),
    "entry by a shell": ('ENTRYPOINT ["sluice-worker"]', "ENTRYPOINT sluice-worker", "worker: ENTRYPOINT"),
    "command by a shell": ('CMD ["run", "--config", "env:SLUICE_CONFIG"]', "CMD run", "supervisor: CMD with a shell"),
    "remote": ("COPY . /src", "ADD https://example.com/x.tar.gz /src", "build: ADD of https://"),
    "heredoc": ("RUN /src/deploy/install-deps build", "RUN <<EOF\ntrue\nEOF", "build: RUN with a heredoc"),
    "volume of root": ("install -d -o 10001 -g 10001 -m 0700", "install -d", "supervisor: VOLUME /var/lib/sluice is not"),
    "recommended packages": ("-y install --no-install-recommends", "-y install", "runtime: apt-get without"),
    "lost stage": ("--from=build /out/sluice /out", "--from=builder /out/sluice /out",
                   "runtime: COPY from builder"),
    "no such role": ("AS localaws", "AS local", "localaws: no stage"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_dockerfile_is_noticed(name):
    old, new, words = BREAKS[name]
    assert old in TEXT
    assert any(fault.startswith(words) for fault in faults(TEXT.replace(old, new), ROLES)), faults(TEXT.replace(old, new), ROLES)


def test_commands_of_the_images_are_taken_by_the_programs(spawn, localaws, tmp_path):
    """Each image's own command line, with a port that is free, and its health check."""
    file = Dockerfile(TEXT)
    command = exec_form(file.last("supervisor", "ENTRYPOINT")) + exec_form(file.last("supervisor", "CMD"))
    done = subprocess.run([BIN / command[0], *command[1:]], env=harness.environment(), capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 78 and "SLUICE_CONFIG" in done.stderr, done.stderr
    command = exec_form(file.last("localaws", "CMD"))
    command[command.index("0.0.0.0:9324")] = "0.0.0.0:0"
    server = spawn([BIN / "sluice-localaws", *command], harness.environment())
    url = json.loads(wait_until(server.stdout, what="the address"))["url"].replace("0.0.0.0", "127.0.0.1")
    check_health(file, "localaws", "http://127.0.0.1:9324", url)
    (name, value) = file.last("worker", "ENV").split("=")
    shop = Shop(localaws, tmp_path)
    assert value == "127.0.0.1:9464"
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(**{name: "127.0.0.1:0"}))
    port = wait_until(lambda: next((line["port"] for line in worker.process.logs() if line["message"] == "listening"), None))
    check_health(file, "worker", f"http://{value}", f"http://127.0.0.1:{port}")
    worker.finish()


def check_health(file, role, address, url):
    words = exec_form(file.last(role, "HEALTHCHECK").partition("CMD ")[2])
    assert words[words.index("--admin") + 1] == address
    done = run_sluice(*[url if word == address else word for word in words[1:]])
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


def test_the_context_has_the_sources_and_no_more():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*" and all(line.startswith("!") for line in lines[1:])
    kept = {line[1:] for line in lines[1:]}
    assert all((ROOT / name).exists() for name in kept)
    assert not kept & {".git", ".cache", "tests", "build"}
    built = re.search(r"foreach\(part (.*)\)", (ROOT / "CMakeLists.txt").read_text()).group(1).split()
    assert set(built) | {"CMakeLists.txt", "VERSION", "cmake", "deploy", "docs", "README.md", "CHANGELOG.md"} <= kept


def test_the_context_can_be_configured(tmp_path):
    for name in (line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")):
        (tmp_path / name).symlink_to(ROOT / name)
    command = re.search(r"cmake -S /src -B /build ([^;]*);", TEXT).group(1).split()
    done = subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "build", *command], capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- compose ----

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m)", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def test_what_compose_names_is_there():
    version = (ROOT / "VERSION").read_text().strip()
    for name, service in SERVICES.items():
        role = re.fullmatch(rf"sluice-(\w+):\${{SLUICE_TAG:-{re.escape(version)}}}", service["image"])
        assert role is None or role.group(1) in ROLES, service["image"]
        assert role is not None or re.fullmatch(r"docker\.io/prom/prometheus:\${PROMETHEUS_TAG:-v[\d.]+}", service["image"])
        assert set(service.get("depends_on", ())) <= set(SERVICES) - {name}
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
        # Nobody but this host reaches the trial.
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(COMPOSE["volumes"]) == {v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", ())} - {"./prometheus.yml"}


def test_the_supervisor_of_the_trial_is_configured_for_it():
    service = SERVICES["supervisor"]
    config = json.loads(service["environment"]["SLUICE_CONFIG"])
    (fleet,) = config["fleets"]
    command = SERVICES["localaws"]["command"]
    port = command[command.index("--listen") + 1].rpartition(":")[2]
    queue = fleet["queue"]["url"]
    assert service["environment"]["AWS_ENDPOINT_URL"] == f"http://localaws:{port}"
    assert queue.startswith(f"http://localaws:{port}/{harness.ACCOUNT}/")
    assert queue.rpartition("/")[2] in command[command.index("--create-queue") + 1].split(",")
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"}
    assert all(service["environment"][key] == SERVICES["localaws"]["environment"][key] for key in keys)
    assert service["pids_limit"] >= fleet["capacity"]["max"] * (int(fleet["fleet"]["env"]["NUM_WORKERS"]) + 8)
    assert seconds(service["stop_grace_period"]) > seconds(fleet["fleet"]["stop_grace"])
    assert "state:/var/lib/sluice" in service["volumes"]
    done = run_sluice("check", "--config", "env:SLUICE_CONFIG", "--offline", "--json",
                      env=harness.environment(**service["environment"], PATH=f"{BIN}:{os.environ['PATH']}"))
    assert done.returncode == 0, done.stderr
    # The state folder is the image's, and not this host's.
    assert {warning["code"] for warning in json.loads(done.stdout)["warnings"]} <= {"state_dir", "open_files", "memory", "pids_max"}


def test_the_trial_runs(spawn, localaws, tmp_path):
    """Its supervisor on its queue, without containers: the same configuration with this test's addresses."""
    server = localaws(args=("--create-queue", "orders,orders-dlq"))
    text = SERVICES["supervisor"]["environment"]["SLUICE_CONFIG"]
    config = json.loads(text.replace("http://localaws:9324", server.url).replace("0.0.0.0:9400", "127.0.0.1:0"))
    config["state_dir"] = str(tmp_path / "state")
    config["fleets"][0]["fleet"]["command"][0] = str(BIN / "sluice-worker")
    config["fleets"][0]["fleet"]["env"]["NUM_WORKERS"] = str(harness.threads(100))
    supervisor = spawn([BIN / "sluice", "run", "--config", "env:SLUICE_CONFIG"],
                       harness.environment(server.url, SLUICE_CONFIG=json.dumps(config)))
    admin = tmp_path / "state" / "admin.sock"

    def status():
        done = run_sluice("status", "--socket", admin, "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    wait_until(lambda: (s := status()) and s["fleets"][0]["ready"] == 2, what="two workers")
    assert run_sluice("health", "--admin", admin).returncode == 0
    assert supervisor.stop() == 0


def test_prometheus_scrapes_the_supervisor_of_the_trial():
    path = DEPLOY / "prometheus.yml"
    (job,) = yaml.safe_load(path.read_text())["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    name, _, port = target.partition(":")
    config = json.loads(SERVICES[name]["environment"]["SLUICE_CONFIG"])
    assert config["admin"]["listen"] == f"0.0.0.0:{port}"
    assert "./prometheus.yml:/etc/prometheus/prometheus.yml:ro" in SERVICES["prometheus"]["volumes"]
    if promtool():
        done = subprocess.run([promtool(), "check", "config", path], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


# ---- task definitions ----


def test_every_placeholder_is_explained():
    page = (ROOT / "docs" / "images.md").read_text() + (ROOT / "docs" / "iam.md").read_text()
    for path in FOLDER.glob("*.json"):
        for found in string.Template.pattern.finditer(path.read_text()):
            assert f"`{found.group('braced')}`" in page, (path, found.group(0))


@pytest.mark.parametrize("name", ["supervisor", "worker"])
def test_localaws_registers_the_task_definitions(localaws, name):
    ecs = Ecs(localaws(args=("--ecs-tasks", "pretend")).url)
    wanted = definition(name)
    arn = ecs.call("RegisterTaskDefinition", **wanted)["taskDefinition"]["taskDefinitionArn"]
    assert arn.endswith(f":task-definition/{wanted['family']}:1")
    told = ecs.call("DescribeTaskDefinition", taskDefinition=arn)["taskDefinition"]
    (container,) = told["containerDefinitions"]
    (ours,) = wanted["containerDefinitions"]
    assert [container[key] for key in ("name", "image", "command", "stopTimeout")] == [
        ours[key] for key in ("name", "image", "command", "stopTimeout")]
    ecs.close()


def test_the_worker_of_the_task_definition_drains_within_its_stop_timeout(spawn, localaws, tmp_path):
    (container,) = definition("worker")["containerDefinitions"]
    values = {entry["name"]: entry["value"] for entry in container["environment"]}
    assert seconds(values["SLUICE_STOP_GRACE"]) < container["stopTimeout"] <= 120  # Fargate's most
    assert values["NUM_WORKERS"] == "100"
    assert container["healthCheck"]["command"][-1] == f"http://{values['SLUICE_METRICS_LISTEN']}"
    assert container["readonlyRootFilesystem"] is True and container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    shop = Shop(localaws, tmp_path)
    values |= {"SQS_QUEUE_URL": shop.queue_url, "SLUICE_METRICS_LISTEN": "127.0.0.1:0", "NUM_WORKERS": str(harness.threads(100)),
               container["secrets"][0]["name"]: "sixteen-characters-0123"}
    worker = spawn([BIN / container["entryPoint"][0], *container["command"]], shop.env(**values))
    port = wait_until(lambda: next((line["port"] for line in worker.logs() if line["message"] == "listening"), None))
    health = container["healthCheck"]["command"]
    assert health[:3] == ["CMD", "sluice", "health"]
    done = run_sluice(*health[2:-1], f"http://127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
    assert worker.stop() == 0


def test_the_supervisor_of_the_task_definition_is_configured_for_the_worker():
    (container,) = definition("supervisor")["containerDefinitions"]
    (worker,) = definition("worker")["containerDefinitions"]
    (entry,) = container["environment"]
    config = json.loads(entry["value"])
    (fleet,) = config["fleets"]
    of_worker = {e["name"]: e["value"] for e in worker["environment"]}
    port = container["portMappings"][0]["containerPort"]
    assert config["telemetry"] == {"listen": f"0.0.0.0:{port}", "token_env": container["secrets"][0]["name"]}
    assert of_worker["SLUICE_TELEMETRY_URL"] == f"http://supervisor.internal:{port}/v1/telemetry/{fleet['name']}"
    assert worker["secrets"] == container["secrets"]
    assert fleet["queue"]["url"] == of_worker["SQS_QUEUE_URL"]
    (mount,) = container["mountPoints"]
    assert f'VOLUME ["{mount["containerPath"]}"]' in TEXT and mount["sourceVolume"] == definition("supervisor")["volumes"][0]["name"]
    env = harness.environment(**{entry["name"]: entry["value"], "SLUICE_TELEMETRY_TOKEN": "sixteen-characters-0123"})
    done = run_sluice("check", *container["command"][1:], "--offline", "--json", env=env)
    assert done.returncode == 0 and json.loads(done.stdout)["valid"] is True, done.stderr


# ---- deploy/build-images ----


def build_images(*arguments, **variables):
    env = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"} | variables
    return subprocess.run([DEPLOY / "build-images", *arguments], capture_output=True, text=True, timeout=60, check=False, env=env)


@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"])
def test_the_script_builds_each_role_with_each_builder(builder):
    done = build_images("--print", "--builder", builder, "--prefix", "registry.example/", "--tag", "1.2.3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [re.search(r"--target (\w+)", line).group(1) for line in lines] == ROLES
    for role, line in zip(ROLES, lines):
        assert f" registry.example/sluice-{role}:1.2.3 " in line and "--file deploy/images/Dockerfile" in line
        # Health checks are lost in the other format.
        assert ("--format docker" in line) == (builder != "docker")


def test_the_script_passes_on_what_it_was_told():
    done = build_images("--print", "--builder", "buildah", "--make-base", "--snapshot", "20250101T000000Z", "--no-cache", "worker")
    assert done.returncode == 0, done.stderr
    made, base, image = done.stdout.splitlines()
    assert made.startswith("mmdebstrap ") and "localhost/sluice-base:bookworm" in base
    for words in ("--build-arg BASE=localhost/sluice-base:bookworm", "--build-arg SNAPSHOT=20250101T000000Z", "--no-cache"):
        assert words in image


@pytest.mark.parametrize("builder, exported", [("docker", "docker save --output "), ("podman", "podman save --quiet --format docker-archive "),
                                               ("buildah", "buildah push --quiet sluice-worker:1.2.3 docker-archive:")])
def test_images_are_exported_and_dated(tmp_path, builder, exported):
    done = build_images("--print", "--builder", builder, "--tag", "1.2.3", "--platform", "linux/arm64", "--export", tmp_path, "worker",
                        SOURCE_DATE_EPOCH="1700000000")
    assert done.returncode == 0, done.stderr
    build, export, tidy = done.stdout.splitlines()
    assert "--build-arg SOURCE_DATE_EPOCH=1700000000 " in build and ("--timestamp 1700000000 " in build) == (builder != "docker")
    assert export.startswith(exported) and "sluice-worker:1.2.3" in export
    assert tidy.startswith("deploy/tidy-image --time 1700000000 --name sluice-worker:1.2.3 ")
    assert tidy.split()[-1] == f"{tmp_path}/sluice-worker-1.2.3-arm64.docker.tar.gz"


@pytest.mark.parametrize("arguments, words", [
    ((), "packages of 20260824T000000Z from http://snapshot.debian.org/archive (out of reach: --snapshot-url MIRROR, --snapshot none)"),
    (("--snapshot-url", "http://mirror.example", "--base", "own:1"), "the base own:1 (out of reach: --make-base, --base) and packages of "
     "20260824T000000Z from http://mirror.example ("),
    (("--snapshot", "none"), "packages of the base's own sources ("),
])
def test_a_failed_build_names_what_it_wanted_from_elsewhere(tmp_path, arguments, words):
    builder = tmp_path / "buildah"
    builder.write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
    builder.chmod(0o755)
    done = build_images("--builder", "buildah", "--tag", "1", *arguments, "worker", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 70 and done.stdout == ""
    assert "E: Unable to locate package" in done.stderr and "build-images: sluice-worker:1 was not built" in done.stderr
    assert words in done.stderr


def test_a_failed_export_leaves_nothing_behind(tmp_path):
    """Neither half an archive nor the unpacked one: what is exported here breaks off in the midst."""
    bin_, out, scratch = (tmp_path / name for name in ("bin", "out", "scratch"))
    for folder in (bin_, out, scratch):
        folder.mkdir()
    builder = bin_ / "buildah"
    builder.write_text("""#!/bin/sh
if [ "$1" = push ]; then head -c 4000 /dev/zero | tr '\\0' x >"${4#docker-archive:}"; fi
""")
    builder.chmod(0o755)
    done = build_images("--builder", "buildah", "--tag", "1", "--export", out, "worker", PATH=f"{bin_}:{os.environ['PATH']}", TMPDIR=str(scratch))
    assert done.returncode != 0 and "tarfile" in done.stderr and done.stdout == ""
    assert list(out.iterdir()) == [] and list(scratch.iterdir()) == []


def test_a_sysroot_replaces_nothing_of_somebody_elses(tmp_path):
    (tmp_path / "mine").write_text("x")
    done = subprocess.run([DEPLOY / "sysroot", tmp_path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 64 and f"{tmp_path} is there and is no sysroot" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_date_that_is_none_is_refused():
    done = build_images("--print", "--builder", "buildah", SOURCE_DATE_EPOCH="today")
    assert done.returncode == 64 and "SOURCE_DATE_EPOCH=today: want seconds since 1970" in done.stderr


@pytest.mark.parametrize("arguments, words", [
    (["--builder", "kaniko"], "want one of docker podman buildah"),
    (["supervisors"], "unknown role supervisors; there are: supervisor worker localaws"),
    (["--snapshot", "yesterday"], "--snapshot yesterday: want a time such as 20260824T000000Z, or none"),
    (["--tag", "1.0+x"], "--tag 1.0+x: want letters"),
    (["--make-base", "--base", "x"], "--make-base and --base: want one of them"),
    (["--tag"], "--tag: want a value"),
    (["--export", "/nowhere"], "--export /nowhere: no such folder"),
    (["--colour"], "unknown option --colour"),
])
def test_the_script_refuses_what_it_does_not_understand(arguments, words):
    done = build_images("--print", *(["--builder", "buildah"] if "--builder" not in arguments else []), *arguments)
    assert done.returncode == 64 and words in done.stderr and done.stdout == "", done
