"""Roles against moto's STS, which speaks the protocol by somebody else's reading: what it hands out then signs calls that it checks."""
import json

import pytest

import harness
from test_client_moto import ALLOWED, Driver, boto, start_moto


def policy(*actions):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})


@pytest.fixture
def guarded(spawn):
    """A moto that checks signatures and policies once user and role are made: the user may only assume the role."""
    url = start_moto(spawn, "moto-iam", INITIAL_NO_AUTH_ACTION_COUNT=5)
    iam = boto("iam", url)
    iam.create_user(UserName="base")
    iam.put_user_policy(UserName="base", PolicyName="assume", PolicyDocument=policy("sts:AssumeRole"))
    key = iam.create_access_key(UserName="base")["AccessKey"]
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    arn = iam.create_role(RoleName="queues", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="queues", PolicyName="sqs", PolicyDocument=policy(*ALLOWED))
    return url, arn, key


def as_profile(folder, url, text):
    config = folder / "aws-config"
    config.write_text(text)
    return Driver(harness.environment(endpoint=url, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, AWS_CONFIG_FILE=config))


def keys(key):
    return f"aws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"


def test_a_role_may_what_its_user_may_not(guarded, tmp_path):
    url, arn, key = guarded
    base = as_profile(tmp_path, url, f"[default]\n{keys(key)}")
    assert base("CreateQueue", name="orders")["kind"] == "denied"
    base.close()
    role = as_profile(tmp_path, url, f"[default]\nrole_arn = {arn}\nsource_profile = base\n[profile base]\n{keys(key)}")
    created = role("CreateQueue", name="orders")
    assert created["kind"] == "ok", created
    assert role("SendMessage", queue=created["value"], body="by the role")["kind"] == "ok"
    role.close()


def test_a_wrong_base_key_is_told_with_the_role(guarded, tmp_path):
    url, arn, key = guarded
    wrong = {**key, "SecretAccessKey": key["SecretAccessKey"][::-1]}
    role = as_profile(tmp_path, url, f"[default]\nrole_arn = {arn}\nsource_profile = default\n{keys(wrong)}")
    answer = role("CreateQueue", name="orders")
    assert (answer["kind"], answer["code"]) == ("credentials", "NoCredentials"), answer
    assert "AssumeRole: credentials: SignatureDoesNotMatch" in answer["message"] and arn in answer["message"], answer
    role.close()


def test_a_web_identity_gets_keys(spawn, tmp_path):
    """Without moto's checks: it wants a signature even here, and AWS wants none."""
    token = tmp_path / "token"
    token.write_text("header.payload.signature")
    role = as_profile(tmp_path, start_moto(spawn, "moto"),
                      f"[default]\nrole_arn = arn:aws:iam::123456789012:role/web\nweb_identity_token_file = {token}\n")
    answer = role("CreateQueue", name="orders")
    assert answer["kind"] == "ok", answer
    role.close()
