"""Who is measured: sluice-worker and its rivals, how each is installed (pinned, below .cache) and started."""
import os
import pathlib
import shutil
import subprocess

from common import celery_body, plain_body
import harness

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".cache" / "bench"
RIVALS = pathlib.Path(__file__).resolve().parent / "rivals"

PYPI = ["boto3==1.43.11", "botocore==1.43.11", "celery[sqs]==5.7.0", "kombu==5.7.0", "pycurl==7.49.0"]
NPM = {"node20": ["sqs-consumer@14.2.8", "@aws-sdk/client-sqs@3.1169.0"],
       "node24": ["node@24.21.0", "sqs-consumer@15.0.3", "@aws-sdk/client-sqs@3.1169.0"]}
NODE_MAJOR = {"node20": 20, "node24": 22}
APT_GO_SDK = pathlib.Path("/usr/share/gocode/src/github.com/aws/aws-sdk-go")
INSTALL_TIMEOUT_S = 900


class Missing(Exception):
    """A client cannot be installed here; the text says why."""


def run(argv, **options):
    """Output is shown only when it fails."""
    try:
        done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=INSTALL_TIMEOUT_S, **options)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Missing(f"{' '.join(map(str, argv[:4]))}: {problem}") from None
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise Missing(f"{' '.join(map(str, argv[:4]))} exited {done.returncode}: {last[:300]}")
    return done.stdout


def apt_install(*packages):
    root = [] if os.getuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") is None:
        raise Missing(f"no apt-get to install {' '.join(packages)} with")
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    try:
        run([*apt, "install", "--no-install-recommends", *packages])
    except Missing:  # the lists may be old, or not there yet
        run([*apt, "update"])
        run([*apt, "install", "--no-install-recommends", *packages])


def installed_once(folder, wanted, install):
    """Calls install() unless `folder` was filled with just that before; it then starts from nothing."""
    stamp = folder / ".installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    if not Client.may_install:
        raise Missing(f"{folder} is not there, and --no-install was given")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install()
    stamp.write_text(wanted)


class Client:
    """One row of the report. prepare() installs it and raises Missing; start() gives argv and environment."""

    may_install = True
    kind = ""  # clients of one kind are one rival in different shapes
    has_telemetry = False
    body = staticmethod(plain_body)

    def __init__(self, name, **fields):
        self.name = name
        self.version = ""
        self.__dict__.update(fields)

    def prepare(self):
        raise NotImplementedError

    def argv(self, scenario):
        raise NotImplementedError

    def environment(self, server_url, queue_url, scenario):
        return harness.environment(
            server_url, BENCH_QUEUE_URL=queue_url, BENCH_THREADS=scenario.threads, BENCH_TIME_MS=scenario.time_ms,
            BENCH_SLOW_SHARE=scenario.slow_share, BENCH_SLOW_TIME_MS=scenario.slow_time_ms, BENCH_SEED=scenario.seed)


class Sluice(Client):
    kind = "sluice"
    has_telemetry = True

    def prepare(self):
        if "SLUICE_BIN_DIR" not in os.environ:
            build = CACHE / "build"
            if self.may_install:
                run([ROOT / "deploy" / "install-deps", "build"])
            run(["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DSLUICE_TESTS=OFF"])
            run(["cmake", "--build", build])
            harness.BIN = build / "bin"
        self.version = run([harness.BIN / "sluice-worker", "--version"]).strip()

    def argv(self, scenario):
        return [harness.BIN / "sluice-worker", "--handler", "noop", "--noop-time", f"{scenario.time_ms}ms",
                "--noop-slow-share", scenario.slow_share, "--noop-slow-time", f"{scenario.slow_time_ms}ms",
                "--noop-seed", scenario.seed]

    def environment(self, server_url, queue_url, scenario):
        return harness.environment(server_url, SQS_QUEUE_URL=queue_url, NUM_WORKERS=scenario.threads)


