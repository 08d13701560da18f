"""sluice measure, small backlogs: every key, every order completed once, the naive consumer, bad options, clean ends."""
import json
import pathlib
import re
import signal
import subprocess
import xml.etree.ElementTree

import pytest

import harness
from harness import BIN, wait_until
from demo_harness import programs_of

pytestmark = pytest.mark.full_speed

KEYS = """threads true_rate apparent_rate duplicates peak_visible drained_s cpu_s peak_rss_kb limit_rate share_of_limit
completed deleted undeleted payments process_threads""".split()


def argv(*args):
    return [str(a) for a in [BIN / "sluice", "measure", "--speed", harness.speed(20), *args]]


def environment(tmp_path, **extra):
    return harness.environment(**{"TMPDIR": str(tmp_path), **extra})


def measure(tmp_path, *args, exit_code=0, **extra):
    done = subprocess.run(argv(*args, "--json", "--chart", tmp_path / "chart.svg"), env=environment(tmp_path, **extra),
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_every_order_is_completed_once_and_no_rate_beats_the_slots(tmp_path):
    report = measure(tmp_path, "--threads", "1,5", "--orders", 60)
    assert report["good"] and report["failures"] == []
    assert [row["threads"] for row in report["rows"]] == [1, 5]
    for row, limit in zip(report["rows"], (1 / 3, 5 / 3)):
        assert [key for key in KEYS if not isinstance(row[key], (int, float))] == []
        assert row["completed"] == row["deleted"] == row["payments"] == row["peak_visible"] == 60
        assert row["duplicates"] == row["undeleted"] == 0
        assert row["limit_rate"] == pytest.approx(limit)
        assert 0 < row["true_rate"] <= limit + 1e-6
        assert row["true_rate"] == pytest.approx(60 / row["drained_s"], rel=1e-3)
        assert row["drained_s"] >= 60 / limit
        assert row["concurrency_max"] <= min(row["threads"], 5)
        assert row["process_threads"] == row["threads"] + 1
        assert row["cpu_s"] > 0 and row["peak_rss_kb"] > 1000
    assert report["rows"][1]["source"]["peak_visible"] == 2858
    root = xml.etree.ElementTree.parse(tmp_path / "chart.svg").getroot()
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) == 2
    assert not list(tmp_path.glob("sluice-measure-*"))
    assert programs_of(tmp_path) == []


