"""The Terraform module: checked by HashiCorp's parser and a schema extract everywhere, and by Terraform itself, with a provider
that only pretends, where that is present. Prints which of the two it was."""
import json
import os
import re
import subprocess

import pytest

from faults import FAULTS, SYNTAX, WRONG
from harness import BIN
from means import HERE, LONG, MODULE, PATIENCE_S, QUICK, ROOT, Workspace, copy_module, judges, put_mocks_in, terraform, tfcheck

EXAMPLES = sorted((MODULE / "examples").iterdir())
# Elsewhere the parser-level checks judge alone, and test_means says so.
needs_terraform = pytest.mark.only_where(terraform() is not None)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terraform")
    made = Workspace(copy_module(folder / "terraform"), folder)
    made.init()
    return made


def test_means(capsys):
    with capsys.disabled():
        print(f" [judges: {judges()}] ", end="")


# ---- without Terraform ----

def test_the_parser_finds_no_fault():
    lines, code = tfcheck(MODULE, *EXAMPLES)
    assert (lines, code) == ([], 0)
    assert [path.name for path in EXAMPLES] == ["existing-queue", "existing-service", "flash-sale", "multi-fleet"]


def test_the_parser_finds_each_fault(tmp_path):
    folders = {}
    for fault in FAULTS + SYNTAX:
        copy = copy_module(tmp_path / fault.name)
        fault.apply(copy)
        folders[fault.name] = [copy, (copy / fault.file).parent] if "/" in fault.file else [copy]
    lines, _ = tfcheck(*[folder for several in folders.values() for folder in several])
    for fault in FAULTS + SYNTAX:
        own = [line for line in lines if line.startswith(f"{tmp_path / fault.name}/")]
        if fault.parser is None:
            assert own == [], fault.name
        else:
            assert any(fault.parser in line for line in own), (fault.name, own)


def test_tables_of_the_readme_are_those_of_the_module():
    lines, _ = tfcheck("--tables", MODULE)
    readme = (MODULE / "README.md").read_text()
    assert "\n".join(lines) in readme, "run tests/terraform/tables to renew them"


def test_ec2_takes_the_descriptions():
    """EC2's own rule, which neither the provider nor a simulated AWS knows: "Invalid rule description. Valid descriptions are
    strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"."""
    network = (MODULE / "network.tf").read_text()
    told = re.findall(r'(?:description|supervisor|worker) += "([^"]+)"', network)
    assert len(told) >= 6
    assert [text for text in told if not re.fullmatch(r"[a-zA-Z0-9. _:/()#,@\[\]+=&;{}!$*-]{1,255}", text)] == []


def test_no_task_is_without_its_way_out():
    """At the first apply a task pulls its image, at destroy workers drain: rules and permissions come before and leave after them."""
    for file, wanted in (("worker.tf", ["aws_iam_role_policy.this", "aws_iam_role_policy_attachment.worker", "aws_vpc_security_group_egress_rule.https"]),
                         ("supervisor.tf", ["aws_iam_role_policy.this", "aws_vpc_security_group_egress_rule.https", "aws_ecs_service.worker"])):
        (after,) = re.findall(r"depends_on = \[(.*?)\]", (MODULE / file).read_text(), re.DOTALL)
        assert set(wanted) <= set(re.findall(r"[\w.]+", after)), file


def test_workers_are_scaled_by_nobody_else():
    text = "".join(path.read_text() for path in sorted(MODULE.rglob("*.tf")))
    assert "appautoscaling" not in text and "allow_autoscaling" not in text
    worker = (MODULE / "worker.tf").read_text()
    assert "ignore_changes = [desired_count]" in worker[worker.index('resource "aws_ecs_service" "worker"'):]


def test_the_images_are_of_this_version():
    default = re.search(r'variable "image_tag" \{.*?default += "(.*?)"', (MODULE / "variables.tf").read_text(), re.DOTALL)[1]
    assert default == (ROOT / "VERSION").read_text().strip()


def test_nothing_of_a_machine_is_kept():
    known = subprocess.run(["git", "ls-files", "terraform", "tests/terraform"], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=False).stdout.split()
    assert not [name for name in known if ".terraform" in name or "tfstate" in name or ".lock.hcl" in name]


def test_opentofu_gets_the_mocks_in_the_files_themselves(tmp_path):
    copy = copy_module(tmp_path / "terraform")
    put_mocks_in(copy / "tests")
    for path in (copy / "tests").glob("*.tftest.hcl"):
        assert path.read_text().count('mock_provider "aws" {') == path.read_text().count('mock_resource "aws_iam_role" {') == 1, path
        assert '"./tests/mocks"' not in path.read_text()


# ---- with Terraform ----

