"""What deploy/release makes of this build: the Debian package, installed and removed again, archives, checksums, bill of
materials; and where the version comes from. A sanitizer's build is not packed, and tests/run leaves this file out there.
"""
import copy
import datetime
import fcntl
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile

import pytest

import cyclonedx
import harness
from harness import BIN

pytestmark = [pytest.mark.slow, pytest.mark.full_speed]

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ["sluice", "sluice-worker", "sluice-localaws"]
ROLES = ["supervisor", "worker", "localaws"]


def run(*command, check=True, **more):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=600, check=False, **more)
    assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


def git_environment():
    """Whoever owns the checkout: it is ours to read."""
    return {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


def tar_of(files):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return made.getvalue()


STATUS = """Package: zlib1g
Status: install ok installed
Maintainer: M <m@example.org>
Architecture: amd64
Source: zlib
Version: 1:1.2.13.dfsg-1
Homepage: http://zlib.net/

Package: base-files
Status: install ok installed
Maintainer: M <m@example.org>
Architecture: amd64
Version: 12.4+deb12u5

"""


def image_archive():
    """As `docker save` makes them, with two layers."""
    gone = STATUS + "Package: gone\nStatus: deinstall ok config-files\nMaintainer: M\nArchitecture: all\nVersion: 1\n"
    os_release = b'NAME="Debian"\nID=debian\nVERSION_ID="12"\n'
    below = tar_of({"usr/lib/os-release": os_release, "var/lib/dpkg/status": STATUS.split("\n\n")[1].encode(), "etc/passwd": b"x"})
    above = tar_of({"./var/lib/dpkg/status": gone.encode(), "usr/local/bin/sluice": b"program", "usr/local/bin/other": b"x"})
    config = {"config": {"User": "10001", "Healthcheck": {"Test": ["CMD", "sluice", "health"]}}, "container": "of this build", "parent": "too",
              "created": "2999-01-01T00:00:00Z", "history": [
                  {"created_by": "x", "comment": "FROM 0123", "created": "2001-01-01T00:00:00Z"},
                  {"created_by": "y", "comment": "kept", "created": "2999-01-01T00:00:00.123456789Z"}]}
    manifest = [{"Config": "c.json", "RepoTags": ["docker.io/library/x:1", "localhost/x:1"], "Layers": ["1.tar", "2.tar"]}]
    return tar_of({"1.tar": below, "2.tar": above, "c.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode(),
                   "repositories": b"{}"})


def pretended_buildah(folder):
    """One that takes the words of a build and exports what image_archive() makes."""
    folder.mkdir()
    (folder / "image.tar").write_bytes(image_archive())
    program = folder / "buildah"
    program.write_text(f"""#!/bin/sh
case "$1" in
bud) echo "$SOURCE_DATE_EPOCH $*" >>{folder}/builds ;;
push) cp "{folder}/image.tar" "${{4#docker-archive:}}" ;;
*) exit 64 ;;
esac
""")
    program.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def release(tmp_path_factory, worker_id):
    """The folder that deploy/release fills, made once for all of pytest's processes. Nobody builds an image: tests/images does."""
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent
    folder = base / "release"
    with open(base / "release.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "SHA256SUMS").exists():
            env = git_environment()
            env["PATH"] = f"{pretended_buildah(base / 'pretended')}:{env['PATH']}"
            run(ROOT / "deploy" / "release", "--allow-dirty", "--build", BIN.parent, folder, "--", "--builder", "buildah", env=env)
    return folder


@pytest.fixture(scope="module")
def worker_id(request):
    """As pytest-xdist has it, also without it."""
    return getattr(request.config, "workerinput", {}).get("workerid", "master")


@pytest.fixture(scope="module")
def package(release):
    found = list(release.glob("*.deb"))
    assert len(found) == 1
    return found[0]


@pytest.fixture
def tree(package, tmp_path):
    run("dpkg-deb", "-x", package, tmp_path / "tree")
    return tmp_path / "tree"


def version():
    return run(BIN / "sluice", "version", "--json").stdout.split('"version":"')[1].split('"')[0]


def field(package, name):
    return run("dpkg-deb", "-f", package, name).stdout.strip()


def files_below(folder):
    return {str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*") if not path.is_dir()}


# ---- the package ----

def test_package_says_what_it_is_and_needs(package):
    assert field(package, "Package") == "sluice"
    assert field(package, "Version") == version().replace("-", "~") + "-1"
    assert field(package, "Architecture") == run("dpkg", "--print-architecture").stdout.strip()
    depends = field(package, "Depends")
    for library in ("libc6", "libcurl4", "libevent-core", "libevent-extra", "libjansson4", "libssl3"):
        assert re.search(rf"(^|, ){library}\S* \(>= ", depends), depends
    assert "systemd-sysusers" in depends and "ca-certificates" in depends
    assert run("dpkg-deb", "-I", package, "conffiles").stdout.split() == ["/etc/default/sluice"]


def test_maintainer_is_whom_the_build_names(package, tmp_path):
    cache = (BIN.parent / "CMakeCache.txt").read_text()
    assert field(package, "Maintainer") == re.search(r"^SLUICE_MAINTAINER:STRING=(.*)$", cache, re.MULTILINE).group(1)
    assert "sluice.invalid" in (ROOT / "cmake" / "Package.cmake").read_text()
    for source in (*(ROOT / "deploy").rglob("*"), *(ROOT / "docs").glob("*.md")):  # one place
        assert not source.is_file() or b"sluice.invalid" not in source.read_bytes(), source
    done = run("cmake", "-S", ROOT, "-B", tmp_path, "-DSLUICE_TESTS=OFF", "-DSLUICE_MAINTAINER=nobody", check=False, env=git_environment())
    assert done.returncode != 0 and 'SLUICE_MAINTAINER is "nobody": want NAME' in done.stderr


def test_everything_is_in_its_place(tree):
    files = files_below(tree)
    for name in PROGRAMS:
        assert os.access(tree / "usr/bin" / name, os.X_OK)
        assert f"usr/share/man/man1/{name}.1.gz" in files
        assert f"usr/share/bash-completion/completions/{name}" in files
        assert f"usr/share/zsh/vendor-completions/_{name}" in files
        assert f"usr/share/fish/vendor_completions.d/{name}.fish" in files
    for name in ("usr/share/man/man5/sluice.json.5.gz", "usr/share/man/man1/sluice-run.1.gz", "usr/include/sluice/handler.h",
                 "usr/lib/systemd/system/sluice.socket", "usr/lib/systemd/system/sluice-local.socket", "usr/lib/sysusers.d/sluice.conf", "usr/lib/tmpfiles.d/sluice.conf", "etc/default/sluice",
                 "usr/share/doc/sluice/examples/ecs.json", "usr/share/doc/sluice/docs/configuration.md"):
        assert name in files, name
    assert (tree / "etc/sluice").is_dir()
    page = gzip.decompress((tree / "usr/share/man/man1/sluice.1.gz").read_bytes()).decode()
    assert f'"Sluice {version()}"' in page
    assert run(tree / "usr/bin/sluice", "version").stdout == run(BIN / "sluice", "version").stdout


@pytest.mark.parametrize("unit", ["sluice.service", "sluice-local.service"])
def test_units_name_what_the_package_has(tree, tmp_path, unit):
    text = (tree / "usr/lib/systemd/system" / unit).read_text()
    assert not re.search(r"@[A-Z]+@", text)
    assert re.findall(r"^ExecStart=(\S+) run --config (\S+)$", text, re.MULTILINE) == [("/usr/bin/sluice", "/etc/sluice/fleet.json")]
    assert "EnvironmentFile=-/etc/default/sluice\n" in text
    socket = unit.replace(".service", ".socket")
    shutil.copy(tree / "usr/lib/systemd/system" / socket, tmp_path / socket)
    copy = tmp_path / unit
    copy.write_text(text.replace("/usr/bin/", f"{tree}/usr/bin/"))
    done = run("systemd-analyze", "verify", "--man=no", copy)
    assert done.stderr == ""


def test_prefix_of_an_installation_is_that_of_its_units(tmp_path):
    run("cmake", "--install", BIN.parent, "--prefix", "/opt/sluice", env={**os.environ, "DESTDIR": str(tmp_path)})
    text = (tmp_path / "opt/sluice/lib/systemd/system/sluice.service").read_text()
    assert "ExecStart=/opt/sluice/bin/sluice run --config /opt/sluice/etc/sluice/fleet.json\n" in text
    assert "LoadCredential=aws-credentials:/opt/sluice/etc/sluice/aws-credentials\n" in text
    assert (tmp_path / "opt/sluice/etc/default/sluice").exists() and (tmp_path / "opt/sluice/etc/sluice").is_dir()
    assert {name.split("/")[0] for name in files_below(tmp_path)} == {"opt"}


def test_lintian_has_nothing_to_say(package):
    lintian = shutil.which("lintian")
    if lintian is None:  # then at least what it would look at first
        assert run("dpkg-deb", "--info", package).returncode == 0
        return
    done = run(lintian, "--fail-on", "error,warning", package, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def dpkg(root, *arguments):
    """A dpkg of its own: nothing of this host is touched, and scripts see DPKG_ROOT. Needs no root."""
    return run("fakeroot", "dpkg", f"--root={root}", f"--log={root}/dpkg.log", "--force-script-chrootless", "--force-depends", *arguments)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    for name in ("updates", "info", "triggers"):
        (root / "var/lib/dpkg" / name).mkdir(parents=True)
    for name in ("status", "available"):
        (root / "var/lib/dpkg" / name).touch()
    (root / "etc").mkdir()
    return root


def test_package_is_installed_and_leaves_nothing_behind(package, root):
    before = files_below(root)
    dpkg(root, "--install", package)
    assert run("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${db:Status-Status}", "sluice").stdout == "installed"
    assert re.search(r"^sluice:[^:]*:\d+:\d+:Sluice supervisor:/var/lib/sluice:.*nologin$", (root / "etc/passwd").read_text(), re.MULTILINE)
    # Nothing is enabled.
    assert not (root / "etc/systemd/system").exists()
    assert "ExecStart=/usr/bin/sluice" in (root / "usr/lib/systemd/system/sluice.service").read_text()
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "sluice.service").symlink_to("/usr/lib/systemd/system/sluice.service")
    (root / "var/lib/sluice").mkdir(exist_ok=True)
    (root / "var/lib/sluice/orders.state.json").write_text("{}")
    (root / "etc/default/sluice").write_text("AWS_REGION=eu-west-1\n")

    dpkg(root, "--remove", "sluice")
    left = files_below(root) - before
    assert "etc/default/sluice" in left and "var/lib/sluice/orders.state.json" in left
    assert not [name for name in left if name.startswith("usr/")]

    dpkg(root, "--purge", "sluice")
    left = {name for name in files_below(root) - before if not name.startswith(("var/lib/dpkg/", "dpkg.log"))}
    # The user stays, as Debian has it.
    assert left <= {"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/.pwd.lock", "etc/passwd-", "etc/group-", "etc/shadow-",
                    "etc/gshadow-"}, left


# ---- what is beside it ----

def test_checksums_are_of_all_files(release):
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=release)
    listed = {line.split()[1] for line in (release / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in release.iterdir()} - {"SHA256SUMS"} and len(listed) == 4 + 2 * len(ROLES)


def test_source_archive_knows_its_version_without_git(release, tmp_path):
    name = f"sluice-{version()}"
    with tarfile.open(release / f"{name}.tar.gz") as archive:
        members = archive.getnames()
        assert {member.split("/")[0] for member in members} == {name}
        archive.extractall(tmp_path)
    assert (tmp_path / name / ".tarball-version").read_text().strip() == version()
    assert (tmp_path / name / "CMakeLists.txt").exists() and not (tmp_path / name / ".git").exists()
    assert print_version(tmp_path / name) == version()


def test_installed_archive_has_what_the_package_has(release, tree):
    with tarfile.open(release / f"sluice-{version()}-{os.uname().machine}.tar.gz") as archive:
        members = archive.getmembers()
    # To be unpacked in /, by root.
    assert {member.name.split("/")[0] for member in members} == {"etc", "usr"}
    assert {(member.uid, member.gid, member.uname, member.gname, member.mtime) for member in members} == {(0, 0, "root", "root", commit_time())}
    assert {member.mode for member in members if not member.issym()} == {0o644, 0o755}
    files = {member.name for member in members if member.isfile()}
    assert {f"usr/bin/{name}" for name in PROGRAMS} <= files and "usr/lib/systemd/system/sluice.service" in files
    debian = {name.removesuffix(".gz") for name in files_below(tree) if "/man/" in name or "/bin/" in name}
    assert debian <= files


def sums(folder):
    return (folder / "SHA256SUMS").read_text().splitlines()


def test_a_second_release_is_the_same_bytes(release, tmp_path):
    """Of the same build, by somebody with other habits."""
    env = {**git_environment(), "TZ": "Asia/Tokyo", "LC_ALL": "C", "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    env["PATH"] = f"{pretended_buildah(tmp_path / 'pretended')}:{env['PATH']}"
    run("sh", "-c", 'umask 077; exec "$@"', "sh", ROOT / "deploy" / "release", "--allow-dirty", "--build", BIN.parent,
        tmp_path / "again", "--", "--builder", "buildah", env=env)
    assert sums(tmp_path / "again") == sums(release) and len(sums(release)) == 4 + 2 * len(ROLES)


def test_bill_of_materials_has_every_library(release, tree):
    bill = json.loads((release / f"sluice-{version()}.cdx.json").read_text())
    assert cyclonedx.faults(bill) == []
    assert bill["metadata"]["component"]["version"] == version()
    hashes = {part["name"]: part["hashes"][0]["content"] for part in bill["metadata"]["component"]["components"]}
    assert hashes == {name: hashlib.sha256((tree / "usr/bin" / name).read_bytes()).hexdigest() for name in PROGRAMS}
    packages = {part["name"]: part for part in bill["components"]}
    for name, part in packages.items():
        assert run("dpkg-query", "-W", "-f", "${Version} ", name).stdout.split()[0] == part["version"]
        assert part["purl"].startswith("pkg:deb/") and part["properties"][0]["value"]
    # Every file that the loader maps belongs to one of them.
    mapped = set()
    for name in PROGRAMS:
        mapped |= set(re.findall(r"(/\S+) \(0x", run("ldd", tree / "usr/bin" / name).stdout))
    owned = {os.path.realpath(path) for name in packages for path in run("dpkg-query", "-L", name).stdout.splitlines()}
    assert len(mapped) > 6 and {os.path.realpath(path) for path in mapped} <= owned
    # The graph is closed, and begins at us.
    known = {part["bom-ref"] for part in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    graph = {node["ref"]: node["dependsOn"] for node in bill["dependencies"]}
    assert set(graph) == known and all(ref in known for refs in graph.values() for ref in refs)
    direct = {ref.split("/")[2].split("@")[0] for ref in graph[bill["metadata"]["component"]["bom-ref"]]}
    assert {"libcurl4", "libjansson4", "libc6"} <= {re.sub(r"t64$", "", name) for name in direct}


# What a bill of materials may not be, and words of the fault.
BILL_BREAKS = {
    "unknown licence": (lambda b: b["components"][0].update(licenses=[{"license": {"id": "Expat"}}]), "licence 'Expat'"),
    "no licence": (lambda b: b["components"][0].pop("licenses"), "no licences"),
    "same part twice": (lambda b: b["components"].append(b["components"][0]), "is not unique"),
    "plus in a version": (lambda b: b["components"][0].update(purl="pkg:deb/debian/x@1+b1"), "purl 'pkg:deb/debian/x@1+b1'"),
    "lost part": (lambda b: b["components"].pop(), "nobody is 'pkg:deb/"),
    "no product": (lambda b: b["dependencies"].clear(), "nothing of the product"),
    "short hash": (lambda b: b["metadata"]["component"]["components"][0]["hashes"][0].update(content="abc"), "hash {"),
    "no serial number": (lambda b: b.pop("serialNumber"), "no serialNumber"),
    "local time": (lambda b: b["metadata"].update(timestamp="2026-01-01 10:00"), "metadata.timestamp"),
}


@pytest.mark.parametrize("name", BILL_BREAKS)
def test_a_broken_bill_of_materials_is_noticed(release, name):
    bill = json.loads((release / f"sluice-{version()}.cdx.json").read_text())
    assert cyclonedx.faults(bill) == []
    broken = copy.deepcopy(bill)
    BILL_BREAKS[name][0](broken)
    assert any(BILL_BREAKS[name][1] in fault for fault in cyclonedx.faults(broken)), cyclonedx.faults(broken)


def test_libraries_that_we_link_have_their_licences(release):
    bill = json.loads((release / f"sluice-{version()}.cdx.json").read_text())
    product = bill["metadata"]["component"]["bom-ref"]
    (direct,) = [set(node["dependsOn"]) for node in bill["dependencies"] if node["ref"] == product]
    found = {part["properties"][0]["value"].split()[0]: part["licenses"] for part in bill["components"] if part["bom-ref"] in direct}
    openssl = next(part["version"] for part in bill["components"] if part["name"].startswith("libssl"))
    wanted = {"curl": "curl", "openssl": "Apache-2.0" if int(openssl.split(".")[0]) >= 3 else "OpenSSL", "jansson": "MIT",
              "libevent": "BSD-3-Clause", "glibc": "LGPL-2.1-or-later"}
    assert found == {source: [{"license": {"id": name}}] for source, name in wanted.items()}
    # And those that these bring: none of a licence that nobody looked up.
    assert not [part["name"] for part in bill["components"] if "name" in part["licenses"][0].get("license", {})]


def check_archive(path, name):
    """It has what the builder's had, and nothing that is of one build alone."""
    with tarfile.open(path) as archive, tarfile.open(fileobj=io.BytesIO(image_archive())) as built:
        content = {member.name: archive.extractfile(member).read() for member in archive}
        assert {member.mtime for member in archive} == {commit_time()}
        layers = [built.extractfile(layer).read() for layer in ("1.tar", "2.tar")]
    (manifest,) = json.loads(content.pop("manifest.json"))
    assert manifest["RepoTags"] == [name] and [content.pop(layer) for layer in manifest["Layers"]] == layers
    config = content.pop(manifest["Config"])
    when = datetime.datetime.fromtimestamp(commit_time(), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert manifest["Config"] == hashlib.sha256(config).hexdigest() + ".json" and content == {}
    assert json.loads(config) == {"config": {"User": "10001", "Healthcheck": {"Test": ["CMD", "sluice", "health"]}},
                                  "created": when, "history": [{"created_by": "x", "created": when},
                                                               {"created_by": "y", "comment": "kept", "created": when}]}


def commit_time():
    return int(run("git", "-C", ROOT, "log", "-1", "--format=%ct", env=git_environment()).stdout)


def test_release_has_images_with_bills_of_their_own(release):
    architecture = run("dpkg", "--print-architecture").stdout.strip()
    tag = version().replace("+", "-")
    for role in ROLES:
        archive = release / f"sluice-{role}-{tag}-{architecture}.docker.tar.gz"
        check_archive(archive, f"sluice-{role}:{tag}")
        bill = json.loads((release / f"sluice-{role}-{tag}-{architecture}.cdx.json").read_text())
        assert cyclonedx.faults(bill) == []
        product = bill["metadata"]["component"]
        assert (product["type"], product["name"], product["version"]) == ("container", f"sluice-{role}", version())
        assert product["hashes"][0]["content"] == hashlib.sha256(archive.read_bytes()).hexdigest()
        assert [part["name"] for part in product["components"]] == ["sluice"]
        assert product["components"][0]["hashes"][0]["content"] == hashlib.sha256(b"program").hexdigest()
        # Of the upper layer, and only what is installed.
        assert [(part["name"], part["licenses"]) for part in bill["components"]] == [
            ("base-files", [{"license": {"name": "see /usr/share/doc/base-files/copyright"}}]),
            ("zlib1g", [{"license": {"id": "Zlib"}}])]
        assert bill["components"][0]["purl"] == "pkg:deb/debian/base-files@12.4%2Bdeb12u5?arch=amd64&distro=debian-12"
        assert bill["components"][1]["purl"] == "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12"
    epoch = commit_time()
    builds = (release.parent / "pretended" / "builds").read_text().splitlines()
    assert len(builds) == len(ROLES)
    for role, words in zip(ROLES, builds):
        assert f" --timestamp {epoch} " in words and f"--build-arg SOURCE_DATE_EPOCH={epoch} " in words and f"--target {role} " in words


def test_release_says_that_there_is_no_builder(tmp_path):
    """By name, and before it does anything."""
    (tmp_path / "bin").mkdir()
    for folder in ("/usr/bin", "/bin"):
        for program in pathlib.Path(folder).iterdir():
            if program.name not in ("docker", "podman", "buildah") and not (tmp_path / "bin" / program.name).exists():
                (tmp_path / "bin" / program.name).symlink_to(program)
    done = run(ROOT / "deploy" / "release", "--allow-dirty", "--build", BIN.parent, tmp_path, check=False,
               env={**git_environment(), "PATH": str(tmp_path / "bin")})
    assert done.returncode == 1 and "NO IMAGES: none of docker podman buildah works here" in done.stderr
    assert f"{tmp_path} is not empty" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments, words", [
    (["--no-images", "x", "--", "--make-base"], "--no-images, and yet options for them: --make-base"),
    (["x", "--", "--builder", "kaniko"], "images: --builder kaniko: want one of docker podman buildah"),
    (["x", "y"], "one FOLDER only: y"),
    (["x", "--maintainer"], "--maintainer wants NAME <ADDRESS>"),
    (["x", "--build", "y", "--maintainer", "A <a@b.example>"], "--maintainer: a build folder has its own"),
    (["--colour"], "unknown option --colour"),
])
def test_release_refuses_what_it_does_not_understand(arguments, words):
    done = run(ROOT / "deploy" / "release", "--allow-dirty", *arguments, check=False, env=git_environment())
    assert done.returncode == 64 and words in done.stderr, done


def test_release_refuses_what_it_must_not_do(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    done = run(ROOT / "deploy" / "release", "--allow-dirty", "--no-images", "--build", BIN.parent, tmp_path / "full", check=False, env=git_environment())
    assert done.returncode == 1 and "is not empty" in done.stderr
    done = run(ROOT / "deploy" / "release", "--allow-dirty", "--build", tmp_path, tmp_path / "new", check=False, env=git_environment())
    assert done.returncode == 64 and "no build folder" in done.stderr


# ---- the version ----

def print_version(folder):
    return run("cmake", "-P", "cmake/PrintVersion.cmake", cwd=folder, env=git_environment()).stdout.strip()


def test_version_is_that_of_the_nearest_tag(tmp_path):
    def git(*arguments):
        run("git", "-c", "user.name=t", "-c", "user.email=t@localhost", *arguments, cwd=tmp_path)

    shutil.copytree(ROOT / "cmake", tmp_path / "cmake")
    (tmp_path / "VERSION").write_text("3.4.5\n")
    assert print_version(tmp_path) == "3.4.5"
    git("init", "-q", ".")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    assert print_version(tmp_path) == "3.4.5"  # no tag
    git("tag", "nightly")
    assert print_version(tmp_path) == "3.4.5"  # none of a version
    git("tag", "v4.0.0-rc1")
    assert print_version(tmp_path) == "4.0.0-rc1"
    git("commit", "-q", "--allow-empty", "-m", "two")
    assert re.fullmatch(r"4\.0\.0-rc1\+1\.g[0-9a-f]{7,}", print_version(tmp_path))
    git("tag", "v4.0.0")
    assert print_version(tmp_path) == "4.0.0"
    (tmp_path / ".tarball-version").write_text("4.0.1\n")
    assert print_version(tmp_path) == "4.0.1"
    (tmp_path / ".tarball-version").write_text("four\n")
    done = run("cmake", "-P", "cmake/PrintVersion.cmake", cwd=tmp_path, check=False)
    assert done.returncode != 0 and '.tarball-version says version "four"' in done.stderr


# ---- built anew: two minutes ----

if harness.TIER == "long":

    def test_two_builds_in_two_folders_are_the_same_bytes(tmp_path):
        """From two clones; the second, where root runs this, as another user."""
        env = git_environment()
        run("git", "clone", "-q", ROOT, tmp_path / "one", env=env)
        run(tmp_path / "one" / "deploy" / "release", "--no-images", tmp_path / "first", env=env)
        # pytest's folders are its user's alone.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
            other = pathlib.Path(work) / "other"
            run("git", "clone", "-q", tmp_path / "one", other / "a-clone-of-another-name", env=env)
            (other / "tmp").mkdir()
            nobody = []
            if os.geteuid() == 0:
                run("chown", "-R", "65534:65534", work)
                nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            env |= {"TZ": "Asia/Tokyo", "LC_ALL": "C", "TMPDIR": str(other / "tmp"), "HOME": str(other)}
            run(*nobody, "sh", "-c", 'umask 027; exec "$@"', "sh", other / "a-clone-of-another-name/deploy/release", "--no-images", other / "out",
                env=env)
            assert sums(other / "out") == sums(tmp_path / "first") and len(sums(tmp_path / "first")) == 4


# ---- a clean system: half a minute and packages from the network ----

if harness.TIER == "long" and os.geteuid() == 0 and shutil.which("mmdebstrap"):

    def test_package_on_a_clean_debian(package, tmp_path):
        root = tmp_path / "debian"
        release_name = re.search(r"^VERSION_CODENAME=(\w+)$", pathlib.Path("/etc/os-release").read_text(), re.MULTILINE).group(1)
        run("mmdebstrap", "--quiet", "--variant=minbase", release_name, root)
        try:
            shutil.copy(package, root / "sluice.deb")
            inside = ["chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "--no-install-recommends"]
            run(*inside, "update")
            run(*inside, "install", "/sluice.deb")
            assert run("chroot", root, "sluice", "version").stdout == run(BIN / "sluice", "version").stdout
            assert "sluice" in run("chroot", root, "getent", "passwd", "sluice").stdout
            assert not list((root / "etc/systemd/system").rglob("sluice*"))
            run("chroot", root, "setpriv", "--reuid=sluice", "--regid=sluice", "--clear-groups", "env", "HOME=/", "sluice", "check", "--offline", "--config",
                "/usr/share/doc/sluice/examples/minimal.json")
            run(*inside, "purge", "sluice")
            left = [path for path in (root / "usr", root / "etc", root / "var/lib") for path in path.rglob("*sluice*")]
            assert left == []
        finally:
            shutil.rmtree(root, ignore_errors=True)