def test_the_text_has_a_line_for_each_row_and_the_published_figures(tmp_path):
    done = subprocess.run(argv("--threads", "20,7", "--orders", 10, "--service-time", "500ms"), env=environment(tmp_path),
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^ +20 +10 ", done.stdout, re.M) and re.search(r"^ +7 +10 ", done.stdout, re.M)
    assert re.search(r"^ +20 +2630 +30 min ", done.stdout, re.M)
    assert "no model of one process reaches it" in done.stdout
    assert "2746" not in done.stdout  # no row of 100 threads was asked for
    assert "20 threads, 10 orders" in done.stderr


@pytest.mark.slow
def test_many_naive_pollers_pay_twice_or_leave_messages(tmp_path):
    report = measure(tmp_path, "--naive", "--threads", "40", "--orders", 400)
    row, = report["rows"]
    assert report["naive"] and report["per_poller"] == 10
    assert row["pollers"] == 40 and row["begun_at_once"] == 400
    assert row["process_threads"] == 1
    assert row["low_visible_first_minute"] == 0  # all of them were taken at once
    assert row["duplicates"] + row["undeleted"] > 0
    assert row["drained_s"] is None or row["duplicates"] > 0
    assert row["deleted"] + row["undeleted"] == 400
    assert row["paid_undeleted"] == row["completed"] - row["deleted"]
    assert row["payments"] - row["completed"] == row["paid_again"] >= row["duplicates"]
    assert row["true_rate"] <= row["limit_rate"] + 1e-6
    assert row["concurrency_max"] <= 5


def test_one_naive_poller_that_goes_one_by_one_pays_each_order_once(tmp_path):
    report = measure(tmp_path, "--naive", "--per-poller", 1, "--threads", 1, "--orders", 12, "--service-time", "1s")
    row, = report["rows"]
    assert row["completed"] == row["payments"] == 12 and row["duplicates"] == 0
    assert row["limit_rate"] == 1 and row["concurrency_max"] == 1


@pytest.mark.slow
def test_a_naive_consumer_that_does_not_come_to_an_end_is_stopped(tmp_path):
    # A payment outlasts the visibility timeout: all but the first few deletes are void.
    report = measure(tmp_path, "--naive", "--threads", 4, "--orders", 8, "--slots", 1, "--service-time", "20s",
                     "--per-poller", 1)
    row, = report["rows"]
    assert row["duplicates"] > 0 or row["undeleted"] > 0
    assert row["deleted"] + row["undeleted"] == 8
    assert row["stopped"] or row["completed"] == 8


def test_nothing_of_the_user_s_settings_gets_in(tmp_path):
    report = measure(tmp_path, "--threads", 5, "--orders", 5, "--service-time", "500ms", AWS_PROFILE="production",
                     AWS_ENDPOINT_URL_SQS="https://sqs.us-east-1.amazonaws.com", NUM_WORKERS=7, PAYMENT_TIME="1h",
                     SQS_QUEUE_URL="https://sqs.us-east-1.amazonaws.com/1/q")
    assert report["good"] and report["rows"][0]["completed"] == 5


def test_keep_leaves_the_ledgers(tmp_path):
    measure(tmp_path, "--threads", "2,3", "--orders", 4, "--service-time", "500ms", "--keep")
    folder, = tmp_path.glob("sluice-measure-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [len(path.read_text().splitlines()) for path in sorted(folder.glob("*.ledger"))] == [4, 4]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_it_started(tmp_path, spawn, number):
    process = spawn(argv("--threads", 5, "--orders", 5000), environment(tmp_path), name="measure")
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.glob("sluice-measure-*/*.ledger")), what="a payment")
    process.signal(number)
    assert process.wait() == 1
    assert f"interrupted by signal {int(number)}" in process.stdout()
    assert programs_of(tmp_path) == []
    assert not list(tmp_path.glob("sluice-measure-*"))


def test_a_killed_measurement_leaves_no_program_behind(tmp_path, spawn):
    process = spawn(argv("--naive", "--threads", 5, "--orders", 5000), environment(tmp_path), name="measure")
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.glob("sluice-measure-*/*.ledger")), what="a payment")
    process.signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: programs_of(tmp_path) == [], what="all programs to end")


@pytest.mark.parametrize("args, words", [
    (["--threads", "0"], "--threads 0: want"),
    (["--threads", "1,,5"], "--threads 1,,5: want"),
    (["--threads", "5,1001"], "from 1 to 1000"),
    (["--orders", "0"], "orders: \"0\""),
    (["--slots", "many"], "slots: \"many\""),
    (["--service-time", "3"], "a duration with a unit"),
    (["--speed", "21"], "from 1 to 20"),
    (["--per-poller", "1"], "--naive"),
    (["--naive", "--per-poller", "11"], "from 1 to 10"),
    (["--redelivery", "never"], "last, first"),
    (["extra"], "extra"),
])
def test_bad_options_are_refused(tmp_path, args, words):
    done = subprocess.run(argv(*args), env=environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.returncode == 64, done.stdout + done.stderr
    assert words in done.stderr
    assert not list(tmp_path.glob("sluice-measure-*"))


def test_help_tells_every_option_and_the_naive_part_is_in_no_list(tmp_path):
    def said(*args):
        return subprocess.run([str(BIN / "sluice"), *args], env=environment(tmp_path), capture_output=True, text=True,
                              timeout=60).stdout

    text = said("measure", "--help")
    for option in "threads orders slots service-time speed json chart naive per-poller redelivery keep quiet".split():
        assert f"--{option}" in text
    assert "measure " in said("--help") and "measure-naive" not in said("--help")


def test_a_chart_that_cannot_be_written_is_told(tmp_path):
    done = subprocess.run(argv("--threads", 2, "--orders", 2, "--service-time", "500ms", "--chart", "/nonexistent/c.svg"),
                          env=environment(tmp_path), capture_output=True, text=True, timeout=120)
    assert done.returncode == 74
    assert "/nonexistent/c.svg" in done.stderr
    assert pathlib.Path("/nonexistent").exists() is False
