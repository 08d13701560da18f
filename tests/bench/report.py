"""Medians, ratios, bars and the text of the worker benchmark."""
import statistics

FIGURES = ("msgs_per_s", "msgs_per_cpu_s", "cpu_s_per_1000", "calls_per_1000", "p50_us", "p99_us", "peak_rss_kib",
           "idle_rss_kib", "idle_private_dirty_kib", "in_flight_max", "client_core_share", "server_cpu_s_per_1000",
           "others_on_client_core", "of_best_schedule", "of_limit", "received_again", "waiting_max")
MORE_IS_BETTER = ("msgs_per_s", "msgs_per_cpu_s")
LESS_IS_BETTER = ("calls_per_1000", "p50_us", "p99_us", "peak_rss_kib")


def progress(run):
    head = f"{run['scenario']} {run['round']} {run['client']}: "
    if "failed" in run:
        return head + "failed: " + run["failed"]
    share = f", {run['of_best_schedule']:.4f} of the best" if "of_best_schedule" in run else ""
    return head + (f"{run['msgs_per_s']:,.0f} msg/s, {run['cpu_s_per_1000']:.4f} CPU s per 1,000,"
                   f" {run['calls_per_1000']:.0f} calls per 1,000, in flight {run['in_flight_max']}{share}")


def ratios(runs, ours):
    """How many times better ours is: medians over the rounds in which both were measured."""
    pairs = [(ours[run["round"]], run) for run in runs if run["round"] in ours]
    result = {}
    for name in MORE_IS_BETTER + LESS_IS_BETTER:
        values = []
        for mine, other in pairs:
            more, less = (mine, other) if name in MORE_IS_BETTER else (other, mine)
            if less[name] > 0:
                values.append(more[name] / less[name])
        if values:
            result[name] = round(statistics.median(values), 3)
    return result


def summary(scenario, clients, runs):
    """Rows by client, ours first; the best rival is the one with the most messages per CPU second."""
    good = [run for run in runs if "failed" not in run]
    rows = []
    ours = {run["round"]: run for run in good if run["client"] == clients[0].name}
    for client in clients:
        own = [run for run in good if run["client"] == client.name]
        failed = [run["failed"] for run in runs if run["client"] == client.name and "failed" in run]
        if not own and not failed:
            continue
        row = {"client": client.name, "kind": client.kind, "version": client.version, "runs": len(own)}
        if failed:
            row["failed"] = failed
        if own:
            row["messages"] = own[0]["messages"]
            for name in FIGURES:
                values = [run[name] for run in own if name in run]
                if values:
                    row[name] = statistics.median(values)
            row["msgs_per_s_range"] = [min(run["msgs_per_s"] for run in own), max(run["msgs_per_s"] for run in own)]
            row["ratios"] = ratios(own, ours)
        rows.append(row)
    rivals = [row for row in rows[1:] if "msgs_per_cpu_s" in row]
    result = {"title": scenario.title, "rows": rows}
    if rivals and ours:
        best = max(rivals, key=lambda row: row["msgs_per_cpu_s"])
        result["best_rival"] = best["client"]
        result["ratio_msgs_per_cpu_s_vs_best_rival"] = best["ratios"]["msgs_per_cpu_s"]
    return result


def bars(result):
    """What has to hold, as far as it was measured."""
    found = []

    def bar(name, value, sign, want):
        if value is not None:
            ok = value >= want if sign == ">=" else value <= want
            found.append({"name": name, "value": value, "want": f"{sign} {want:g}", "ok": bool(ok)})

    def ours(part, name):
        rows = result.get(part, {}).get("rows") or [{}]
        return rows[0].get(name)

    noop = result.get("noop", {})
    bar("noop: messages per CPU second, times the best rival's", noop.get("ratio_msgs_per_cpu_s_vs_best_rival"),
        ">=", 3)
    for kind in ("sqs-consumer", "boto3"):
        times = [row["ratios"]["msgs_per_cpu_s"] for row in noop.get("rows", [])
                 if row["kind"] == kind and "ratios" in row]
        bar(f"noop: messages per CPU second, times those of {kind} at its best", min(times, default=None), ">=", 12)
    bar("noop: CPU s per 1,000 messages", ours("noop", "cpu_s_per_1000"), "<=", 0.012)
    calls = ours("noop", "calls_per_1000")
    bar("noop: calls per 1,000 messages, to the nearest", calls and round(calls), "<=", 200)
    bar("idle RSS, KiB", ours("noop", "idle_rss_kib"), "<=", 16 * 1024)
    bar("idle private dirty, KiB", ours("noop", "idle_private_dirty_kib"), "<=", 6 * 1024)
    bar("busy RSS, KiB", ours("noop", "peak_rss_kib"), "<=", 24 * 1024)
    bar("handling 10 ms: share of threads / time", ours("handling_10ms", "of_limit"), ">=", 0.97)
    bar("handling 100 ms: share of threads / time", ours("handling_100ms", "of_limit"), ">=", 0.97)
    bar("mixed: messages that waited for a thread, the most", ours("mixed", "waiting_max"), "<=", 10)
    bar("mixed: share of the best schedule", ours("mixed", "of_best_schedule"), ">=", 0.99)
    for part in ("handling_10ms", "handling_100ms", "mixed"):
        bar(f"{part.replace('_', ' ')}: calls per 1,000 messages", ours(part, "calls_per_1000"), "<=", 225)
    return found