class GoLoop(Client):
    """The loop of rivals/go on one SDK: `packaged` takes the one of apt, else go.mod pins it."""

    kind = "go"
    packaged = False
    sdk = ""

    def prepare(self):
        if shutil.which("go") is None:
            if not self.may_install:
                raise Missing("no go in PATH, and --no-install was given")
            apt_install("golang-go")
        if self.packaged and not APT_GO_SDK.is_dir():
            if not self.may_install:
                raise Missing(f"{APT_GO_SDK} is not there, and --no-install was given")
            apt_install("golang-github-aws-aws-sdk-go-dev")
        folder = CACHE / self.name
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("loop.go", f"sdk_{self.sdk}.go"):
            shutil.copy(RIVALS / "go" / name, folder / name)
        if self.packaged:
            env = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOFLAGS="")
            source = (APT_GO_SDK / "aws" / "version.go").read_text()
            self.version = "aws-sdk-go v" + source.partition("SDKVersion = ")[2].split('"')[1] + " of apt"
        else:
            shutil.copy(RIVALS / "go" / f"{self.sdk}.mod", folder / "go.mod")
            shutil.copy(RIVALS / "go" / f"{self.sdk}.sum", folder / "go.sum")
            env = dict(os.environ, GO111MODULE="on", GOFLAGS="-mod=readonly", GOTOOLCHAIN="local")
            required = [line.split() for line in (folder / "go.mod").read_text().splitlines() if "aws-sdk-go" in line]
            self.version = ", ".join(" ".join(words[-2:]).replace("github.com/aws/", "") for words in required
                                     if "indirect" not in words)
        run(["go", "build", "-buildvcs=false", "-tags", self.sdk, "-o", folder / "loop", "."], cwd=folder, env=env)
        self.version += ", " + run(["go", "version"]).split()[2]

    def argv(self, scenario):
        return [CACHE / self.name / "loop"]


class SqsConsumer(Client):
    """bbc/sqs-consumer of one major version and one shape, see rivals/sqs_consumer.mjs."""

    kind = "sqs-consumer"
    folder = ""
    shape = "batch"
    node = "node"

    def prepare(self):
        folder = CACHE / self.folder
        if shutil.which("npm") is None:
            if not self.may_install:
                raise Missing("no npm in PATH, and --no-install was given")
            apt_install("npm")
        installed_once(folder, " ".join(NPM[self.folder]), lambda: run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *NPM[self.folder]]))
        own = folder / "node_modules" / "node" / "bin" / "node"
        self.node = own if own.exists() else "node"
        version = run([self.node, "--version"]).strip()
        if int(version.lstrip("v").split(".")[0]) < NODE_MAJOR[self.folder]:
            raise Missing(f"{' '.join(NPM[self.folder])} want Node {NODE_MAJOR[self.folder]}, found {version}")
        shutil.copy(RIVALS / "sqs_consumer.mjs", folder / "sqs_consumer.mjs")
        packages = [p.replace("@aws-sdk/", "") for p in NPM[self.folder] if not p.startswith("node@")]
        self.version = ", ".join(packages) + f", Node {version}"

    def argv(self, scenario):
        return [self.node, CACHE / self.folder / "sqs_consumer.mjs"]

    def environment(self, server_url, queue_url, scenario):
        return dict(super().environment(server_url, queue_url, scenario), BENCH_SHAPE=self.shape)


class FromPyPI(Client):
    def prepare(self):
        venv = CACHE / "venv"

        def install():
            try:
                run(["/usr/bin/python3", "-m", "venv", venv])
            except Missing:
                apt_install("python3-venv")
                run(["/usr/bin/python3", "-m", "venv", venv])
            run([venv / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *PYPI])

        installed_once(venv, " ".join(PYPI), install)
        self.python = venv / "bin" / "python"


class Boto3(FromPyPI):
    kind = "boto3"
    shape = "loop"

    def prepare(self):
        super().prepare()
        self.version = "boto3 " + run([self.python, "-c", "import boto3, platform; print(boto3.__version__ + ', Python '"
                                                          " + platform.python_version())"]).strip()

    def argv(self, scenario):
        return [self.python, RIVALS / "boto3_consumer.py"]

    def environment(self, server_url, queue_url, scenario):
        return dict(super().environment(server_url, queue_url, scenario), BENCH_SHAPE=self.shape)


class Celery(FromPyPI):
    kind = "celery"
    body = staticmethod(celery_body)

    def prepare(self):
        super().prepare()
        self.version = run([self.python, "-c", "import celery, kombu; print('celery', celery.__version__ + ', kombu',"
                                               " kombu.__version__)"]).strip()

    def argv(self, scenario):
        return [self.python, "-m", "celery", "-A", "celery_app", "worker", "--pool", "threads", "--concurrency",
                scenario.threads, "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING"]

    def environment(self, server_url, queue_url, scenario):
        env = dict(super().environment(server_url, queue_url, scenario), PYTHONPATH=str(RIVALS))
        return dict(env, PYTHONDONTWRITEBYTECODE="1")


def all_clients():
    """Ours first."""
    return [
        Sluice("sluice-worker"),
        GoLoop("go-sdk-v1-apt", sdk="v1", packaged=True),
        GoLoop("go-sdk-v1", sdk="v1"),
        GoLoop("go-sdk-v2", sdk="v2"),
        SqsConsumer("sqs-consumer-15", folder="node24"),
        SqsConsumer("sqs-consumer-14", folder="node20"),
        SqsConsumer("sqs-consumer-14-default", folder="node20", shape="default"),
        Boto3("boto3-loop", shape="loop"),
        Boto3("boto3-pool", shape="pool"),
        Celery("celery-threads"),
    ]
