#!/usr/bin/env python3
"""Other circuit breakers and this one side by side, on this machine, in one run (make bench-peers):
what a call costs, what the store sees, and how many calls fail until a fleet has stopped.

    compare.py [--only calls|store|fleet] [--workload FILE] [--out FILE] [--page FILE]

Prints tables and writes what was measured as JSON. workload.json says how much of what is done.
Every breaker runs at its own defaults, but all that share a Redis stay open for a minute.

A program that measures calls gets THREADS REPETITIONS SECONDS and prints, as JSON, the nanoseconds
per call of each repetition, without a breaker ("bare") and under each.

A program that is one process of a fleet gets BREAKER HOST:PORT NAME CALLS_PER_SECOND, prints
"ready", and then for every line "BEGIN FAIL_FROM END FAIL_SHARE" (Unix time in ms) calls at its
pace between BEGIN and END. From FAIL_FROM on, this share of the calls that are made fails. It
answers with {"asked", "healthy", "errors", "failed_ms": [ms after FAIL_FROM], "us": [time of each
call]}; "healthy" are calls made before FAIL_FROM, "errors" are errors of the breaker itself.
"""

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import figures

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY / "tests/peers"))

import peers  # noqa: E402
from child import Child  # noqa: E402

CACHE = peers.CACHE
BUILD = REPOSITORY / "build/bench"
WORKLOAD = json.loads((HERE / "workload.json").read_text(encoding="utf-8"))


def version(file, package):
    return figures.pinned((HERE / file).read_text(encoding="utf-8"), package)


