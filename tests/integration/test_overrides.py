"""Operators' orders over the admin socket: scale, pause, resume and explain, on local and on ECS fleets."""
import http.client
import json
import os
import signal
import socket

import pytest

from harness import wait_until
from supervisor_harness import run_sluice, scripted, world  # noqa: F401, a fixture
from test_supervisor_ecs import make, scaling  # noqa: F401, fixtures


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def ask(supervisor, method, path, body=None):
    connection = UnixConnection(supervisor.socket)
    connection.request(method, path, body if body is None or isinstance(body, bytes) else json.dumps(body))
    reply = connection.getresponse()
    data = reply.read()
    connection.close()
    return reply.status, json.loads(data)


def sluice(supervisor, command, *arguments):
    return run_sluice(command, "--socket", supervisor.socket, *arguments, env=supervisor.env)


def order(supervisor, command, *arguments):
    """Gives an order that must be taken; returns the supervisor's answer."""
    done = sluice(supervisor, command, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def decisions(supervisor):
    return [record for record in supervisor.journal() if "obs" in record]


def orders(supervisor):
    return [record["override"] for record in supervisor.journal() if "override" in record and "obs" not in record]


def wait_decision(supervisor, condition, what):
    """The first decision in the journal that fits."""
    return wait_until(lambda: next(filter(condition, decisions(supervisor)), None), timeout_s=60, what=what)


def test_scale_acts_at_once_and_is_journalled_with_who_and_why(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=6)
    supervisor.wait_ready(2)
    body = {"desired": 5, "for": "2h", "reason": "a sale at noon"}
    status, answer = ask(supervisor, "POST", "/v1/fleets/orders/scale", body)
    assert status == 200, answer
    assert (answer["from"], answer["to"], answer["why"], answer["replaced"]) == (2, 5, "scaled", None)
    assert supervisor.fleet()["desired"] == 5  # nobody waited for a poll
    (noted,) = orders(supervisor)
    assert (noted["action"], noted["desired"], noted["for"], noted["reason"]) == ("scale", 5, "2h", "a sale at noon")
    assert (noted["uid"], noted["pid"]) == (os.getuid(), os.getpid())
    assert noted["until_ms"] - noted["since_ms"] == 7_200_000
    supervisor.wait_ready(5)
    world.sqs.send(world.queue_url, ["x"] * 700)
    held = wait_decision(supervisor, lambda d: d["obs"]["visible"] and d["obs"]["visible"]["value"] == 700, "700 orders seen")
    assert (held["to"], held["why"], held["proposal"]["desired"]) == (5, "pinned", 6)
    (said,) = supervisor.messages("an operator's order")
    assert said["reason"] == "a sale at noon" and said["uid"] == os.getuid()
    words = sluice(supervisor, "status").stdout
    assert "SCALED to 5 by " in words and "a sale at noon" in words and f"uid {os.getuid()}" in words
    assert sluice(supervisor, "resume", "orders").returncode == 0
    supervisor.wait_ready(6)  # growth is eager


def test_an_order_survives_kill_9_and_ends_in_the_next_supervisor(world):
    first = world.supervise(scripted(), minimum=2, maximum=6)
    first.wait_ready(2)
    answer = order(first, "scale", "orders", 4, "--for", "2h", "--reason", "stock taking")
    first.kill()
    second = world.supervise(scripted(), name="second", minimum=2, maximum=6)
    fleet = second.wait_ready(4)
    assert fleet["override"] == answer["override"]
    assert 0 < fleet["override_left_ms"] <= 7_200_000
    wait_decision(second, lambda d: d["why"] == "pinned" and d["override"]["desired"] == 4, "a pinned decision")
    done = sluice(second, "resume", "orders", "--reason", "counted")
    assert done.returncode == 0 and "ended: scale by " in done.stdout and "stock taking" in done.stdout
    assert second.fleet()["override"] is None
    assert [noted["action"] for noted in orders(second)] == ["scale", "resume"]  # one journal over both lives
    again = sluice(second, "resume", "orders")
    assert again.returncode == 0 and "nothing to resume" in again.stdout


def test_when_the_time_is_over_the_policy_shrinks_patiently(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=6,
                                 policy={"scale_in_after": "20s", "cooldown": "2s"})
    supervisor.wait_ready(2)
    assert order(supervisor, "scale", "orders", 6, "--for", "30s", "--reason", "x")["to"] == 6
    supervisor.wait_fleet(lambda fleet: fleet["desired"] == 2, "the policy's shrinks", timeout_s=180)
    told = decisions(supervisor)
    scaled = next(i for i, d in enumerate(told) if d["why"] == "scaled")
    after = next(d for d in told[scaled:] if "override" not in d)
    assert after["to"] == after["from"] == 6
    assert after["timers_ms"]["shrink_hold"] == 20_000
    under = [d for d in told[scaled:] if "override" in d]
    assert all(d["to"] == 6 for d in under) and all(d["t_ms"] < told[scaled]["t_ms"] + 30_000 for d in under)
    shrinks = [d for d in told[scaled:] if d["to"] < d["from"]]
    assert [d["to"] for d in shrinks] == [4, 3, 2] and all(d["why"] == "policy" for d in shrinks)
    assert shrinks[0]["t_ms"] >= after["t_ms"] + 20_000


def test_the_end_of_an_order_waits_for_no_poll(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=6, queue={"poll": "10m"})
    supervisor.wait_fleet(lambda fleet: fleet["decisions"], "the first poll")
    first = wait_decision(supervisor, lambda d: d["obs"]["visible"], "the first sample")
    answer = order(supervisor, "scale", "orders", 5, "--for", "10s", "--reason", "x")
    after = wait_decision(supervisor, lambda d: d["t_ms"] >= answer["override"]["until_ms"], "the end of the order")
    assert "override" not in after and after["to"] == 5
    # It was decided on the very sample of the first poll.
    assert after["t_ms"] - after["obs"]["visible"]["age_ms"] == first["t_ms"] - first["obs"]["visible"]["age_ms"]


def test_pause_changes_nothing_until_resume(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=6)
    supervisor.wait_ready(2)
    answer = order(supervisor, "pause", "orders", "--reason", "database maintenance")
    assert answer["override"]["for"] == "1h"
    world.sqs.send(world.queue_url, ["x"] * 700)
    wait_until(lambda: sum(d["obs"]["visible"]["value"] == 700 for d in decisions(supervisor) if d["obs"]["visible"]) >= 3,
               timeout_s=60, what="decisions on 700 orders")
    assert {(d["to"], d["why"]) for d in decisions(supervisor) if "override" in d} == {(2, "paused")}
    assert "PAUSED by " in sluice(supervisor, "status").stdout
    # Whoever ends is still replaced.
    victim = supervisor.pids()[0]
    os.kill(victim, signal.SIGKILL)
    supervisor.wait_fleet(lambda f: f["ready"] == 2 and victim not in [w["pid"] for w in f["workers"]], "another worker")
    replaced = order(supervisor, "scale", "orders", 3, "--for", "1h", "--reason", "half")["replaced"]
    assert replaced["action"] == "pause"  # the newest order holds
    assert order(supervisor, "resume", "orders")["to"] == 6


@pytest.mark.parametrize("mode", ["changes", "off"])
def test_orders_are_written_where_only_changes_are_and_nothing_when_off(world, mode):
    config = world.configuration(scripted(), minimum=2, maximum=6)
    config["fleets"][0]["journal"] = mode
    supervisor = world.supervise(scripted(), minimum=2, maximum=6, fleets=config["fleets"])
    supervisor.wait_ready(2)
    order(supervisor, "pause", "orders", "--reason", "x")
    order(supervisor, "scale", "orders", 5, "--for", "1m", "--reason", "y")
    if mode == "off":
        assert not (supervisor.state_dir / "orders.journal.jsonl").exists()
        return
    kinds = ["config" if "config" in r else r["why"] if "obs" in r else r["override"]["action"] for r in supervisor.journal()]
    assert kinds == ["config", "pause", "config", "scale", "config", "scaled"]


BAD = [
    ("POST", "orders/scale", {"desired": 7, "for": "1h", "reason": "x"}, 409, "desired: 7: want a whole number from 2 to 6"),
    ("POST", "orders/scale", {"desired": 1, "for": "1h", "reason": "x"}, 409, "desired: 1: want a whole number from 2 to 6"),
    ("POST", "orders/scale", {"desired": 3, "reason": "x"}, 400, "for: missing: want a duration"),
    ("POST", "orders/scale", {"desired": 3, "for": "8d", "reason": "x"}, 400, 'for: "8d": want a duration'),
    ("POST", "orders/scale", {"desired": 2.5, "for": "1h", "reason": "x"}, 400, "desired: 2.5: want a whole number"),
    ("POST", "orders/scale", {"desired": 3, "for": "1h", "reason": "x", "now": True}, 400, "now: unknown key"),
    ("POST", "orders/scale", b'{"desired": 3, "desired": 4}', 400, "the body is no JSON: "),
    ("POST", "orders/scale", b"", 400, "desired: missing"),
    ("POST", "orders/scale", b"{\"reason\": \"" + b"x" * 5000 + b"\"}", 413, "bytes"),
    ("POST", "orders/pause", {}, 400, "reason: missing"),
    ("POST", "orders/pause", {"reason": "a\u001b[31mb"}, 400, "reason: has control characters"),
    ("POST", "nobody/pause", {"reason": "x"}, 404, 'no fleet is called "nobody": want one of orders'),
    ("POST", "orders/stop", {}, 404, "no such action: want scale, pause or resume"),
    ("POST", "orders", {}, 404, "want /v1/fleets/NAME/scale"),
    ("GET", "orders/scale", None, 405, "this path takes POST only"),
]


def test_what_is_wrong_is_refused_with_what_is_wanted_and_changes_nothing(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=6)
    supervisor.wait_ready(2)
    for method, path, body, code, words in BAD:
        status, answer = ask(supervisor, method, f"/v1/fleets/{path}", body)
        assert (status, words in answer["error"]) == (code, True), (path, body, status, answer)
    for query, code, words in [("", 400, "fleet: missing: want one of orders"), ("?fleet=no", 404, "want one of orders"),
                               ("?fleet=orders&last=0", 400, "from 1 to 32"), ("?fleet=orders&last=x", 400, "from 1 to 32")]:
        status, answer = ask(supervisor, "GET", f"/v1/explain{query}")
        assert (status, words in answer["error"]) == (code, True), (query, answer)
    assert orders(supervisor) == [] and supervisor.fleet()["override"] is None
    assert supervisor.fleet()["desired"] == 2


def test_the_commands_refuse_with_their_exit_codes(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=6)
    supervisor.wait_ready(2)
    for arguments, code, words in [
        (("scale", "orders", "9", "--for", "1h", "--reason", "x"), 1, "want a whole number from 2 to 6 (capacity of the fleet)"),
        (("pause", "nobody", "--reason", "x"), 1, "want one of orders"),
        (("explain", "no body/&"), 1, 'no fleet is called "no body/&"'),
        (("scale", "orders", "--for", "1h", "--reason", "x"), 64, "N: missing"),
        (("scale", "orders", "many", "--for", "1h", "--reason", "x"), 64, 'N: "many": want a whole number'),
        (("scale", "orders", "3", "--reason", "x"), 64, "--for: missing"),
        (("scale", "orders", "3", "--for", "9d", "--reason", "x"), 64, "from 1s to 7d"),
        (("scale", "orders", "3", "--for", "1h"), 64, "--reason: missing"),
        (("pause", "orders", "--reason", "x" * 201), 64, "--reason: too long"),
        (("resume",), 64, "FLEET: missing"),
        (("resume", "orders", "now"), 64, "too many operands"),
        (("explain", "orders", "--last", "33"), 64, "from 1 to 32"),
    ]:
        done = sluice(supervisor, *arguments)
        assert (done.returncode, words in done.stderr) == (code, True), (arguments, done)
    gone = run_sluice("pause", "orders", "--reason", "x", "--socket", world.folder / "none.sock", env=supervisor.env)
    assert gone.returncode == 69 and "no supervisor answers" in gone.stderr
    assert order(supervisor, "pause", "orders", "--config", supervisor.config_path, "--reason", "x")["fleet"] == "orders"


def test_explain_tells_the_last_decision_why_not_and_the_changes(world):
    world.sqs.send(world.queue_url, ["x"] * 100)
    supervisor = world.supervise(scripted(), minimum=2, maximum=6)
    supervisor.wait_fleet(lambda fleet: fleet["desired"] >= 4, "growth")
    order(supervisor, "scale", "orders", 6, "--for", "2h", "--reason", "explained")
    supervisor.wait_ready(6)
    wait_decision(supervisor, lambda d: d["why"] == "pinned", "a pinned decision")
    words = sluice(supervisor, "explain", "orders")
    assert words.returncode == 0
    for text in ["fleet orders (threshold, 2..6): 6 desired", "order    SCALED to 6 by ", ": explained", "result   hold at 6: ",
                 "why not  an operator ordered this number", "queue    visible 100 (", " old)", "policy   threshold wants ",
                 "terms    visible 100", "waits    ", "changes\n", "visible 100 > 20: +2 to 4 (was 2)"]:
        assert text in words.stdout, (text, words.stdout)
    told = json.loads(sluice(supervisor, "explain", "orders", "--json", "--last", 32).stdout)
    assert told["override"]["reason"] == "explained" and told["desired"] == 6
    assert told["last"][0]["record"]["why"] == "pinned" and told["last"][0]["steps"] >= 1
    seqs = [run["record"]["seq"] for run in told["last"]]
    assert seqs == sorted(seqs, reverse=True)
    assert all(change["record"]["from"] != change["record"]["to"] for change in told["changes"])
    assert told["changes"][-1]["record"]["from"] == 2
    assert len(json.loads(sluice(supervisor, "explain", "orders", "--json").stdout)["last"]) == 1


def test_orders_are_taken_on_the_socket_alone(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=6, admin={"listen": "127.0.0.1:0"})
    supervisor.wait_ready(2)
    address = supervisor.status()["admin"]["listen"]
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("POST", "/v1/fleets/orders/pause", json.dumps({"reason": "x"}))
    reply = connection.getresponse()
    assert reply.status in (404, 405), reply.read()
    connection.close()
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("GET", "/v1/explain?fleet=orders")
    reply = connection.getresponse()
    assert reply.status == 200 and json.loads(reply.read())["fleet"] == "orders"
    connection.close()
    assert supervisor.fleet()["override"] is None and orders(supervisor) == []


def test_a_draining_supervisor_takes_no_orders(world):
    supervisor = world.supervise(scripted("--ignore-term"), minimum=2, maximum=6, fleet={"stop_grace": "20m"})
    supervisor.wait_ready(2)
    pids = supervisor.pids()
    supervisor.popen.send_signal(signal.SIGTERM)
    wait_until(lambda: supervisor.status()["state"] == "draining", timeout_s=60, what="the drain")
    done = sluice(supervisor, "scale", "orders", "5", "--for", "1h", "--reason", "x")
    assert done.returncode == 1 and "draining" in done.stderr
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert supervisor.popen.wait(timeout=60) == 0


def test_an_ecs_fleet_follows_orders_against_foreign_writers_and_shrinks_patiently_after(make):
    world = make()
    world.create(2)
    supervisor = world.supervise(policy={"scale_in_after": "20s", "cooldown": "2s"})
    supervisor.wait_ready(2)
    order(supervisor, "scale", "orders", 8, "--for", "2h", "--reason", "load test")
    world.wait_desired(8)
    supervisor.wait_ready(8)
    world.set_desired(3)  # adopted, as configured, and the order is made anew
    supervisor.wait_fleet(lambda fleet: fleet["service"]["drifts"] == 1, "the foreign writer")
    world.wait_desired(8)
    supervisor.wait_ready(8)
    assert order(supervisor, "scale", "orders", 5, "--for", "2h", "--reason", "smaller")["to"] == 5
    world.wait_desired(5)
    answer = order(supervisor, "resume", "orders")
    assert answer["to"] == 5
    supervisor.wait_fleet(lambda fleet: fleet["desired"] == 2, "the policy's shrinks", timeout_s=180)
    world.wait_desired(2)
    told = decisions(supervisor)
    shrinks = [d for d in told if d["to"] < d["from"] and d["why"] == "policy"]
    assert [d["to"] for d in shrinks] == [4, 3, 2]
    resumed = next(r for r in supervisor.journal() if "obs" not in r and r.get("override", {}).get("action") == "resume")
    assert shrinks[0]["t_ms"] >= resumed["t_ms"] + 20_000


def test_an_order_to_shrink_waits_for_facts_about_the_service(make):
    world = make()
    world.create(2)
    supervisor = world.supervise()
    order(supervisor, "scale", "orders", 8, "--for", "2h", "--reason", "x")
    world.wait_desired(8)
    supervisor.wait_ready(8)
    world.server.faults("POST", {"operation": "DescribeServices", "kind": "throttle"})
    seen = decisions(supervisor)[-1]["seq"]
    wait_decision(supervisor, lambda d: d["seq"] > seen and d["obs"]["scale_in_hold"]["value"] == 3, "old facts")
    answer = order(supervisor, "scale", "orders", 4, "--for", "2h", "--reason", "y")
    assert (answer["to"], answer["why"]) == (8, "fleet_unknown")
    world.server.faults("DELETE")
    world.wait_desired(4)
