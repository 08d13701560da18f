"""Builds the images with buildah, without a daemon, and runs them from their root file systems as containers are run: as their
own user, read-only, without a shell, process 1 of their own.

Root only, in a suite of its own: `tests/run images`. It says what it did.
"""
import contextlib
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import time

import pytest

import cyclonedx
import harness
from harness import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = ["supervisor", "worker", "localaws"]
TAG = "sluice-test"

# What a container runtime does before it starts process 1. The shells are hidden in the image, not in this script.
ENTER = """
root=$1; volumes=$2; user=$3; shift 3
mount --bind "$root" "$root"
for shell in bash dash; do mount --bind /dev/null "$root/usr/bin/$shell"; done
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for volume in $volumes; do
    owner=$(stat -c uid=%u,gid=%g,mode=%a "$root$volume")
    mount -t tmpfs -o "$owner" tmpfs "$root$volume"
done
exec setpriv --no-new-privs chroot --userspec="$user" "$root" "$@"
"""


def say(text):
    print(f"  images: {text}", flush=True)


def run(*argv, timeout=1800, **options):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                          check=False, **options)
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
    return done.stdout


def reachable(host, port):
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError:
        return False
    return True


def how_to_build():
    """The base that the Dockerfile names and its day's packages, as far as this machine can reach them."""
    options = []
    if not reachable("registry-1.docker.io", 443):
        options += ["--make-base"]
    if not reachable("snapshot.debian.org", 80):
        options += ["--snapshot", "none"]
    say("base: " + ("made of packages by mmdebstrap, no registry is in reach" if "--make-base" in options else "from the registry"))
    say("packages: " + ("of today, snapshot.debian.org is out of reach" if "none" in options else "of the day that is pinned"))
    return options


class Image:
    def __init__(self, name):
        self.name = name
        inspected = json.loads(run("buildah", "inspect", "--type", "image", name))
        self.config = inspected["Docker"]["config"]
        self.container = run("buildah", "from", "--pull-never", name).strip()
        self.root = pathlib.Path(run("buildah", "mount", self.container).strip())

    def remove(self):
        run("buildah", "rm", self.container)

    def argv(self, *command, volumes=()):
        paths = [*(self.config.get("Volumes") or ()), *volumes]
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", ENTER, "sh", self.root, " ".join(paths),
                self.config["User"], *command]

    def environment(self, **extra):
        own = dict(entry.split("=", 1) for entry in self.config["Env"])
        return {**own, **extra}

    def run(self, *command, env=None, volumes=(), timeout=120):
        return subprocess.run([str(a) for a in self.argv(*command, volumes=volumes)], env=self.environment(**(env or {})),
                              capture_output=True, text=True, timeout=timeout, check=False, cwd="/")


@pytest.fixture(scope="module")
def options():
    assert os.geteuid() == 0, "want root: images are built and entered as root"
    for program in ("buildah", "mmdebstrap"):
        assert shutil.which(program), f"want {program}: deploy/install-deps images"
    return how_to_build()


@pytest.fixture(scope="module")
def images(options):
    started = time.monotonic()
    names = run(ROOT / "deploy" / "build-images", "--builder", "buildah", "--tag", TAG, *options).split()
    say(f"built {', '.join(names)} in {time.monotonic() - started:.0f} s")
    built = {role: Image(f"localhost/sluice-{role}:{TAG}") for role in ROLES}
    sizes = {image["names"][0]: image["size"] for image in json.loads(run("buildah", "images", "--json")) if image.get("names")}
    say("sizes: " + ", ".join(f"{name.rpartition('/')[2]} {size}" for name, size in sorted(sizes.items())
                              if TAG in name or "sluice-base" in name))
    yield built
    for image in built.values():
        image.remove()


def test_each_image_says_how_it_is_run(images):
    version = run("cmake", "-P", "cmake/PrintVersion.cmake", cwd=ROOT).strip()
    for role, image in images.items():
        assert image.config["User"] == "10001:10001"
        assert image.config["Entrypoint"] == ["sluice" if role == "supervisor" else f"sluice-{role}"]
        assert image.config["Healthcheck"]["Test"][:3] == ["CMD", "sluice", "health"]
        assert image.config["Labels"]["org.opencontainers.image.version"] == version
        done = image.run(*image.config["Entrypoint"], "version" if role == "supervisor" else "--version")
        assert done.returncode == 0 and version in done.stdout, done
        say(f"{role}: {done.stdout.splitlines()[0]}")
    assert list(images["supervisor"].config["Volumes"]) == ["/var/lib/sluice"]