def reason(text):
    """The line of a failed command's output that says why: its first error, or its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")


def run(command, **options):
    """The output of a command. Raises RuntimeError with the reason."""
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, **options)
    if done.returncode != 0:
        said = reason(done.stderr or done.stdout) or f"ended with {done.returncode}"
        raise RuntimeError(f"{Path(command[0]).name}: {said}")
    return done.stdout


def needs(group):
    """Fails with the reason if a group of scripts/bench_peers.sh is not there."""
    if not (CACHE / group).exists():
        logs = sorted(CACHE.glob(f"{group}-*.log"))
        said = reason(logs[-1].read_text(errors="replace")) if logs else ""
        raise RuntimeError(said or f"{group} is not installed")
    return CACHE / group


def go_program(module, group="bench-go"):
    """Builds the program in a folder."""
    group = needs(group)
    environment = {**os.environ, "GOPATH": str(group / "path"), "GOCACHE": str(group / "build"),
                   "GOMODCACHE": str(group / "modules"), "CGO_ENABLED": "0", "GOPROXY": "off",
                   "GOTOOLCHAIN": "local", "GOWORK": "off",
                   "GOFLAGS": "-mod=readonly -buildvcs=false -modcacherw"}
    program = BUILD / module.parent.name / module.name
    run([CACHE / "py/bin/go", "build", "-o", program, "."], cwd=module, env=environment)
    return program


# ---- What a call costs: {name: samples} for so many threads -----------------------------------


def arguments(threads):
    calls = WORKLOAD["calls"]
    return [str(a) for a in (threads, calls["repetitions"], calls["seconds"])]


def calls_cpp(threads):
    calls = WORKLOAD["calls"]
    report = run([BUILD / "call_path_bench", f"--benchmark_filter=^call/(bare|run)/.*:{threads}$",
                  f"--benchmark_repetitions={calls['repetitions']}",
                  f"--benchmark_min_time={calls['seconds']}",
                  "--benchmark_enable_random_interleaving=true", "--benchmark_format=json"])
    samples = figures.google_benchmark(json.loads(report))[threads]
    return {"bare": samples["bare"], figures.US: samples["run"]}


def calls_go(threads):
    return json.loads(run([go_program(HERE / "go_calls"), *arguments(threads)]))


def calls_node(threads):
    group = needs("bench-node")
    environment = {**os.environ, "NODE_PATH": str(group / "node_modules")}
    return json.loads(run([group / "node", HERE / "node/calls.js", *arguments(threads)],
                          env=environment))


def calls_java(threads):
    calls = WORKLOAD["calls"]
    jars = f"{needs('bench-java')}/lib/*"
    classes = BUILD / "peers/java"
    report = classes / f"calls-{threads}.json"
    classes.mkdir(parents=True, exist_ok=True)
    run(["javac", "-cp", jars, "-d", classes, HERE / "java/Calls.java"])
    run(["java", "-cp", f"{classes}:{jars}", "org.openjdk.jmh.Main", "-t", str(threads), "-f", "1",
         "-wi", "2", "-w", "1s", "-i", str(calls["repetitions"]),
         "-r", f"{int(calls['seconds'] * 1000)}ms", "-rf", "json", "-rff", report])
    return figures.jmh(json.loads(report.read_text(encoding="utf-8")))


def calls_rust(threads):
    run(["cargo", "build", "-q", "--release", "--offline", "--locked",
         "--manifest-path", HERE / "rust/Cargo.toml", "--target-dir", BUILD / "peers/rust"],
        env={**os.environ, "CARGO_HOME": str(needs("bench-rust"))})
    return json.loads(run([BUILD / "peers/rust/release/calls", *arguments(threads)]))


# language, {name in the samples: name in the table}, function, threads that it has
def call_programs():
    both = WORKLOAD["calls"]["threads"]

    def named(file, name, package=None):
        return f"{name} {version(file, package or name)}"

    opossum = named("node/package.json", "opossum")
    return [
        ("C++", {figures.US: figures.US}, calls_cpp, both),
        ("Go", {"gobreaker": named("go_calls/go.mod", "gobreaker", "gobreaker/v2"),
                "failsafe-go": named("go_calls/go.mod", "failsafe-go", "failsafe-go/failsafe-go")},
         calls_go, both),
        ("Java", {"resilience4j": named("java/pom.xml", "resilience4j",
                                        "resilience4j-circuitbreaker")}, calls_java, both),
        ("Node", {"opossum": opossum, "opossum, timeout: false": f"{opossum}, timeout: false",
                  "cockatiel": named("node/package.json", "cockatiel")}, calls_node, [1]),
        ("Rust", {name: named("rust/Cargo.toml", name) for name in ("recloser", "failsafe")},
         calls_rust, both),
    ]


def measure_calls():
    """In rounds, so that a busy minute of the machine does not meet one language alone."""
    entries = {}
    for number, (language, names, measure, threads_of) in itertools.product(
            range(WORKLOAD["calls"]["rounds"]), call_programs()):
        print(f"calls: {language}, round {number + 1}", file=sys.stderr, flush=True)
        for threads, shown in itertools.product(threads_of, names.values()):
            entries.setdefault((shown, threads), {
                "breaker": shown, "language": language, "threads": threads, "bare": [],
                "guarded": []})
        for threads in threads_of:
            try:
                samples = measure(threads)
                for name, shown in names.items():
                    entries[shown, threads]["bare"] += samples["bare"]
                    entries[shown, threads]["guarded"] += samples[name]
            except (OSError, RuntimeError, ValueError, KeyError) as error:
                for shown in names.values():
                    entries[shown, threads]["absent"] = str(error)
    return list(entries.values())


# ---- Processes that share a Redis ---------------------------------------------------------------


def paced_cpp():
    return [BUILD / "peers_paced"]


def paced_go():
    return [go_program(HERE / "go_redis")]


def paced_python():
    return [needs("bench-py") / "bin/python", HERE / "python/paced.py"]


# What a program is told to be, what the table calls it, the program
def paced_breakers():
    go = version("go_redis/go.mod", "gobreaker/v2")
    python = "python/requirements.in"
    return [
        ("switchgear-redis", figures.US, paced_cpp),
        ("gobreaker-redis", f"gobreaker {go}, Redis", paced_go),
        ("interlock-redis", f"interlock {version(python, 'interlock-cb')}, Redis", paced_python),
        ("pybreaker-redis", f"pybreaker {version(python, 'pybreaker')}, Redis", paced_python),
    ]


LOCAL = ("gobreaker", "gobreaker {}, each process alone", paced_go)


class Program(Child):
    """Is told lines and answers with lines."""

    def __init__(self, arguments):
        super().__init__(arguments, env=peers.clean_environment(), stdin=subprocess.PIPE)

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            said = reason(self.process.stderr.read().decode(errors="replace"))
            raise RuntimeError(said or "the process ended")
        return line.decode().strip()

    def tell(self, *words):
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()


class Process(Program):
    def __init__(self, program, breaker, redis, rate):
        super().__init__([*program, breaker, f"127.0.0.1:{redis.port}", "payments-api", rate])


class Fleet:
    """So many processes under one breaker, on a Redis of their own."""

    def __init__(self, program, breaker, count, rate, redis):
        self.redis = redis
        self.processes = [Process(program, breaker, redis, rate) for _ in range(count)]
        for process in self.processes:
            assert process.hear() == "ready"

    def counts(self, connection):
        return figures.redis_counts(connection.command("INFO", "everything"))

    def phase(self, healthy, failing, share=1):
        """The answers of all, and (commands, reads) of the healthy and of the failing part."""
        begin = int(time.time() * 1000) + 200 + 10 * len(self.processes)
        fail_from = begin + int(healthy * 1000)
        end = fail_from + int(failing * 1000)
        # A call that begins before the end may reach its dependency after it.
        share = share if failing else 0
        for process in self.processes:
            process.tell(begin, fail_from, end, share)
        connection = self.redis.connect()
        counts = []
        for moment in (begin, fail_from, end):
            time.sleep(max(0, moment / 1000 - time.time()))
            counts.append(self.counts(connection))
        connection.close()
        parts = [(after[0] - before[0], after[1] - before[1] - 1)  # our own INFO is one read
                 for before, after in zip(counts, counts[1:])]
        return [json.loads(process.hear()) for process in self.processes], parts

    def stop(self):
        for process in self.processes:
            process.kill()
            process.stop()


def fleet_of(make_program, breaker, count, rate, act):
    """act(fleet), with a Redis that lives as long."""
    program = make_program()
    with tempfile.TemporaryDirectory() as folder, peers.Redis(Path(folder)) as redis:
        fleet = Fleet(program, breaker, count, rate, redis)
        try:
            return act(fleet)
        finally:
            fleet.stop()


def store_phases(fleet):
    seconds, share = WORKLOAD["store"]["seconds"], WORKLOAD["store"]["fail_share"]
    fleet.phase(1, 0)  # connections and scripts are there
    found = {}
    for phase, healthy, failing, failing_share in (
            ("healthy", seconds, 0, 1), ("some fail", 0, seconds, share), (None, 0, 3, 1),
            ("open", 0, seconds, 1)):
        answers, parts = fleet.phase(healthy, failing, failing_share)
        commands, reads = parts[0] if healthy else parts[1]
        if phase:
            found[phase] = {"commands": commands, "reads": reads, **answers[0]}
    return found


def measure_store():
    entries = []
    rate = WORKLOAD["store"]["calls_per_second"]
    for breaker, name, program in paced_breakers():
        print(f"store: {name}", file=sys.stderr, flush=True)
        try:
            phases = fleet_of(program, breaker, 1, rate, store_phases)
            entries.append({"breaker": name, "phases": phases})
        except (OSError, RuntimeError, ValueError) as error:
            entries.append({"breaker": name, "absent": str(error)})
    return entries


def fleet_run(fleet, share):
    healthy, failing = WORKLOAD["fleet"]["healthy_seconds"], WORKLOAD["fleet"]["failing_seconds"]
    fleet.phase(1, 0)
    answers, (before, _) = fleet.phase(healthy, failing, share)
    failed = sorted(ms / 1000 for a in answers for ms in a["failed_ms"])
    # Stopped means that nothing failed in the last fifth of the time.
    stopped = not failed or failed[-1] < 0.8 * failing
    return {"failed": len(failed), "stopped_s": (failed[-1] if failed else 0) if stopped else None,
            "lasted": failing, "errors": sum(a["errors"] for a in answers),
            "failed_s": failed, "healthy_calls_per_s": sum(a["healthy"] for a in answers) / healthy,
            "healthy_reads_per_s": before[1] / healthy}


def measure_fleet():
    """{share of calls that fail: entries}."""
    w = WORKLOAD["fleet"]
    local = (LOCAL[0], LOCAL[1].format(version("go_redis/go.mod", "gobreaker/v2")), LOCAL[2])
    breakers = [*paced_breakers(), local]
    found = {share: {name: {"breaker": name, "runs": []} for _, name, _ in breakers}
             for share in w["fail_shares"]}
    for number, share, (breaker, name, program) in itertools.product(
            range(w["runs"]), w["fail_shares"], breakers):
        entry = found[share][name]
        if "absent" in entry:
            continue
        print(f"fleet: {name}, {share:.0%} fail, run {number + 1}", file=sys.stderr, flush=True)
        try:
            entry["runs"].append(fleet_of(program, breaker, w["processes"], w["calls_per_second"],
                                          lambda fleet: fleet_run(fleet, share)))
        except (OSError, RuntimeError, ValueError) as error:
            found[share][name] = {"breaker": name, "absent": str(error)}
    return {share: list(entries.values()) for share, entries in found.items()}


# ---- All of it ----------------------------------------------------------------------------------


def machine():
    model = next((line.partition(":")[2].strip() for line in
                  Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
                 platform.machine())
    return {"cpu": model, "cores": os.cpu_count(), "load_before": os.getloadavg()[0],
            "date": time.strftime("%Y-%m-%d", time.gmtime())}


def report(found):
    calls, store, fleet = (WORKLOAD[k] for k in ("calls", "store", "fleet"))
    m = found["machine"]
    parts = [f"{m['cpu']}, {m['cores']} cores, {m['date']}; load {m['load_before']:.1f} before and "
             f"{m['load_after']:.1f} after."]
    if "calls" in found:
        parts += [f"Time added to a call that succeeds ({calls['rounds']} rounds of "
                  f"{calls['repetitions']} repetitions of "
                  f"{calls['seconds'] * 1000:g} ms, lower quartiles):",
                  figures.calls_table(found["calls"])]
    if "store" in found:
        says = {"healthy": "every call succeeds", "open": "the circuit is open",
                "some fail": f"{store['fail_share']:.0%} of the calls fail"}
        for phase, table in figures.store_tables(found["store"]):
            parts += [f"One process at {store['calls_per_second']} calls/s on Redis, "
                      f"{says[phase]}:", table]
    for share, entries in found.get("fleet", {}).items():
        which = "every call" if float(share) == 1 else f"{float(share):.0%} of the calls"
        parts += [f"{fleet['processes']} processes at {fleet['calls_per_second']} calls/s each, "
                  f"from the moment when {which} would fail (median, lowest and highest of "
                  f"{fleet['runs']} runs):", figures.fleet_table(entries)]
    return "\n\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description="Other breakers and this one side by side")
    parser.add_argument("--only", choices=["calls", "store", "fleet"])
    parser.add_argument("--out", type=Path, default=BUILD / "peers.json")
    parser.add_argument("--page", type=Path, help="a document that takes the tables, too")
    parser.add_argument("--workload", type=Path, help="instead of workload.json")
    options = parser.parse_args()
    if options.workload:
        WORKLOAD.update(json.loads(options.workload.read_text(encoding="utf-8")))

    (BUILD / "peers").mkdir(parents=True, exist_ok=True)
    found = {"machine": machine(), "workload": WORKLOAD}
    for part, measure in (("calls", measure_calls), ("store", measure_store),
                          ("fleet", measure_fleet)):
        if options.only in (None, part):
            found[part] = measure()
    found["machine"]["load_after"] = os.getloadavg()[0]
    options.out.write_text(json.dumps(found) + "\n", encoding="utf-8")
    text = report(found)
    options.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        options.page.write_text(figures.with_figures(page, text), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
