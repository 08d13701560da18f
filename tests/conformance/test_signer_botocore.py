"""Our signer against botocore's, stage by stage: the published suite's cases, and random requests.

botocore encodes the path it is given once; given the raw path of the suite that is the suite's single encoding. Our
signer does the same with `encode_twice` (once more than on the wire), so both get the same raw text.
"""

import json
import os
import random
import subprocess
import urllib.parse
from pathlib import Path

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

DRIVER = Path(os.environ["SLUICE_BIN_DIR"]).parent / "tests" / "signer_driver"
KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
STAMP = "20150830T123600Z"
HOST = "example.amazonaws.com"
TOKEN = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
STS_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx"
    "7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6"
    "d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)


def case(method="GET", path="/", query="", headers=(), body="", token=None, region="us-east-1", service="service"):
    return {"method": method, "path": path, "query": query, "headers": [list(h) for h in headers], "body": body,
            "token": token, "region": region, "service": service}


def suite():
    """The names of the suite (aws-c-auth tests/aws-signing-test-suite/v4), each in botocore's terms."""
    form = ("Content-Type", "application/x-www-form-urlencoded")
    unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return {
        "get-header-key-duplicate": case(headers=[("My-Header1", "value2"), ("My-Header1", "value2"),
                                                  ("My-Header1", "value1")]),
        "get-header-value-multiline": case(headers=[("My-Header1", "value1\n  value2\n     value3")]),
        "get-header-value-order": case(headers=[("My-Header1", "value4"), ("My-Header1", "value1"),
                                                ("My-Header1", "value3"), ("My-Header1", "value2")]),
        "get-header-value-trim": case(headers=[("My-Header1", " value1"), ("My-Header2", ' "a   b   c"')]),
        "get-relative": case(path="/example/.."),
        "get-relative-relative": case(path="/example1/example2/../.."),
        "get-slash": case(path="//"),
        "get-slash-dot-slash": case(path="/./"),
        "get-slash-pointless-dot": case(path="/./example"),
        "get-slashes": case(path="//example//"),
        "get-space": case(path="/example space/"),
        "get-unreserved": case(path="/" + unreserved),
        "get-utf8": case(path="/\u1234"),
        "get-vanilla": case(),
        "get-vanilla-empty-query-key": case(query="Param1=value1"),
        "get-vanilla-query": case(),
        "get-vanilla-query-order-encoded": case(query="Param-3=Value3&Param=Value2&%E1%88%B4=Value1"),
        "get-vanilla-query-order-key": case(query="Param1=value2&Param1=Value1"),
        "get-vanilla-query-order-key-case": case(query="Param2=value2&Param1=value1"),
        "get-vanilla-query-order-value": case(query="Param1=value2&Param1=value1"),
        "get-vanilla-query-unreserved": case(query=f"{unreserved}={unreserved}"),
        "get-vanilla-utf8-query": case(query="%E1%88%B4=bar"),
        "get-vanilla-with-session-token": case(token=TOKEN),
        "post-header-key-case": case("POST"),
        "post-header-key-sort": case("POST", headers=[("My-Header1", "value1")]),
        "post-header-value-case": case("POST", headers=[("My-Header1", "VALUE1")]),
        "post-sts-header-after": case("POST"),
        "post-sts-header-before": case("POST", token=STS_TOKEN),
        "post-vanilla": case("POST"),
        "post-vanilla-empty-query-value": case("POST", query="Param1=value1"),
        "post-vanilla-query": case("POST", query="Param1=value1"),
        "post-x-www-form-urlencoded": case("POST", headers=[form, ("Content-Length", "13")], body="Param1=value1"),
        "post-x-www-form-urlencoded-parameters": case(
            "POST", headers=[("Content-Type", "application/x-www-form-urlencoded; charset=utf8"),
                             ("Content-Length", "13")], body="Param1=value1"),
    }


# What the suite itself says of some of its cases; botocore and we must both give this.
PUBLISHED = {
    "get-vanilla": "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    "get-vanilla-query-order-key-case": "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    "get-header-value-trim": "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    "get-vanilla-with-session-token": "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    "post-vanilla": "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
}


