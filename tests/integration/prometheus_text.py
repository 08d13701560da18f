"""Reads Prometheus's text format strictly, by rules written from "Exposition formats" (0.0.4) and its naming rules."""
import os
import pathlib
import re
import shutil
import subprocess

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})? (-?[0-9]+(?:\.[0-9]+)?)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')


def parse_prometheus(text):
    """{name: {labels: value}} of a text that keeps the format's rules and Prometheus's naming rules."""
    assert text.endswith("\n") and "\n\n" not in text
    samples, types, family, seen_families = {}, {}, None, set()
    pending_help = None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, pending_help, words = line.split(" ", 3)
            assert words and pending_help not in seen_families, line
            continue
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family == pending_help, f"{line}: want HELP before"
            assert kind in ("counter", "gauge", "histogram"), line
            assert (kind == "counter") == family.endswith("_total"), line
            seen_families.add(family)
            types[family] = kind
            continue
        found = SAMPLE.match(line)
        assert found, line
        name, label_text, value = found.groups()
        assert label_text != "", f"{line}: empty braces"
        labels = LABEL.findall(label_text or "")
        assert ",".join(f'{key}="{text}"' for key, text in labels) == (label_text or ""), line
        assert len({key for key, _ in labels}) == len(labels), line
        suffixes = ("_bucket", "_sum", "_count") if types[family] == "histogram" else ("",)
        assert name in [family + suffix for suffix in suffixes], f"{line} under {family}"
        assert types[family] != "counter" or float(value) >= 0, line
        of_name = samples.setdefault(name, {})
        assert tuple(labels) not in of_name, line
        of_name[tuple(labels)] = float(value)
    for family, kind in types.items():
        if kind == "histogram":
            check_histogram(samples, family)
    return samples


def check_histogram(samples, family):
    """Every series of its own: bounds rise, counts do not fall, the last is the count."""
    series = {}
    for labels, value in samples.get(family + "_bucket", {}).items():
        assert labels[-1][0] == "le"
        series.setdefault(labels[:-1], []).append((float(labels[-1][1]), value))
    assert set(series) == set(samples.get(family + "_count", {})) == set(samples.get(family + "_sum", {}))
    for labels, buckets in series.items():
        bounds = [bound for bound, _ in buckets]
        counts = [count for _, count in buckets]
        assert bounds == sorted(set(bounds)) and bounds[-1] == float("inf")
        assert counts == sorted(counts)
        assert counts[-1] == samples[family + "_count"][labels]


def promtool():
    """Prometheus's own judge, where it is installed; tests/run gets it."""
    fetched = pathlib.Path(os.environ.get("SLUICE_TEST_TOOLS", "/nowhere")) / "promtool" / "promtool"
    return str(fetched) if fetched.exists() else shutil.which("promtool")


def check_with_promtool(text):
    """Whether promtool says nothing at all against a text; True where there is no promtool."""
    if promtool() is None:
        return True
    done = subprocess.run([promtool(), "check", "metrics"], input=text, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
    return True