@needs_terraform
def test_formatted_and_valid(workspace):
    assert workspace.good("fmt", "-check", "-recursive", "-diff", "-no-color") == ""
    assert workspace.validate() == []


# One run tells all faults in the module itself. A fault in a call of it ends the run, so each of them has its own.
STAGES = {"in-the-module": [fault for fault in FAULTS if fault.terraform and "/" not in fault.file],
          **{fault.name: [fault] for fault in FAULTS if fault.terraform and "/" in fault.file}}


@needs_terraform
@pytest.mark.parametrize("stage", STAGES if LONG else ["in-the-module"])
def test_terraform_finds_each_fault(tmp_path, stage):
    """All faulty copies of a stage as modules of one configuration."""
    folder = tmp_path / "all"
    folder.mkdir()
    calls = []
    faults = STAGES[stage]
    for fault in faults:
        copy = copy_module(folder / fault.name)
        fault.apply(copy)
        for example in (copy / "examples").iterdir():  # a called module has no provider of its own
            main = example / "main.tf"
            main.write_text(re.sub(r'provider "aws" \{.*?\n\}\n', "", main.read_text(), flags=re.DOTALL))
        source = fault.file.rsplit("/", 1)[0] if "/" in fault.file else ""
        inputs = 'vpc_id = "vpc-1"\n  subnet_ids = ["subnet-1"]\n'
        inputs += {"": "  fleets = { orders = {} }\n", "examples/flash-sale": '  telemetry_token_arn = "x"\n'}.get(
            source, '  telemetry_token_arn = "x"\n  receipts_topic_arn = "x"\n  receipts_secret_arn = "x"\n')
        calls.append(f'module "{fault.name}" {{\n  source = "./{fault.name}/{source}"\n  {inputs}}}\n')
    (folder / "main.tf").write_text("\n".join(calls))
    whole = Workspace(folder, tmp_path)
    whole.init()
    told = [(one["summary"] + " " + one["detail"], one["range"]["filename"]) for one in whole.validate() if one.get("range")]
    for fault in faults:
        own = [text for text, file in told if file.startswith(f"{fault.name}/")]
        assert any(fault.terraform in text for text in own), (fault.name, own)


@needs_terraform
@pytest.mark.parametrize("fault", SYNTAX, ids=lambda fault: fault.name)
def test_terraform_finds_a_fault_of_syntax(fault, tmp_path):
    copy = copy_module(tmp_path / "terraform")
    fault.apply(copy)
    done = Workspace(copy, tmp_path).run("validate", "-json")
    assert any(fault.terraform in one["summary"] for one in json.loads(done.stdout)["diagnostics"]), done.stdout


@pytest.mark.only_where(terraform() is not None and not QUICK)
def test_the_modules_own_tests_find_what_is_valid_and_wrong(tmp_path):
    """All in one copy: an assertion that fails ends nothing. Without a fault all pass, as the fixture `states` sees."""
    copy = copy_module(tmp_path / "terraform")
    for fault in WRONG:
        fault.apply(copy)
    faulty = Workspace(copy, tmp_path)
    faulty.init()
    done = faulty.run("test", "-json", "-filter=tests/module.tftest.hcl")
    assert done.returncode == 1
    told = [line["diagnostic"]["detail"] for line in map(json.loads, done.stdout.splitlines()) if line["type"] == "diagnostic"]
    assert sorted(told) == sorted(fault.terraform for fault in WRONG)


def resources(module):
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from resources(child)


@pytest.fixture(scope="module")
def states(workspace):
    """What "terraform test" made of each run: resources by run and address. Asserts that all runs passed."""
    files = ["examples", "module"] + (["refusals"] if LONG else [])
    running = [workspace.start("test", "-json", "-verbose", f"-filter=tests/{name}.tftest.hcl") for name in files]
    made, faults, passed = {}, [], 0
    for name, popen in zip(files, running):
        out, err = popen.communicate(timeout=PATIENCE_S)
        for line in map(json.loads, out.splitlines()):
            if line["type"] == "test_state":
                made[line["@testrun"]] = {one["address"].removeprefix("module.sluice."): one["values"]
                                          for one in resources(line["test_state"]["root_module"])}
            elif line["type"] == "diagnostic" and line["diagnostic"]["severity"] == "error":
                faults.append((name, line.get("@testrun"), line["diagnostic"]["summary"], line["diagnostic"]["detail"]))
            elif line["type"] == "test_summary":
                passed += line["test_summary"]["passed"]
        if popen.returncode != 0:
            faults.append((name, popen.returncode, err))
    assert faults == []
    assert passed >= (37 if LONG else 12)
    return made


def container(state, address):
    return json.loads(state[f"aws_ecs_task_definition.{address}"]["container_definitions"])[0]


