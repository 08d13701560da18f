"""Signatures: what --verify-signatures lets in and what it does not."""
import datetime
import json
import time

import pytest

import harness
from localaws_client import Client, Raw, SqsError, sign

A_YEAR_AGO_MS = int(time.time() * 1000) - 365 * 86400 * 1000
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def server(localaws):
    return localaws(args=("--create-queue", "q"))


def refused(server, **identity):
    client = Client(server.url, **identity)
    with pytest.raises(SqsError) as e:
        client.call("ListQueues")
    status, _, body = client.post(b"Action=ListQueues&Version=2012-11-05", FORM)
    client.close()
    assert status == 403
    return e.value, body.decode()


def minutes(n):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=n)


def test_a_good_signature_passes_in_both_protocols(server):
    client = Client(server.url)
    assert client.call("ListQueues")["QueueUrls"] == [server.queue_url("q")]
    status, _, body = client.post(b"Action=ListQueues&Version=2012-11-05", FORM)
    assert status == 200 and b"<QueueUrl>" in body
    path = f"/{harness.ACCOUNT}/q"
    assert client.post(b"Action=GetQueueAttributes&AttributeName.1=All", FORM, path=path)[0] == 200
    client.close()


@pytest.mark.parametrize("identity,kind,query", [
    ({"secret": "wrong"}, "InvalidSignatureException", "SignatureDoesNotMatch"),
    ({"access_key": "AKIDOTHER"}, "UnrecognizedClientException", "InvalidClientTokenId"),
    ({"region": "eu-west-1"}, "InvalidSignatureException", "SignatureDoesNotMatch"),
    ({"service": "sns"}, "InvalidSignatureException", "SignatureDoesNotMatch"),
    ({"minutes": -16}, "InvalidSignatureException", "SignatureDoesNotMatch"),
    ({"minutes": 16}, "InvalidSignatureException", "SignatureDoesNotMatch"),
], ids=["secret", "key", "region", "service", "late", "early"])
def test_wrong_signatures_are_refused_with_403(server, identity, kind, query):
    if "minutes" in identity:
        identity = {"when": minutes(identity["minutes"])}  # of the test, not of the collection
    error, xml = refused(server, **identity)
    assert error.status == 403 and error.type == kind
    assert error.headers["x-amzn-query-error"] == f"{query};Sender"
    assert f"<Code>{query}</Code>" in xml
    assert harness.SECRET_KEY not in json.dumps(error.body) + xml + server.stderr()


@pytest.mark.parametrize("offset", [-14, 14])
def test_a_clock_that_is_off_by_less_than_a_quarter_of_an_hour_passes(server, offset):
    assert Client(server.url, when=minutes(offset)).call("ListQueues")


def test_the_skew_is_judged_in_real_time_whatever_the_scale(localaws):
    server = localaws(speed=20, origin_ms=A_YEAR_AGO_MS, args=("--create-queue", "q"))  # product time is 19 years ahead
    assert Client(server.url).call("ListQueues")["QueueUrls"]
    with pytest.raises(SqsError):
        Client(server.url, when=minutes(-16)).call("ListQueues")


def test_replies_carry_the_real_date_so_that_a_client_can_correct_its_clock(localaws):
    server = localaws(speed=20, origin_ms=A_YEAR_AGO_MS)
    client = Client(server.url)
    client.call("ListQueues")
    date = datetime.datetime.strptime(client.last_headers["date"], "%a, %d %b %Y %H:%M:%S %Z")
    assert abs((date.replace(tzinfo=datetime.timezone.utc) - minutes(0)).total_seconds()) < 60


def test_unsigned_and_half_signed_requests_are_refused(server):
    raw = Raw(server.url)
    body = b"{}"
    signed = sign("POST", raw.netloc, "/", body, {"X-Amz-Target": "AmazonSQS.ListQueues"})

    def ask(headers, body=body):
        head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        raw.send(f"POST / HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        status, _, data = raw.reply()
        return status, json.loads(data).get("__type", "").split("#")[-1]

    def without(name):
        return {k: v for k, v in signed.items() if k != name}

    assert ask(signed)[0] == 200
    assert ask(without("Authorization")) == (403, "MissingAuthenticationTokenException")
    assert ask({**signed, "Authorization": "Basic eDp5"}) == (403, "IncompleteSignatureException")
    assert ask({**signed, "Authorization": signed["Authorization"][:-10]}) == (403, "IncompleteSignatureException")
    assert ask(without("X-Amz-Date")) == (403, "IncompleteSignatureException")
    assert ask(signed, b'{"QueueNamePrefix":"x"}') == (403, "InvalidSignatureException")
    assert ask({**signed, "X-Amz-Target": "AmazonSQS.PurgeQueue"}) == (403, "InvalidSignatureException")
    assert ask({**signed, "Host": "elsewhere"}) == (403, "InvalidSignatureException")
    unsigned_host = signed["Authorization"].replace("host;", "")
    assert ask({**signed, "Authorization": unsigned_host}) == (403, "InvalidSignatureException")
    assert ask({**signed, "Unsigned": "x"})[0] == 200
    raw.send("GET /_localaws/stats HTTP/1.1\r\nHost: h\r\n\r\n")
    assert json.loads(raw.reply()[2])["refused"] == 8
    raw.close()