def botocore_stages(request):
    """Canonical request, string to sign, signature and authorization as botocore makes them."""
    auth = botocore.auth.SigV4Auth(botocore.credentials.Credentials(KEY, SECRET, request["token"]),
                                   request["service"], request["region"])
    query = "?" + request["query"] if request["query"] else ""
    aws_request = botocore.awsrequest.AWSRequest(method=request["method"], data=request["body"].encode())
    aws_request.url = f"https://{HOST}{request['path']}{query}"
    for name, value in request["headers"]:
        aws_request.headers.add_header(name, value)
    aws_request.headers["Host"] = HOST
    aws_request.headers["X-Amz-Date"] = STAMP
    if request["token"]:
        aws_request.headers["X-Amz-Security-Token"] = request["token"]
    aws_request.context["timestamp"] = STAMP
    canonical = auth.canonical_request(aws_request)
    to_sign = auth.string_to_sign(aws_request, canonical)
    signature = auth.signature(to_sign, aws_request)
    signed = auth.signed_headers(auth.headers_to_sign(aws_request))
    authorization = (f"AWS4-HMAC-SHA256 Credential={auth.scope(aws_request)}, SignedHeaders={signed}, "
                     f"Signature={signature}")
    return {"canonical": canonical, "string_to_sign": to_sign, "signature": signature,
            "authorization": authorization}


def our_stages(requests):
    """The same of our signer, for a list of requests, through the C driver."""
    lines = []
    for request in requests:
        headers = request["headers"] + [["Host", HOST], ["X-Amz-Date", STAMP]]
        if request["token"]:
            headers.append(["X-Amz-Security-Token", request["token"]])
        lines.append(json.dumps({
            "method": request["method"], "path": request["path"], "query": request["query"], "headers": headers,
            "body": request["body"], "stamp": STAMP, "region": request["region"], "service": request["service"],
            "id": KEY, "secret": SECRET, "normalize": True, "encode_twice": True}))
    done = subprocess.run([DRIVER], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=120,
                          check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(requests)
    return answers


@pytest.mark.parametrize("name", sorted(suite()))
def test_suite_case(name):
    request = suite()[name]
    ours = our_stages([request])[0]
    theirs = botocore_stages(request)
    assert ours == theirs
    if name in PUBLISHED:
        assert ours["signature"] == PUBLISHED[name]


def random_text(rng, alphabet, most):
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(most + 1)))


WORDS = "abcXYZ019-._~"
PATH = WORDS + "/:@!$&'()*+,;= %\u00e9\u1234"
TEXT = WORDS + " \t\"'/=+{}[]:,;?&%#\u00e9\u20ac\U0001f600"


def random_path(rng):
    pieces = [rng.choice([".", "..", "", random_text(rng, PATH.replace("/", ""), 12)]) for _ in range(rng.randrange(6))]
    return "/" + "/".join(pieces)


def random_query(rng):
    def part():
        key = urllib.parse.quote(random_text(rng, TEXT, 8) or "k", safe="-_.~")
        value = urllib.parse.quote(random_text(rng, TEXT, 8), safe="-_.~")
        return f"{key}={value}"
    return "&".join(part() for _ in range(rng.randrange(6)))


def random_headers(rng):
    names = ["My-Header", "x-amz-target", "Content-Type", "X-Custom-" + random_text(rng, "abcxyz", 4), "Accept",
             "zzz", "A", "x-amz-meta-" + random_text(rng, "ABC", 3) + "q"]
    value = WORDS + "   \t\"'/=+{}:,;"
    return [[rng.choice([str.lower, str.upper, str.title])(rng.choice(names)), random_text(rng, value, 20)]
            for _ in range(rng.randrange(8))]


def random_request(rng):
    return case(method=rng.choice(["GET", "POST", "PUT"]), path=random_path(rng), query=random_query(rng),
                headers=random_headers(rng), body=random_text(rng, TEXT + "\n\r\"\\", 200),
                token=rng.choice([None, TOKEN, STS_TOKEN, "a b"]),
                region=rng.choice(["us-east-1", "eu-west-1", "cn-north-1"]),
                service=rng.choice(["sqs", "monitoring", "ecs", "sts", "service"]))


def test_a_thousand_random_requests():
    rng = random.Random(20150830)
    requests = [random_request(rng) for _ in range(1000)]
    answers = our_stages(requests)
    for request, ours in zip(requests, answers):
        assert ours == botocore_stages(request), request
    # The generator must have reached what it is for.
    assert sum(len(r["headers"]) != len({h[0].lower() for h in r["headers"]}) for r in requests) > 100
    assert sum(".." in r["path"] for r in requests) > 100
    assert sum("%" in r["query"] for r in requests) > 100