def configuration(state):
    return next(one["value"] for one in container(state, "supervisor")["environment"] if one["name"] == "SLUICE_CONFIG")


@needs_terraform
@pytest.mark.parametrize("run", ["defaults", "flash_sale", "existing_queue", "existing_service", "multi_fleet"])
def test_sluice_check_takes_what_is_rendered(states, run):
    assert container(states[run], "supervisor")["command"] == ["run", "--config", "env:SLUICE_CONFIG"]
    env = {**os.environ, "SLUICE_CONFIG": configuration(states[run]), "SLUICE_TELEMETRY_TOKEN": "0123456789abcdef", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
           "AWS_SECRET_ACCESS_KEY": "example"}
    done = subprocess.run([BIN / "sluice", "check", "--offline", "--json", "--config", "env:SLUICE_CONFIG"], env=env, timeout=PATIENCE_S,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {one["code"] for one in json.loads(done.stdout)["warnings"]} <= {"shared_queue"}  # all pretended queues have one URL
    understood = json.loads(done.stdout)["config"]
    assert len(understood["fleets"]) == (3 if run == "multi_fleet" else 1)
    assert {fleet["fleet"]["type"] for fleet in understood["fleets"]} == {"ecs"}


def statements(document):
    """Actions and condition keys by Sid, of a data source's blocks or of a JSON document."""
    rows = document.get("Statement") or document["statement"]
    told = {}
    for row in rows:
        actions = row.get("Action") or row["actions"]
        conditions = row.get("Condition")
        keys = {(test, key) for test, pairs in conditions.items() for key in pairs} if isinstance(conditions, dict) else \
               {(one["test"], one["variable"]) for one in row.get("condition") or []}
        told[row.get("Sid") or row["sid"]] = (sorted([actions] if isinstance(actions, str) else actions), sorted(keys))
    return told


@needs_terraform
def test_roles_allow_what_the_policies_for_those_without_terraform_allow(states):
    """With everything switched on; beside it only what deploy/iam leaves to its reader: keys, secrets, ECS Exec."""
    sale, shop, queue = states["flash_sale"], states["multi_fleet"], states["existing_queue"]
    kept = {name: statements(json.loads((ROOT / f"deploy/iam/{name}.json").read_text()))
            for name in ("supervisor", "worker-task", "execution", "trust-ecs-tasks")}
    supervisor = {**statements(shop['data.aws_iam_policy_document.role["supervisor"]']), **statements(sale['data.aws_iam_policy_document.role["supervisor"]']),
                  **statements(queue['data.aws_iam_policy_document.role["supervisor"]'])}
    assert set(supervisor) - set(kept["supervisor"]) == {"LetOperatorsIn", "UseKeyOfLease"}
    assert {sid: supervisor[sid] for sid in kept["supervisor"]} == kept["supervisor"]
    worker = {**statements(shop['data.aws_iam_policy_document.role["worker/refunds"]']), **statements(sale['data.aws_iam_policy_document.role["worker/orders"]'])}
    assert set(worker) - set(kept["worker-task"]) == {"UseKeyOfQueue"}
    assert {sid: worker[sid] for sid in kept["worker-task"]} == kept["worker-task"]
    execution = statements(shop['data.aws_iam_policy_document.role["execution/receipts"]'])
    assert set(execution) - set(kept["execution"]) == {"ReadParameters", "ReadSecrets"}
    assert {sid: execution[sid] for sid in kept["execution"]} == kept["execution"]
    assert statements(sale["data.aws_iam_policy_document.trust"]) == kept["trust-ecs-tasks"]


def differences(kept, made, where=""):
    """Where `made` is not what `kept` is; a ${NAME} in that stands for any text. Lists of what has names are looked up by name."""
    if isinstance(kept, str) and "${" in kept:
        return [] if isinstance(made, str) and made else [where]
    if isinstance(kept, list) and isinstance(made, list) and kept and all(isinstance(one, dict) and "name" in one for one in kept + made):
        kept, made = ({one["name"]: one for one in several} for several in (kept, made))
    if isinstance(kept, dict) and isinstance(made, dict):
        both = {key: differences(kept[key], made[key], f"{where}.{key}") for key in kept if key in made}
        return sorted(sum(both.values(), [f"{where}.{key}" for key in set(kept) ^ set(made)]))
    return [] if kept == made else [where]


def kept_task(role):
    return json.loads((ROOT / f"deploy/ecs/{role}.json").read_text())


def made_task(state, address):
    """A task definition as deploy/ecs has it."""
    values = state[f"aws_ecs_task_definition.{address}"]
    platform = values["runtime_platform"][0]
    task = {"family": values["family"], "requiresCompatibilities": values["requires_compatibilities"], "networkMode": values["network_mode"],
            "cpu": values["cpu"], "memory": values["memory"], "taskRoleArn": values["task_role_arn"], "executionRoleArn": values["execution_role_arn"],
            "runtimePlatform": {"operatingSystemFamily": platform["operating_system_family"], "cpuArchitecture": platform["cpu_architecture"]},
            "volumes": [{"name": one["name"]} for one in values["volume"]], "containerDefinitions": json.loads(values["container_definitions"])}
    return {name: value for name, value in task.items() if value}


@needs_terraform
@pytest.mark.parametrize("role, address, own", [("supervisor", "supervisor", []), ("worker", 'worker["orders"]', [
    ".containerDefinitions.worker.command", ".runtimePlatform.cpuArchitecture"])])
def test_task_definitions_are_those_for_who_has_no_terraform(states, role, address, own):
    """deploy/ecs/*.json, but for what is filled in; the worker's handler and its processor are this run's own."""
    assert differences(kept_task(role), made_task(states["two_supervisors_with_telemetry"], address)) == own


@pytest.mark.parametrize("role", ["supervisor", "worker"])
def test_a_task_definition_that_lacks_something_is_seen(role):
    """What the comparison above would say of a health check that one of the two has not, and of any other member."""
    kept = kept_task(role)
    assert differences(kept, kept_task(role)) == []
    for name in kept:
        assert differences(kept, {key: value for key, value in kept.items() if key != name}) == [f".{name}"]
    for name in kept["containerDefinitions"][0]:
        other = kept_task(role)
        del other["containerDefinitions"][0][name]
        seen = [f".containerDefinitions.{role}.{name}"] if name != "name" else [".containerDefinitions"]
        assert differences(kept, other) == seen and differences(other, kept) == seen
    kept["containerDefinitions"][0]["healthCheck"]["retries"] += 1
    assert differences(kept, kept_task(role)) == [f".containerDefinitions.{role}.healthCheck.retries"]


@needs_terraform
def test_nothing_is_allowed_on_everything_but_what_has_no_resource(states):
    # The service authorization reference names no resource type for these, or ListTasks only the instance's.
    anywhere = {"SeeOtherScalers", "ReadQueueMetrics", "PublishGauges", "FindTasks", "LogInToRegistry", "LetOperatorsIn"}
    for run, state in states.items():
        for address, document in state.items():
            for row in document.get("statement", []) if address.startswith("data.aws_iam_policy_document.") else []:
                where = (run, address, row["sid"])
                assert row["effect"] == "Deny" or "*" not in "".join(row["actions"]), where
                assert "*" not in (row["resources"] or []) or row["sid"] in anywhere, where
    assert statements(states["multi_fleet"]['data.aws_iam_policy_document.role["execution/receipts"]'])["ReadSecrets"][0] == ["secretsmanager:GetSecretValue"]
    secrets = [row for row in states["multi_fleet"]['data.aws_iam_policy_document.role["execution/receipts"]']["statement"] if row["sid"] == "ReadSecrets"]
    assert secrets[0]["resources"] == ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:mail-AbCdEf"]


@needs_terraform
def test_the_dashboard_shows_metrics_that_are_published(states):
    """Against docs/sensors.md, whose list a test of the supervisor keeps."""
    published = set(re.findall(r"`(\w+)`", re.search(r"Each fleet has, with the dimension `Fleet`:(.*?)What is unknown", (ROOT / "docs/sensors.md").read_text(), re.DOTALL)[1]))
    body = json.loads(states["multi_fleet"]["aws_cloudwatch_dashboard.this[0]"]["dashboard_body"])
    shown = [metric for widget in body["widgets"] for metric in widget["properties"]["metrics"]]
    assert len(body["widgets"]) == 9 and all(widget["type"] == "metric" and widget["properties"]["region"] for widget in body["widgets"])
    assert {metric[1] for metric in shown if metric[0] == "Sluice"} <= published
    assert {metric[1] for metric in shown if metric[0] == "AWS/SQS"} == {
        "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "ApproximateAgeOfOldestMessage"}
    alarms = {values["alarm_name"] for address, values in states["flash_sale"].items() if address.startswith("aws_cloudwatch_metric_alarm.")}
    assert alarms == {f"flash-sale-orders-{kind}" for kind in ("oldest-message", "dead-letters", "supervisor-silent", "at-max")}


def test_schema_extracts_are_of_both_major_versions():
    """versions.tf allows 5.60 to 6; Terraform itself judges with the one that is present."""
    told = [tuple(int(part) for part in json.loads((HERE / f"schema-{major}.json").read_text())["provider"].split(".")) for major in (5, 6)]
    assert (5, 60) <= told[0] < (6,) <= told[1] < (7,)