def test_nothing_in_an_image_gives_rights_or_is_left_over(images):
    for image in images.values():
        for path in image.root.rglob("*"):
            mode = path.lstat().st_mode
            assert not (stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)), path
        assert not (image.root / "src").exists() and not (image.root / "usr/bin/gcc").exists()
        assert not list((image.root / "var/lib/apt/lists").glob("*")) and not list((image.root / "var/log").glob("*"))
        # The user can change nothing but its volume.
        own = [path for path in image.root.rglob("*") if path.lstat().st_uid == 10001]
        assert own == [image.root / "var/lib/sluice"]


def test_an_image_is_read_only_and_has_no_shell_to_use(images):
    """The walls of this test itself: what the others run is in them."""
    image = images["supervisor"]
    assert image.run("touch", "/usr/local/bin/x").returncode == 1
    assert image.run("touch", "/var/lib/sluice/x").returncode == 0
    assert image.run("id", "-u").stdout == "10001\n"
    assert image.run("sh", "-c", "true").returncode == 126


CONFIG = {
    "region": "us-east-1",
    "fleets": [{
        "name": "orders", "queue": {"url": "URL", "poll": "1s"}, "capacity": {"min": 1, "max": 2},
        "fleet": {"type": "local", "command": ["sluice-worker"], "env": {"NUM_WORKERS": "8"}},
    }],
}


@contextlib.contextmanager
def started(image, tmp_path, name, *command, env=None):
    process = harness.Process(image.argv(*command), tmp_path, image.environment(**(env or {})), name=name)
    try:
        yield process
    finally:
        process.kill()


def stop(process):
    """TERM to process 1 of the container, as a runtime sends it: unshare itself takes none."""
    (child,) = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), 15)
    return process.wait()


def test_the_three_images_work_together(images, tmp_path):
    keys = {"AWS_ACCESS_KEY_ID": "trial", "AWS_SECRET_ACCESS_KEY": "trial-only", "AWS_REGION": "us-east-1", "SLUICE_LOG_FORMAT": "json"}
    entry = {role: image.config["Entrypoint"] for role, image in images.items()}
    localaws = images["localaws"]
    with started(localaws, tmp_path, "localaws", *entry["localaws"], "--listen", "127.0.0.1:0", "--create-queue", "orders",
                 "--verify-signatures", env=keys) as server:
        url = json.loads(wait_until(server.stdout, what="the address"))["url"]
        queue = f"{url}/123456789012/orders"
        done = localaws.run("sluice", "health", "--admin", url)
        assert (done.returncode, done.stdout) == (0, "ok\n"), done
        config = json.dumps(CONFIG).replace("URL", queue)
        env = {**keys, "AWS_ENDPOINT_URL": url, "SLUICE_CONFIG": config}
        done = images["supervisor"].run("sluice", "check", "--config", "env:SLUICE_CONFIG", env=env)
        assert done.returncode == 0 and "is valid: 1 fleet" in done.stdout, done
        say("sluice check: " + done.stdout.splitlines()[0])
        check_supervisor(images["supervisor"], tmp_path, env)
        check_worker(images["worker"], tmp_path, {**env, "SQS_QUEUE_URL": queue, "SLUICE_METRICS_LISTEN": "127.0.0.1:0"})
        assert stop(server) == 0


def check_supervisor(image, tmp_path, env):
    config = json.loads(env["SLUICE_CONFIG"])
    config["admin"] = {"listen": "127.0.0.1:0"}
    env = {**env, "SLUICE_CONFIG": json.dumps(config)}
    command = [*image.config["Entrypoint"], *image.config["Cmd"]]
    with started(image, tmp_path, "supervisor", *command, env=env) as supervisor:
        port = wait_until(lambda: listening(supervisor), what="admin.listen")
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: image.run("sluice", "health", "--ready", "--admin", address).returncode == 0, timeout_s=60, what="ready")
        say("supervisor: ready, with a local worker in its container")
        assert stop(supervisor) == 0


def check_worker(image, tmp_path, env):
    with started(image, tmp_path, "worker", *image.config["Entrypoint"], env=env) as worker:
        port = wait_until(lambda: listening(worker), what="the worker to listen")
        health = [word if word != "http://127.0.0.1:9464" else f"http://127.0.0.1:{port}"
                  for word in image.config["Healthcheck"]["Test"][1:]]
        done = image.run(*health)
        assert (done.returncode, done.stdout) == (0, "ok\n"), done
        say("worker: healthy")
        assert stop(worker) == 0


def listening(process):
    assert process.alive(), process.stderr()
    return next((line["port"] for line in process.logs() if "port" in line), None)


def test_a_short_sale_in_an_image(images):
    done = images["localaws"].run("sluice", "demo", "--speed", "20", "--duration", "10s", "--max", "6", "--quiet",
                                  volumes=["/tmp"], timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in done.stdout.splitlines():
        say(f"demo: {line}")


def files_of(root):
    found = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        content = os.readlink(path) if path.is_symlink() else ""
        if stat.S_ISREG(info.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(root))] = (oct(info.st_mode), info.st_uid, info.st_gid, content)
    return found


