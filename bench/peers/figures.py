"""From what the programs measured to figures and tables. Pure functions of their arguments."""

import functools
import random
import re
import statistics

US = "Switchgear"
WHY = "not measured: "


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def typical(values):
    """The lower quartile: what else a machine does can only make a repetition longer."""
    return percentile(values, 0.25)


@functools.cache
def _added(bare, guarded, resamples=500):
    rng = random.Random(1)

    def resampled(values):
        return typical(rng.choices(values, k=len(values)))

    differences = sorted(resampled(guarded) - resampled(bare) for _ in range(resamples))
    return (typical(guarded) - typical(bare),
            differences[int(0.025 * resamples)], differences[int(0.975 * resamples)])


def added(bare, guarded):
    """(added, low, high): by how much `guarded` typically exceeds `bare`, and the bounds of the
    95 % bootstrap interval of that."""
    return _added(tuple(bare), tuple(guarded))


def google_benchmark(report):
    """{threads: {name: [nanoseconds per call and thread]}} of Google Benchmark's JSON."""
    samples = {}
    for run in report["benchmarks"]:
        if run["run_type"] == "iteration":
            name = run["run_name"].split("/")[1]
            threads = run["threads"]
            # Its real time is the time of all threads together over the calls of all.
            of_thread = samples.setdefault(threads, {}).setdefault(name, [])
            of_thread.append(run["real_time"] * threads)
    return samples


def jmh(report):
    """{name: [nanoseconds per call]} of JMH's JSON."""
    return {run["benchmark"].rpartition(".")[2]:
            [ns for fork in run["primaryMetric"]["rawData"] for ns in fork] for run in report}


def redis_counts(info):
    """(commands executed, reads from clients) of Redis's INFO, commands in scripts included. A
    client that waits for its answer before it asks again costs one read for each round trip."""
    commands = sum(int(calls) for name, calls in
                   re.findall(r"^cmdstat_(\S+?):calls=(\d+)", info, re.M) if name != "info")
    return commands, int(re.search(r"^total_reads_processed:(\d+)", info, re.M).group(1))


def pinned(text, name):
    """The version that a lock file or manifest gives for a package."""
    return re.search(re.escape(name) + r"\D*?(\d+\.\d+(?:\.\d+)?)", text).group(1)


def with_figures(page, text, name="figures"):
    """A document with what stands between its marks of this name replaced."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    return page[:page.index(begin) + len(begin)] + text + page[page.index(end):]


def number(value):
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    digits = max(0, 2 - int(f"{value:e}".partition("e")[2]))
    return f"{value:,.{digits}f}"


def ratio(value, ours):
    return "–" if not ours else f"{number(value / ours)} ×"


def markdown(header, rows):
    """A table; the first column is text, the others are numbers."""
    cells = [header, *rows]
    # A reason why something is absent may be long; it does not widen its column.
    widths = [max(len(str(row[i])) for row in cells if not str(row[-1]).startswith(WHY))
              for i in range(len(header))]

    def line(row):
        padded = [str(cell).ljust(w) if i == 0 else str(cell).rjust(w)
                  for i, (cell, w) in enumerate(zip(row, widths))]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (w + 1) + ("-" if i == 0 else ":") for i, w in enumerate(widths))
    return "\n".join([line(header), rule + "|", *map(line, rows)])


def _absent(entry, columns):
    return [entry["breaker"], *[""] * (columns - 2), f"{WHY}{entry['absent']}"]


def _ordered(entries, key):
    """Best first, those that are absent last."""
    return sorted(entries, key=lambda e: (1, 0) if "absent" in e else (0, key(e)))


def calls_table(entries):
    """entries: {breaker, language, threads, bare, guarded} or {breaker, absent}."""
    ours = {e["threads"]: added(e["bare"], e["guarded"])[0]
            for e in entries if e["breaker"].startswith(US) and "absent" not in e}
    header = ["breaker", "language", "threads", "bare, ns", "added, ns", "95 % interval",
              "to ours"]
    rows = []
    present = [e for e in entries if "absent" not in e]
    for e in sorted(present, key=lambda e: (e["threads"], added(e["bare"], e["guarded"])[0])):
        value, low, high = added(e["bare"], e["guarded"])
        rows.append([e["breaker"], e["language"], e["threads"],
                     number(typical(e["bare"])), number(value),
                     f"{number(low)} to {number(high)}", ratio(value, ours.get(e["threads"]))])
    absent = {e["breaker"]: e for e in entries if "absent" in e}
    rows += [_absent(e, len(header)) for e in absent.values()]
    return markdown(header, rows)


PHASES = ["healthy", "some fail", "open"]


def store_tables(entries):
    """entries: {breaker, phases: {phase: {asked, commands, reads, us}}} or {breaker, absent}.
    One table for each phase."""
    tables = []
    for phase in PHASES:
        ours = next((e["phases"][phase] for e in entries
                     if e["breaker"].startswith(US) and "phases" in e), None)
        header = ["breaker", "commands per call", "round trips per call", "to ours",
                  "median, µs", "p99, µs", "to ours"]
        rows = []
        for e in _ordered(entries, lambda e: statistics.median(e["phases"][phase]["us"])):
            if "absent" in e:
                rows.append(_absent(e, len(header)))
                continue
            p = e["phases"][phase]
            median = statistics.median(p["us"])
            rows.append([e["breaker"], number(p["commands"] / p["asked"]),
                         number(p["reads"] / p["asked"]),
                         ratio(p["reads"] / p["asked"],
                               ours["reads"] / ours["asked"] if ours else 0),
                         number(median),
                         number(percentile(p["us"], 0.99)),
                         ratio(median, statistics.median(ours["us"]) if ours else None)])
        tables.append((phase, markdown(header, rows)))
    return tables


def _spread(values, form=number):
    low, middle, high = min(values), statistics.median(values), max(values)
    return form(middle) if low == high else f"{form(middle)} ({form(low)} to {form(high)})"


def fleet_table(entries):
    """entries: {breaker, runs: [{failed, stopped_s, lasted, healthy_calls_per_s,
    healthy_reads_per_s, errors}]} or {breaker, absent}. stopped_s is None where failed calls
    went on until the end."""
    ours = next((statistics.median(r["failed"] for r in e["runs"]) for e in entries
                 if e["breaker"].startswith(US) and "runs" in e), None)
    header = ["breaker", "failed calls", "to ours", "until all stopped, s",
              "calls/s while healthy", "round trips/s while healthy"]
    rows = []
    for e in _ordered(entries, lambda e: statistics.median(r["failed"] for r in e["runs"])):
        if "absent" in e:
            rows.append(_absent(e, len(header)))
            continue
        runs = e["runs"]
        stopped = [r["stopped_s"] for r in runs]
        until = (f"not within {number(runs[0]['lasted'])}" if None in stopped
                 else _spread(stopped))
        rows.append([e["breaker"], _spread([r["failed"] for r in runs]),
                     ratio(statistics.median(r["failed"] for r in runs), ours), until,
                     _spread([r["healthy_calls_per_s"] for r in runs]),
                     _spread([r["healthy_reads_per_s"] for r in runs])])
    return markdown(header, rows)
