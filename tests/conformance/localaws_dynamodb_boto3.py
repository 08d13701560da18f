"""Scenarios of a boto3 DynamoDB client against sluice-localaws, among them a lease as lock clients take it.

    python localaws_dynamodb_boto3.py URL SCENARIO      ends with 0 when all assertions held; prints boto3's version

Kept apart from pytest because Debian's boto3 belongs to /usr/bin/python3, which need not have pytest.
"""
import decimal
import json
import sys
import urllib.request

import boto3
from boto3.dynamodb.conditions import Attr
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]
CONFIG = Config(retries={"max_attempts": 0})
db = boto3.client("dynamodb", endpoint_url=URL, config=CONFIG)


def fails(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e
    raise AssertionError(f"no {code}")


def lay(**rule):
    urllib.request.urlopen(urllib.request.Request(f"{URL}/_localaws/faults", data=json.dumps(rule).encode(), method="POST"))


def create(name="leases", **sort_key):
    schema = [{"AttributeName": "id", "KeyType": "HASH"}]
    types = [{"AttributeName": "id", "AttributeType": "S"}]
    for key, kind in sort_key.items():
        schema.append({"AttributeName": key, "KeyType": "RANGE"})
        types.append({"AttributeName": key, "AttributeType": kind})
    table = db.create_table(TableName=name, KeySchema=schema, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST")
    db.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return table["TableDescription"]


def scenario_tables():
    made = create(at="N")
    assert made["TableStatus"] == "CREATING"
    assert made["TableArn"] == "arn:aws:dynamodb:us-east-1:123456789012:table/leases"
    table = db.describe_table(TableName="leases")["Table"]
    assert table["TableStatus"] == "ACTIVE" and table["ItemCount"] == 0 and len(table["KeySchema"]) == 2
    error = fails("ResourceInUseException", db.create_table, TableName="leases", BillingMode="PAY_PER_REQUEST",
                  KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                  AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    assert isinstance(error, db.exceptions.ResourceInUseException)
    assert db.list_tables()["TableNames"] == ["leases"]
    for at in ("1", "2"):
        db.put_item(TableName="leases", Item={"id": {"S": "a"}, "at": {"N": at}})
    db.put_item(TableName="leases", Item={"id": {"S": "a"}, "at": {"N": "1.0"}, "again": {"BOOL": True}})
    assert db.describe_table(TableName="leases")["Table"]["ItemCount"] == 2
    db.delete_table(TableName="leases")
    fails("ResourceNotFoundException", db.describe_table, TableName="leases")
    fails("ResourceNotFoundException", db.get_item, TableName="leases", Key={"id": {"S": "a"}})


def scenario_items():
    create()
    item = {"id": {"S": "a"}, "n": {"N": "12.5"}, "yes": {"BOOL": True}, "none": {"NULL": True}, "bytes": {"B": b"\x00\xff"},
            "map": {"M": {"list": {"L": [{"N": "1"}, {"S": "é"}]}}}, "set": {"SS": ["x", "y"]}}
    db.put_item(TableName="leases", Item=item)
    assert db.get_item(TableName="leases", Key={"id": {"S": "a"}}, ConsistentRead=True)["Item"] == item
    assert "Item" not in db.get_item(TableName="leases", Key={"id": {"S": "b"}})
    old = db.put_item(TableName="leases", Item={"id": {"S": "a"}}, ReturnValues="ALL_OLD")["Attributes"]
    assert old == item
    new = db.update_item(TableName="leases", Key={"id": {"S": "a"}}, ReturnValues="ALL_NEW",
                         UpdateExpression="SET #n = if_not_exists(#n, :zero) + :one, m = :m",
                         ExpressionAttributeNames={"#n": "name"},
                         ExpressionAttributeValues={":zero": {"N": "0"}, ":one": {"N": "1"}, ":m": {"M": {}}})["Attributes"]
    assert new == {"id": {"S": "a"}, "name": {"N": "1"}, "m": {"M": {}}}
    assert db.delete_item(TableName="leases", Key={"id": {"S": "a"}}, ReturnValues="ALL_OLD")["Attributes"] == new
    assert "Attributes" not in db.delete_item(TableName="leases", Key={"id": {"S": "a"}}, ReturnValues="ALL_OLD")


def scenario_lease():
    """Two owners with boto3's own condition builder: one holds, the other waits, the version says who is stale."""
    create()
    table = boto3.resource("dynamodb", endpoint_url=URL, config=CONFIG).Table("leases")
    item = {"id": "sluice", "holder": "a", "version": 1}
    table.put_item(Item=item, ConditionExpression=Attr("id").not_exists())
    error = fails("ConditionalCheckFailedException", table.put_item, Item={**item, "holder": "b"},
                  ConditionExpression=Attr("id").not_exists())
    assert error.response["Error"]["Message"] == "The conditional request failed"
    assert isinstance(error, db.exceptions.ConditionalCheckFailedException)
    renewed = table.update_item(Key={"id": "sluice"}, UpdateExpression="SET version = version + :one",
                                ConditionExpression="holder = :me AND version = :seen", ReturnValues="UPDATED_NEW",
                                ExpressionAttributeValues={":one": 1, ":me": "a", ":seen": 1})["Attributes"]
    assert renewed == {"version": decimal.Decimal(2)}
    fails("ConditionalCheckFailedException", table.update_item, Key={"id": "sluice"},
          UpdateExpression="SET holder = :me", ConditionExpression=Attr("version").eq(1) & Attr("holder").ne("x"),
          ExpressionAttributeValues={":me": "b"})
    assert table.get_item(Key={"id": "sluice"}, ConsistentRead=True)["Item"] == {**item, "version": 2}
    table.put_item(Item={**item, "holder": "b", "version": 3},
                   ConditionExpression=Attr("version").between(2, 2) & ~Attr("holder").is_in(["b", "c"]))
    table.delete_item(Key={"id": "sluice"}, ConditionExpression=Attr("holder").eq("b") | Attr("gone").exists())
    assert "Item" not in table.get_item(Key={"id": "sluice"}, ConsistentRead=True)


def scenario_errors():
    create()
    key = {"id": {"S": "a"}}
    error = fails("ValidationException", db.update_item, TableName="leases", Key=key, UpdateExpression="SET status = :x",
                  ExpressionAttributeValues={":x": {"S": "y"}})
    assert "reserved keyword: status" in error.response["Error"]["Message"]
    fails("ValidationException", db.put_item, TableName="leases", Item={"x": {"S": "a"}})
    fails("ValidationException", db.put_item, TableName="leases", Item={**key, "big": {"S": "x" * 409600}})
    fails("ResourceNotFoundException", db.put_item, TableName="other", Item=key)
    fails("UnknownOperationException", db.scan, TableName="leases")
    lay(operation="PutItem", kind="throttle", count=1)
    error = fails("ProvisionedThroughputExceededException", db.put_item, TableName="leases", Item=key)
    assert isinstance(error, db.exceptions.ProvisionedThroughputExceededException)
    assert "Item" not in db.get_item(TableName="leases", Key=key)
    lay(operation="PutItem", kind="error", count=1, after=True)
    fails("InternalServerError", db.put_item, TableName="leases", Item=key)
    assert db.get_item(TableName="leases", Key=key)["Item"] == key
    db.put_item(TableName="leases", Item={**key, "v": {"N": "2"}})
    lay(operation="GetItem", kind="stale_counts", count=2)
    assert db.get_item(TableName="leases", Key=key)["Item"] == key
    assert db.get_item(TableName="leases", Key=key, ConsistentRead=True)["Item"] == {**key, "v": {"N": "2"}}


if __name__ == "__main__":
    print(f"boto3 {boto3.__version__}")
    globals()[f"scenario_{sys.argv[2]}"]()
