"""deploy/ecs/*.json against botocore's model of RegisterTaskDefinition: members, types, enums; then registered with moto and
sluice-localaws through boto3."""
import copy

import boto3
import botocore.session
import pytest
from botocore.validate import ParamValidator
from moto import mock_aws

import harness
from task_definitions import definition

SHAPE = botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
NAMES = ["supervisor", "worker"]


def enum_faults(shape, value, path=""):
    """Values that are none of an enum's: ParamValidator does not look at them."""
    if shape.type_name == "structure":
        for key, inner in value.items():
            yield from enum_faults(shape.members[key], inner, f"{path}.{key}")
    elif shape.type_name == "list":
        for index, inner in enumerate(value):
            yield from enum_faults(shape.member, inner, f"{path}[{index}]")
    elif shape.type_name == "map":
        for key, inner in value.items():
            yield from enum_faults(shape.value, inner, f"{path}.{key}")
    elif getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{path}: {value}: want one of {shape.enum}"


def faults(document):
    report = ParamValidator().validate(document, SHAPE)
    if report.has_errors():
        return [report.generate_report()]
    return list(enum_faults(SHAPE, document)) + fargate_faults(document)


# "Task size" in Amazon ECS's developer guide: memory in MiB that goes with CPU units.
FARGATE = {"256": ["512", "1024", "2048"], "512": ["1024", "2048", "3072", "4096"]}


def fargate_faults(document):
    found = []
    if document["memory"] not in FARGATE.get(document["cpu"], ()):
        found.append(f"no task of {document['cpu']} CPU units has {document['memory']} MiB")
    if document["networkMode"] != "awsvpc" or "executionRoleArn" not in document:
        found.append("Fargate wants awsvpc, and an execution role for logs and secrets")
    volumes = {volume["name"] for volume in document.get("volumes", ())}
    for container in document["containerDefinitions"]:
        found += [f"no volume {mount['sourceVolume']}" for mount in container.get("mountPoints", ())
                  if mount["sourceVolume"] not in volumes]
        if container["stopTimeout"] > 120:
            found.append(f"stopTimeout {container['stopTimeout']}: Fargate allows 120")
        names = [entry["name"] for kind in ("environment", "secrets") for entry in container.get(kind, ())]
        if len(names) != len(set(names)):
            found.append("a variable stands twice")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_definitions_are_valid(name):
    assert faults(definition(name)) == []


def container_of(document):
    return document["containerDefinitions"][0]


BREAKS = {
    "unknown member": lambda d: d.update(colour="blue"),
    "unknown member inside": lambda d: container_of(d).update(stopTimeOut=120),
    "type": lambda d: container_of(d).update(stopTimeout="120"),
    "missing": lambda d: d.pop("family"),
    "network": lambda d: d.update(networkMode="bridge"),
    "ipc": lambda d: d.update(ipcMode="private"),
    "log driver": lambda d: container_of(d)["logConfiguration"].update(logDriver="aws-logs"),
    "limit": lambda d: container_of(d)["ulimits"][0].update(name="files"),
    "architecture": lambda d: d["runtimePlatform"].update(cpuArchitecture="AMD64"),
    "compatibility": lambda d: d.update(requiresCompatibilities=["FARGATE_SPOT"]),
    "size": lambda d: d.update(memory="4096"),
    "stop timeout": lambda d: container_of(d).update(stopTimeout=121),
    "volume": lambda d: container_of(d).update(mountPoints=[{"sourceVolume": "stat", "containerPath": "/var/lib/sluice"}]),
    "twice": lambda d: container_of(d)["environment"].append({"name": "SLUICE_TELEMETRY_TOKEN", "value": "x"}),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_definition_is_noticed(name, how):
    document = copy.deepcopy(definition(name))
    BREAKS[how](document)
    assert len(faults(document)) == 1


def client(**options):
    return boto3.client("ecs", region_name=harness.REGION, aws_access_key_id=harness.ACCESS_KEY,
                        aws_secret_access_key=harness.SECRET_KEY, **options)


def check_registration(ecs, name):
    wanted = definition(name)
    told = ecs.register_task_definition(**wanted)["taskDefinition"]
    assert (told["family"], told["revision"]) == (wanted["family"], 1)
    (container,), (ours,) = told["containerDefinitions"], wanted["containerDefinitions"]
    for key in ("name", "image", "command", "environment", "stopTimeout"):
        assert container[key] == ours[key], key


@pytest.mark.parametrize("name", NAMES)
def test_moto_registers_them(name):
    with mock_aws():
        check_registration(client(), name)


@pytest.mark.parametrize("name", NAMES)
def test_localaws_registers_them(localaws, name):
    check_registration(client(endpoint_url=localaws(args=("--ecs-tasks", "pretend")).url), name)
