"""sluice demo --chaos: kill -9 of a worker and of the supervisor in mid-sale; nothing is lost, doubles are named."""
import json
import subprocess
import xml.etree.ElementTree

import harness
from harness import BIN


def test_the_sale_survives_both_kills(tmp_path):
    report_path, chart_path = tmp_path / "report.json", tmp_path / "chart.svg"
    done = subprocess.run(
        [BIN / "sluice", "demo", "--chaos", "--speed", "10", "--report", report_path, "--chart", chart_path],
        env=harness.environment(TMPDIR=str(tmp_path)), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(report_path.read_text())
    assert report["sent"] == report["completed_unique"] == 3600
    assert report["lost"] == report["failed"] == report["duplicates_unexplained"] == 0
    assert report["final_workers"] == 2

    assert [kill["what"] for kill in report["kills"]] == ["worker", "supervisor"]
    assert all(kill["payments_running"] > 0 for kill in report["kills"])
    assert 20 <= report["kills"][0]["t_s"] + 0.1 and 35 <= report["kills"][1]["t_s"] + 0.1
    assert len(report["doubles"]) == report["duplicates"]
    assert all(double["kill"] in (0, 1) for double in report["doubles"])
    # What the killed worker held came back and was paid by others.
    assert report["redelivered"] >= report["kills"][0]["payments_running"]

    between = [s for s in report["samples"] if report["kills"][1]["t_s"] < s["t_s"] < report["kills"][1]["t_s"] + 1.9]
    assert all(sample["desired"] is None and sample["ready"] == 0 for sample in between)  # nobody supervises
    after = [s for s in report["samples"] if s["t_s"] > report["kills"][1]["t_s"] + 30]
    assert max(sample["desired"] for sample in after) == 30  # the state file brought the fleet back

    texts = [e.text for e in xml.etree.ElementTree.parse(chart_path).getroot().iter("{http://www.w3.org/2000/svg}text")]
    assert "kill -9 worker" in texts and "kill -9 supervisor" in texts
