"""What make bench-peers makes of the programs' answers, without running any of them."""

import json
import re
import sys

import pytest

import peers

HERE = peers.REPOSITORY / "bench/peers"
sys.path.insert(0, str(HERE))

import compare  # noqa: E402
import figures  # noqa: E402

CALLS = [
    {"breaker": "Switchgear", "language": "C++", "threads": 1, "bare": [1, 1, 1],
     "guarded": [21, 21, 21]},
    {"breaker": "other 1.0", "language": "Go", "threads": 1, "bare": [2, 2, 900],
     "guarded": [102, 102, 900]},
]
ABSENT = {"breaker": "third 2.0", "absent": "no such version"}


def rows(table):
    """The cells of each row, header first."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert len({len(line) for line in lines}) == 1, table
    return [lines[0], *lines[2:]]


def test_what_is_added_is_the_difference_of_lower_quartiles_within_its_interval():
    value, low, high = figures.added([10, 11, 12, 500], [20, 21, 900, 23])
    assert value == 10
    assert low <= value <= high


def test_more_scatter_makes_a_wider_interval():
    def width(step):
        _, low, high = figures.added([10] * 20, [30 + step * (i % 5) for i in range(20)])
        return high - low
    assert width(4) > width(1) > 0


def test_an_interval_is_the_same_every_time():
    bare, guarded = [1.0, 2.0, 3.0], [5.0, 7.0, 6.0]
    assert figures.added(bare, guarded) == figures.added(bare, guarded)


def test_google_benchmark_tells_the_time_of_a_call_in_each_thread():
    report = {"benchmarks": [
        {"run_type": "iteration", "run_name": "call/run/real_time/threads:2", "threads": 2,
         "real_time": 15.0},
        {"run_type": "aggregate", "run_name": "call/run/real_time/threads:2", "threads": 2,
         "real_time": 1.0},
    ]}
    assert figures.google_benchmark(report) == {2: {"run": [30.0]}}


def test_jmh_tells_the_time_of_every_iteration():
    report = [{"benchmark": "Calls.bare", "primaryMetric": {"rawData": [[1.5, 1.6]]}}]
    assert figures.jmh(report) == {"bare": [1.5, 1.6]}


def test_commands_are_counted_without_our_own_look_at_them():
    info = ("# Stats\r\ntotal_reads_processed:12\r\n# Commandstats\r\n"
            "cmdstat_info:calls=9,usec=1\r\ncmdstat_set:calls=3,usec=1\r\n"
            "cmdstat_client|setinfo:calls=2,usec=1\r\n")
    assert figures.redis_counts(info) == (5, 12)


@pytest.mark.parametrize("value, text", [
    (0, "0"), (0.01234, "0.0123"), (3.14159, "3.14"), (47.26, "47.3"), (812.4, "812"),
    (12345.6, "12,346"), (-2.5, "-2.50")])
def test_numbers_have_three_digits(value, text):
    assert figures.number(value) == text


def test_the_calls_are_listed_cheapest_first_with_their_ratio_to_ours():
    table = rows(figures.calls_table(CALLS))
    assert [row[0] for row in table] == ["breaker", "Switchgear", "other 1.0"]
    assert [row[4] for row in table[1:]] == ["20.0", "100"]
    assert [row[-1] for row in table[1:]] == ["1.00 ×", "5.00 ×"]


def test_where_we_lose_the_table_says_so():
    slower = [{**CALLS[0], "guarded": [401] * 3}, CALLS[1]]
    table = rows(figures.calls_table(slower))
    assert [row[0] for row in table[1:]] == ["other 1.0", "Switchgear"]
    assert table[1][-1] == "0.250 ×"


def test_what_could_not_be_measured_is_named_with_the_reason():
    phases = {phase: {"asked": 10, "commands": 40, "reads": 20, "us": [1, 2, 3]}
              for phase in figures.PHASES}
    tables = [figures.calls_table([*CALLS, ABSENT]),
              *[t for _, t in figures.store_tables([{"breaker": "a", "phases": phases}, ABSENT])],
              figures.fleet_table([ABSENT])]
    for table in tables:
        last = rows(table)[-1]
        assert last[0] == "third 2.0"
        assert last[-1] == "not measured: no such version"


def test_store_operations_are_told_per_call():
    phases = {phase: {"asked": 10, "commands": 40, "reads": 20, "us": [1, 2, 3]}
              for phase in figures.PHASES}
    for _, table in figures.store_tables([{"breaker": "Switchgear", "phases": phases}]):
        assert rows(table)[1] == [
            "Switchgear", "4.00", "2.00", "1.00 ×", "2.00", "3.00", "1.00 ×"]


def test_a_fleet_that_does_not_stop_is_said_not_to_have_stopped():
    def entry(name, failed, stopped):
        run = {"failed": failed, "stopped_s": stopped, "lasted": 10, "healthy_calls_per_s": 1000,
               "healthy_reads_per_s": 4, "errors": 0}
        return {"breaker": name, "runs": [run, {**run, "failed": failed + 2}]}
    table = rows(figures.fleet_table([entry("endless", 900, None), entry("Switchgear", 8, 0.2)]))
    assert table[1][:4] == ["Switchgear", "9.00 (8.00 to 10.0)", "1.00 ×", "0.200"]
    assert table[2][3] == "not within 10.0"


class Silent:
    """A fleet whose processes answer at once."""

    def __init__(self, failed_ms):
        self.answer = {"healthy": 300, "errors": 0, "failed_ms": failed_ms}

    def phase(self, healthy, failing, share=1):
        return [self.answer, {**self.answer, "failed_ms": []}], [(40, 20), (0, 0)]


def test_failed_calls_of_all_processes_are_counted_until_the_last():
    found = compare.fleet_run(Silent([10, 400]), 1)
    healthy = compare.WORKLOAD["fleet"]["healthy_seconds"]
    assert (found["failed"], found["stopped_s"]) == (2, 0.4)
    assert found["healthy_calls_per_s"] == 600 / healthy
    assert found["healthy_reads_per_s"] == 20 / healthy


def test_failed_calls_near_the_end_mean_that_it_did_not_stop():
    failing = compare.WORKLOAD["fleet"]["failing_seconds"]
    assert compare.fleet_run(Silent([10, failing * 900]), 1)["stopped_s"] is None


def test_a_breaker_that_is_not_installed_is_absent_with_what_its_installation_said(
        tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "CACHE", tmp_path)
    (tmp_path / "bench-go-0123.log").write_text("trying\nno such module\n")
    with pytest.raises(RuntimeError, match="^no such module$"):
        compare.needs("bench-go")
    with pytest.raises(RuntimeError, match="bench-node is not installed"):
        compare.needs("bench-node")


def test_the_reason_of_a_failed_command_is_its_first_error():
    assert compare.reason("[INFO] a\n[ERROR] b\n[ERROR] see also c\n") == "[ERROR] b"
    assert compare.reason("") == ""


def test_new_figures_take_the_place_of_the_old_ones():
    page = "a\n<!-- figures -->\nold\n<!-- end of figures -->\nb\n"
    assert figures.with_figures(page, "new") == page.replace("old", "new")


def test_every_breaker_has_a_pinned_version():
    names = [name for _, names, _, _ in compare.call_programs() for name in names.values()]
    assert len(names) == 9
    assert all(re.search(r" \d+\.\d+\.\d+\b", name) for name in names if name != figures.US)


def test_the_page_names_every_breaker_that_is_compared():
    page = (peers.REPOSITORY / "docs/benchmarks.md").read_text(encoding="utf-8")
    names = [name for _, names, _, _ in compare.call_programs() for name in names.values()]
    for name in names + [name for _, name, _ in compare.paced_breakers()]:
        assert f"| {name} " in page


def test_a_report_has_all_tables():
    phases = {phase: {"asked": 10, "commands": 40, "reads": 20, "us": [1, 2, 3]}
              for phase in figures.PHASES}
    found = {"machine": {"cpu": "c", "cores": 2, "load_before": 0, "load_after": 1, "date": "d"},
             "calls": CALLS, "store": [{"breaker": "Switchgear", "phases": phases}],
             "fleet": {1: [ABSENT], 0.5: [ABSENT]}}
    assert len(re.findall(r"^\|-", compare.report(json.loads(json.dumps(found))), re.M)) == 6
