"""sluice plan: the source's table in words and as JSON, the derived rate, prices, and what is refused."""
import json
import re
import subprocess

import pytest

import harness
from harness import BIN

pytestmark = pytest.mark.full_speed

SOURCE = ["--rate", "60", "--per-worker", "1.67,1.83,2.48", "--price-per-worker", "5"]


def plan(*arguments, exit_code=0):
    done = subprocess.run([BIN / "sluice", "plan", *map(str, arguments)], env=harness.environment(), capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert (done.stdout == "") == (exit_code != 0) and (done.stderr == "") == (exit_code == 0)
    return done.stdout if exit_code == 0 else done.stderr


def plan_json(*arguments):
    return json.loads(plan(*arguments, "--json"))


def line_with(text, *words):
    found = [line for line in text.splitlines() if all(word in line for word in words)]
    assert len(found) == 1, (words, text)
    return found[0]


def test_the_source_table_in_words():
    text = plan(*SOURCE)
    table = [line.split() for line in text.splitlines() if " given " in line]
    assert [row[:6] for row in table] == [["1.67/s", "given", "36", "60.1/s", "$180", "2,917"],
                                          ["1.83/s", "given", "33", "60.4/s", "$165", "3,182"],
                                          ["2.48/s", "given", "25", "62.0/s", "$125", "4,200"]]
    assert "exceeds max 30; the slot limit 1.667/s, rounded up" in line_with(text, "1.67/s")
    assert "exceeds max 30; exceeds its slot limit 1.667/s: 33 complete 55.0/s" in line_with(text, "1.83/s")
    claimed = line_with(text, "2.48/s")
    assert "max" not in claimed and "exceeds its slot limit 1.667/s: 25 complete 41.7/s" in claimed
    assert line_with(text, "(24 workers").strip().startswith("$525,000 / (24 workers x $5 = $120) = 4,375;")
    assert line_with(text, "(25 workers").strip().startswith("$525,000 / (25 workers x $5 = $125) = 4,200;")


def test_the_source_table_as_json():
    told = plan_json(*SOURCE)
    rows = told["rows"]
    assert [row["workers"] for row in rows] == [36, 33, 25]
    assert [row["cost_usd_per_month"] for row in rows] == [180, 165, 125]
    assert [round(row["capacity_per_s"], 1) for row in rows] == [60.1, 60.4, 62.0]
    assert [row["exceeds_max"] for row in rows] == [True, True, False]
    assert [row["slot_limit"] for row in rows] == ["rounded", "above", "above"]
    assert [row["exceeds_slot_limit"] for row in rows] == [False, True, True]
    assert rows[2]["return_on_cost_ratio"] == 4200
    assert [(r["workers"], r["cost_usd_per_month"], r["return_on_cost_ratio"]) for r in told["returns"]] == [
        (24, 120, 4375), (25, 125, 4200)]
    assert told["slot_limit"] == {"per_s": pytest.approx(5 / 3), "numerator_orders": 5, "denominator_s": 3}


def test_derived_from_slots_and_time():
    arguments = ["--rate", "60", "--slots", "5", "--service-time", "3s"]
    told = plan_json(*arguments)
    assert told["rows"] == [told["derived"]]
    row = told["derived"]
    assert (row["origin"], row["workers"], row["exceeds_max"], row["fleet_workers"]) == ("derived", 36, True, 30)
    assert row["fleet_capacity_per_s"] == 50
    assert row["sale"] == {"behind_at_end_orders": 600, "peak_behind_orders": 600, "drained_at_s": 72,
                           "longest_wait_s": 12, "mean_wait_s": 6}
    assert row["steady"]["fleet_is_stable"] is False and row["steady"]["workers"] == 37
    text = plan(*arguments)
    assert ("36 workers > max 30, which leaves 50.0/s: 600 orders behind after 60 s, drained at 72 s at best" in
            line_with(text, "> max 30"))
    assert "> max" not in plan(*arguments, "--max", 36)


def test_words_and_json_tell_the_same():
    arguments = [*SOURCE, "--max", 40, "--start-time", "20s", "--messages-per-month", 50_000_000,
                 "--cloudwatch-metrics", 3]
    text, told = plan(*arguments), plan_json(*arguments)
    row = told["derived"]
    # 60/s against 2 workers of 5/3 for 20 s, then against 36 or 37 workers
    assert row["sale"]["peak_behind_orders"] == pytest.approx((60 - 10 / 3) * 20)
    assert f"{row['sale']['behind_at_end_orders']:,.0f}" in line_with(text, "  36 ", "60.0/s", " s  ")
    sqs = told["sqs"]
    assert sqs["requests_per_month"] == 50_000_000 * 1.2 + 262_800 + 525_600
    assert f"${sqs['standard_usd_per_month']:.2f} standard, ${sqs['fifo_usd_per_month']:.2f} FIFO" in text
    assert f"${told['cloudwatch']['usd_per_month']:.2f} a month" in line_with(text, "CloudWatch: 3 metrics")
    for launch in ("fargate_x86", "fargate_arm", "fargate_x86_spot", "fargate_arm_spot"):
        task = told["tasks"][launch]
        found = [line for line in text.splitlines() if line.split()[:1] == [launch]]
        assert found[0].split()[1:] == [f"${task[key]:.2f}" for key in (
            "task_usd_per_month", "idle_min_usd_per_month", "max_usd_per_month", "derived_usd_per_month")]
    assert told["prices"]["as_of"] in line_with(text, "Prices of")
    assert len(told["price_sources"]) == len(re.findall(r"two sources agree|NOT verified", text))


def test_without_a_price_a_task_is_the_price():
    told = plan_json("--launch", "fargate_arm")
    assert told["input"]["price_from"] == "fargate_arm"
    assert told["input"]["price_usd_per_worker_month"] == pytest.approx(730 * (0.25 * 0.03238 + 0.5 * 0.00356))
    assert plan_json("--price-per-worker", 5)["input"]["price_from"] == "option"


def test_prices_can_be_overridden(tmp_path):
    path = tmp_path / "prices.json"
    prices = plan_json()["prices"]
    path.write_text(json.dumps({**prices, "as_of": "2027-01-02", "fargate_x86_vcpu_hour_usd": 0.08}))
    told = plan_json("--prices", path, "--price", "sqs_fifo_million_usd=0.9,hours_per_month=700")
    assert told["prices"] == {**prices, "as_of": "2027-01-02", "fargate_x86_vcpu_hour_usd": 0.08,
                              "sqs_fifo_million_usd": 0.9, "hours_per_month": 700}
    assert told["tasks"]["fargate_x86"]["task_usd_per_month"] == pytest.approx(700 * (0.25 * 0.08 + 0.5 * 0.004445))
    assert told["prices_file"] == str(path) and told["price_sources"] == []
    text = plan("--prices", path, "--price", "sqs_fifo_million_usd=0.9")
    assert "Prices of 2027-01-02" in text and "by --price: sqs_fifo_million_usd=0.9" in text
    assert "verified" not in text


@pytest.mark.parametrize("content, words", [
    ("{", "line 1"),
    ("{\"as_of\":\"2027-01-02\",\"as_of\":\"2027-01-02\"}", "duplicate"),
    ("{}", "as_of: missing"),
    ("{\"as_of\":\"2027-01-02\",\"fargate\":1}", "fargate: unknown key"),
])
def test_bad_price_files_are_bad_data(tmp_path, content, words):
    path = tmp_path / "prices.json"
    path.write_text(content)
    told = plan("--prices", path, exit_code=65)
    assert str(path) in told and words in told
    assert "nothing.json" in plan("--prices", tmp_path / "nothing.json", exit_code=74)


@pytest.mark.parametrize("arguments, words", [
    (["--rate", "0"], "--rate 0: want a number above 0"),
    (["--rate", "-1"], "--rate -1: want"),
    (["--rate", "fast"], "--rate fast: want"),
    (["--rate", "0.0000001"], "at most 6 digits"),
    (["--per-worker", "1.67,,2"], "--per-worker 1.67,,2: want"),
    (["--per-worker", "1.67,"], "--per-worker 1.67,: want"),
    (["--per-worker", ""], "--per-worker : want"),
    (["--per-worker", ",".join(["1"] * 17)], "at most 16"),
    (["--service-time", "0"], "service_time: \"0\": want"),
    (["--service-time", "3"], "service_time: \"3\": want"),
    (["--slots", "-1"], "slots: \"-1\": want a whole number from 0 to 10000"),
    (["--threads", "0"], "threads: \"0\": want"),
    (["--min", "31"], "--min 31: want at most --max 30"),
    (["--max", "0"], "max: \"0\": want"),
    (["--sale", "0"], "sale: \"0\": want"),
    (["--price-per-worker", "-5"], "price_per_worker: \"-5\": want a number from 0"),
    (["--return-workers", "24,x"], "--return-workers 24,x: want"),
    (["--return-workers", "24,"], "--return-workers 24,: want"),
    (["--return-workers", "1.5"], "--return-workers 1.5: want"),
    (["--task-memory", "600"], "--task-memory 600: want 512, 1024 or 2048"),
    (["--launch", "lambda"], "one of fargate_x86"),
    (["--price", "x=1"], "no such price"),
    (["--what"], "unknown option --what"),
    (["operand"], "too many operands"),
])
def test_bad_options_are_named(arguments, words):
    assert words in plan(*arguments, exit_code=64)


def test_notes_and_limits_of_what_is_told():
    assert "8 slots are more than 3 threads can use" in plan("--slots", 8, "--threads", 3)
    assert plan_json("--slots", 8, "--threads", 3)["slot_limit"]["per_s"] == 1
    assert plan_json("--slots", 0, "--threads", 7)["slot_limit"]["per_s"] == pytest.approx(7 / 3)
    assert "Return on cost" not in plan("--revenue", 0)
    assert "Return on cost" not in plan("--return-workers", "")
    assert plan_json("--return-workers", "")["returns"] == []
    huge = plan_json("--rate", 1000000, "--max", 10000, "--slots", 0, "--threads", 10000, "--service-time", "1h")
    assert all(huge["derived"]["steady"][key] is None for key in ("servers", "wait_probability_ratio", "mean_wait_s"))


def test_help_comes_from_the_table():
    text = plan("--help")
    for option in ("--rate N", "--per-worker N,...", "--service-time TIME", "--prices FILE", "default 525000"):
        assert option in text
