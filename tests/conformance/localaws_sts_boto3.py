"""Scenarios of boto3 with temporary credentials of sluice-localaws; runs under any boto3.

    python localaws_sts_boto3.py URL SCENARIO      ends with 0 when all assertions held; prints boto3's version

For the endpoints AWS_CONTAINER_CREDENTIALS_FULL_URI or AWS_EC2_METADATA_SERVICE_ENDPOINT must be set, and no keys.
"""
import base64
import datetime
import json
import sys
import time

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]
CONFIG = Config(retries={"max_attempts": 0})
ROLE = "arn:aws:iam::123456789012:role/reader"


def client(service, keys=None, config=CONFIG):
    named = {} if keys is None else {"aws_access_key_id": keys["AccessKeyId"], "aws_session_token": keys["SessionToken"],
                                     "aws_secret_access_key": keys["SecretAccessKey"]}
    return boto3.client(service, endpoint_url=URL, config=config, **named)


def fails(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e
    raise AssertionError(f"no {code}")


def web_token(end_s):
    parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=")
             for p in ({"alg": "none"}, {"sub": "system:serviceaccount:shop:worker", "exp": end_s})]
    return ".".join(parts) + ".signature"


def works(keys):
    """All services let them in."""
    client("sqs", keys).list_queues()
    client("ecs", keys).list_clusters()
    client("cloudwatch", keys).list_metrics()
    client("dynamodb", keys).list_tables()
    return client("sts", keys).get_caller_identity()


def scenario_roles():
    sts = client("sts")
    assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/sluice-localaws"
    reply = sts.assume_role(RoleArn=ROLE, RoleSessionName="first", DurationSeconds=900)
    left = reply["Credentials"]["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert 800 < left.total_seconds() <= 901
    assert reply["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/reader/first"
    me = works(reply["Credentials"])
    assert me["Arn"] == reply["AssumedRoleUser"]["Arn"] and me["Account"] == "123456789012"
    chained = client("sts", reply["Credentials"])
    second = chained.assume_role(RoleArn=ROLE, RoleSessionName="second")["Credentials"]
    assert works(second)["Arn"].endswith("/second")
    fails("ValidationError", chained.assume_role, RoleArn=ROLE, RoleSessionName="second", DurationSeconds=7200)
    fails("ValidationError", sts.assume_role, RoleArn="arn:aws:iam::123456789012:user/x", RoleSessionName="me")
    wrong = {**second, "SessionToken": "other"}
    fails("InvalidClientTokenId", client("sts", wrong).get_caller_identity)
    fails("UnrecognizedClientException", client("dynamodb", wrong).list_tables)


def scenario_web_identity():
    sts = client("sts", config=Config(retries={"max_attempts": 0}, signature_version=UNSIGNED))
    arguments = {"RoleArn": ROLE, "RoleSessionName": "web"}
    reply = sts.assume_role_with_web_identity(WebIdentityToken=web_token(time.time() + 600), **arguments)
    assert reply["SubjectFromWebIdentityToken"] == "system:serviceaccount:shop:worker"
    assert works(reply["Credentials"])["Arn"].endswith("/web")
    error = fails("ExpiredTokenException", sts.assume_role_with_web_identity, WebIdentityToken=web_token(time.time() - 1),
                  **arguments)
    assert isinstance(error, sts.exceptions.ExpiredTokenException)
    error = fails("InvalidIdentityToken", sts.assume_role_with_web_identity, WebIdentityToken="no token", **arguments)
    assert isinstance(error, sts.exceptions.InvalidIdentityTokenException)


def scenario_endpoint():
    """boto3's own chain finds the keys."""
    session = boto3.session.Session()
    assert session.get_credentials().method in ("container-role", "iam-role")
    name = session.client("sts", endpoint_url=URL, config=CONFIG).get_caller_identity()["Arn"]
    assert name.startswith("arn:aws:sts::123456789012:assumed-role/sluice-localaws/")
    session.client("sqs", endpoint_url=URL, config=CONFIG).list_queues()


if __name__ == "__main__":
    print(f"boto3 {boto3.__version__}")
    globals()[f"scenario_{sys.argv[2]}"]()
