"""What there is on this machine to check Terraform with, and how it is called: Terraform or OpenTofu with a provider that
was put into a folder beforehand, moto's server, and Node with HashiCorp's parser. Nothing is downloaded here. Run by itself,
it says which of them judge."""
import functools
import glob
import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULE = ROOT / "terraform"
HERE = pathlib.Path(__file__).resolve().parent
TOOLS = pathlib.Path(os.environ.get("SLUICE_TEST_TOOLS") or ROOT / ".cache")
QUICK, LONG = (os.environ.get("SLUICE_TEST_TIER") == tier for tier in ("quick", "long"))
MIRRORS = ("/opt/*/*/hashicorp/aws", "/usr/share/terraform/*/*/hashicorp/aws", "/usr/local/share/terraform/*/*/hashicorp/aws",
           "~/.terraform.d/plugins/*/hashicorp/aws")
PATIENCE_S = 600


def environment(**more):
    return {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "AWS_EC2_METADATA_DISABLED": "true", **more}


@functools.cache
def mirror():
    """The folder of providers, or None."""
    own = os.environ.get("SLUICE_TERRAFORM_MIRROR")
    found = [own + "/x/hashicorp/aws"] if own else [each for pattern in MIRRORS for each in sorted(glob.glob(os.path.expanduser(pattern)))]
    return str(pathlib.Path(found[0]).parents[2]) if found else None


@functools.cache
def terraform():
    """Terraform's or OpenTofu's program, or None; without a provider it is none."""
    return (shutil.which("terraform") or shutil.which("tofu")) if mirror() else None


def judges():
    if not terraform():
        return "tfcheck.js alone, HashiCorp's parser and the provider's schema: no Terraform with a provider here"
    return f"tfcheck.js, and {terraform()} with the provider in {mirror()}" + ("" if LONG else "; not applied, which --long does")


def node():
    own = TOOLS / "node/node_modules/node/bin/node"
    return str(own) if own.exists() else shutil.which("node")


def tfcheck(*arguments):
    """Lines of tests/terraform/tfcheck.js, and its exit code."""
    done = subprocess.run([node(), HERE / "tfcheck.js", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "NODE_PATH": str(TOOLS / "node/node_modules")}, timeout=PATIENCE_S, check=False)
    assert done.returncode in (0, 1) and "Error:" not in done.stderr, done.stderr
    return done.stdout.splitlines(), done.returncode


def copy_module(folder):
    """A copy of terraform/ without what somebody's own runs left in it."""
    shutil.copytree(MODULE, folder, ignore=shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*", "*.tfvars"))
    if terraform() and pathlib.Path(terraform()).name == "tofu":
        put_mocks_in(pathlib.Path(folder) / "tests")
    return pathlib.Path(folder)


def put_mocks_in(tests):
    """OpenTofu knows Terraform's mock_provider, but not yet that its blocks come from a folder."""
    mocks = "".join(path.read_text() for path in sorted((tests / "mocks").glob("*.tfmock.hcl")))
    for path in tests.glob("*.tftest.hcl"):
        path.write_text(path.read_text().replace('  source = "./tests/mocks"\n', mocks))


class Workspace:
    """A folder in which terraform runs, with its state and its lock file."""

    def __init__(self, folder, temporary):
        self.folder = pathlib.Path(folder)
        settings = pathlib.Path(temporary) / "terraformrc"
        settings.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror()}"\n  }}\n}}\ndisable_checkpoint = true\n')
        self.env = environment(TF_CLI_CONFIG_FILE=str(settings))

    def start(self, *arguments):
        return subprocess.Popen([terraform(), *arguments], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments, timeout_s=PATIENCE_S):
        return subprocess.run([terraform(), *arguments], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, timeout=timeout_s,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def good(self, *arguments, **more):
        done = self.run(*arguments, **more)
        assert done.returncode == 0, f"terraform {' '.join(arguments)}:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def init(self):
        return self.good("init", "-backend=false", "-input=false", "-no-color")

    def validate(self):
        """Its diagnostics."""
        return json.loads(self.run("validate", "-json").stdout)["diagnostics"]


if __name__ == "__main__":
    print(f"judges of terraform/: {judges()}")