COLUMNS = [("msg/s", "msgs_per_s", "{:,.0f}"), ("CPU s/1000", "cpu_s_per_1000", "{:.4f}"),
           ("msg/CPU s", "msgs_per_cpu_s", "{:,.0f}"), ("calls/1000", "calls_per_1000", "{:.0f}"),
           ("p50 ms", "p50_us", "ms"), ("p99 ms", "p99_us", "ms"), ("RSS MiB", "peak_rss_kib", "mib"),
           ("in flight", "in_flight_max", "{:.0f}"),
           ("waiting", "waiting_max", "{:.0f}"), ("of best", "of_best_schedule", "{:.1%}")]


def cell(row, name, form):
    if name not in row:
        return "-"
    if form == "ms":
        return f"{row[name] / 1000:,.2f}"
    if form == "mib":
        return f"{row[name] / 1024:.1f}"
    return form.format(row[name])


def table(part):
    columns = [c for c in COLUMNS if any(c[1] in row for row in part["rows"])]
    lines = [["client", *(c[0] for c in columns), "ours is better: msg/CPU s", "msg/s", "RSS", "p99"]]
    for row in part["rows"]:
        better = row.get("ratios", {})
        times = [f"{better[name]:.2f}x" if name in better else "-"
                 for name in ("msgs_per_cpu_s", "msgs_per_s", "peak_rss_kib", "p99_us")]
        lines.append([row["client"], *(cell(row, c[1], c[2]) for c in columns), *times])
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], ["---"] * len(lines[0]), *lines[1:]])


def text(result):
    machine = result["machine"]
    parts = [f"{result['date']}, {result['command']}, commit {result['commit']}, {result['rounds']} rounds",
             f"{machine['cpu']}, {machine['cpus']} CPUs (server {machine['server_cpu']}, client {machine['client_cpu']}),"
             f" {machine['os']}, Linux {machine['kernel']}, load {machine['load_before'][0]:.1f} before,"
             f" {machine['load_after'][0]:.1f} after"]
    for part in result.values():
        if not isinstance(part, dict) or "rows" not in part:
            continue
        parts += ["", f"### {part['title']}", "", table(part)]
        busy = [row.get("others_on_client_core", 0) for row in part["rows"]]
        parts.append(f"\nother programs on the client's processor, median: {max(busy, default=0):.0%} at most")
        parts += [f"{row['client']}: {len(row['failed'])} runs failed: {row['failed'][0]}"
                  for row in part["rows"] if "failed" in row]
    idle = [row for row in result.get("noop", {}).get("rows", []) if "idle_rss_kib" in row]
    if idle:
        parts += ["", "### Memory, MiB", "", "| client | idle RSS | idle private dirty | busy RSS |", "|---|---|---|---|"]
        parts += ["| " + " | ".join([row["client"], *(f"{row[name] / 1024:.1f}" for name in (
            "idle_rss_kib", "idle_private_dirty_kib", "peak_rss_kib"))]) + " |" for row in idle]
    parts += ["", "### Bars", ""]
    parts += [f"{'ok    ' if bar['ok'] else 'MISSED'} {bar['name']}: {bar['value']:g} ({bar['want']})"
              for bar in result["bars"]]
    parts += ["", "versions: " + "; ".join(f"{name} {version}" for name, version in result["versions"].items())]
    parts += [f"not measured: {row['client']}: {row['why']}" for row in result["not_measured"]]
    return "\n".join(parts)