@pytest.fixture(scope="module")
def base(images, options):
    """What builds on the base that is there already; without its cache if wanted."""
    made = ["--base", "localhost/sluice-base:bookworm"] if "--make-base" in options else []
    return ["--builder", "buildah", *made, *(option for option in options if option != "--make-base")]


@pytest.fixture(scope="module")
def released(base, tmp_path_factory):
    """The folder of deploy/release, with images."""
    folder = tmp_path_factory.mktemp("release")
    started_at = time.monotonic()
    run(ROOT / "deploy" / "release", "--allow-dirty", "--build", harness.BIN.parent, folder, "--", *base, env=git_environment())
    say(f"deploy/release: {len(list(folder.iterdir()))} files in {time.monotonic() - started_at:.0f} s; " + ", ".join(
        f"{path.name} {path.stat().st_size / 1e6:.0f} MB" for path in sorted(folder.glob("*.docker.tar.gz"))))
    return folder


def git_environment():
    """Whoever owns the checkout: it is ours to read."""
    return {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


def test_a_release_has_the_images(released):
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=released)
    sums = (released / "SHA256SUMS").read_text()
    for role in ROLES:
        (archive,) = released.glob(f"sluice-{role}-*.docker.tar.gz")
        (described,) = released.glob(f"sluice-{role}-*.cdx.json")
        assert archive.name in sums and described.name in sums
        bill = json.loads(described.read_text())
        assert cyclonedx.faults(bill) == []
        assert bill["metadata"]["component"]["hashes"][0]["content"] == hashlib.sha256(archive.read_bytes()).hexdigest()
        names = {part["name"] for part in bill["components"]}
        assert {"libc6", "libcurl4", "libjansson4", "libevent-core-2.1-7", "libssl3", "ca-certificates"} <= names
        wanted = {"sluice", "sluice-worker"} | ({"sluice-localaws"} if role == "localaws" else set())
        assert {part["name"] for part in bill["metadata"]["component"]["components"]} == wanted
        say(f"bill of {role}: {len(names)} packages")


def test_an_exported_image_is_the_image(released):
    """Loaded again: the same files, health check, user."""
    (archive,) = released.glob("sluice-worker-*.docker.tar.gz")
    with gzip.open(archive) as packed, open(released.parent / "image.tar", "wb") as plain:
        shutil.copyfileobj(packed, plain)
    name = run("buildah", "pull", "--quiet", f"docker-archive:{released.parent / 'image.tar'}").strip()
    loaded = Image(name)
    try:
        assert loaded.config["Healthcheck"]["Test"][:3] == ["CMD", "sluice", "health"]
        assert loaded.config["User"] == "10001:10001" and loaded.config["Entrypoint"] == ["sluice-worker"]
        done = loaded.run(*loaded.config["Entrypoint"], "--version")
        assert done.returncode == 0 and done.stdout.startswith("sluice-worker "), done
    finally:
        loaded.remove()
        run("buildah", "rmi", "--force", name)


def test_a_second_build_makes_the_same_bytes(released, base, tmp_path):
    """From the same base: no layer of the first is used again. The source is the archive's, in another folder."""
    started_at = time.monotonic()
    (first,) = released.glob("sluice-localaws-*.docker.tar.gz")
    (source,) = [path for path in released.glob("sluice-*.tar.gz") if re.fullmatch(r"sluice-[0-9][^-]*\.tar\.gz", path.name)]
    run("tar", "-C", tmp_path, "-xzf", source)
    (tree,) = tmp_path.iterdir()
    (tmp_path / "out").mkdir()
    epoch = run("git", "-C", ROOT, "log", "-1", "--format=%ct", env=git_environment()).strip()
    (name,) = run(tree / "deploy" / "build-images", "--no-cache", "--export", tmp_path / "out", *base, "localaws",
                  env={**os.environ, "SOURCE_DATE_EPOCH": epoch}).split()
    (second,) = (tmp_path / "out").iterdir()
    assert second.name == first.name
    if second.read_bytes() == first.read_bytes():
        say(f"built again in {time.monotonic() - started_at:.0f} s: the archive is the same, byte for byte, {second.stat().st_size} bytes")
        return
    one, other = (files_of_archive(path, tmp_path / f"files{number}") for number, path in enumerate((first, second)))
    assert sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path)) == [], name
    raise AssertionError("the same files, but times or order differ")


def files_of_archive(path, folder):
    """Of all its layers, for the tale of what differs."""
    folder.mkdir()
    run("tar", "-C", folder, "-xzf", path)
    for layer in folder.glob("layer-*.tar"):
        (folder / layer.stem).mkdir()
        run("tar", "-C", folder / layer.stem, "-xf", layer)
        layer.unlink()
    return files_of(folder)
