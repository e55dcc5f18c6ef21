"""What make bench-store makes of the programs' answers, without running any of them."""

import ssl
import sys

import pytest
from cryptography import x509

import peers

sys.path.insert(0, str(peers.REPOSITORY / "bench/peers"))
sys.path.insert(0, str(peers.REPOSITORY / "bench/store"))

import redis_clients as clients  # noqa: E402
import figures  # noqa: E402

ROUND = {"asked": 1000, "errors": 0, "cpu_us": 50_000.0, "seconds": 0.5,
         "us": [float(us) for us in range(1, 1001)], "server_cpu_us": 20_000.0}


def entry(client=figures.US, transport="plain", **found):
    return clients.entry_of(client, "read", transport, {**ROUND, **found})


def rows(entries):
    """{header: cell} of each row."""
    header, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")]
                         for line in clients.table(entries).splitlines()]
    return [dict(zip(header, line, strict=True)) for line in lines]


def test_rounds_of_a_client_are_added():
    both = clients.together([ROUND, {**ROUND, "errors": 2, "us": [5.0]}])
    assert (both["asked"], both["errors"], both["seconds"]) == (2000, 2, 1.0)
    assert both["us"] == [*ROUND["us"], 5.0]


def test_percentiles_are_of_all_operations_of_all_rounds():
    slow = [float(us) for us in range(1001, 2001)]
    found = clients.entry_of(
        figures.US, "read", "plain", clients.together([ROUND, {**ROUND, "us": slow}]))
    assert found["us"] == {"p50": 1001, "p90": 1801, "p99": 1981, "p99.9": 1999, "max": 2000}


def test_cpu_is_told_per_operation_and_as_a_share_of_a_core():
    found = entry()
    assert found["per_second"] == 2000
    assert found["cpu_us"] == 50
    assert found["core"] == pytest.approx(0.1)
    assert found["server_cpu_us"] == 20


def test_what_was_not_done_counts_in_no_figure():
    found = entry(us=[1.0] * 500)
    assert (found["asked"], found["done"]) == (1000, 500)
    assert found["cpu_us"] == 100


def test_ratios_are_to_ours_on_the_same_transport():
    table = rows([entry(), entry("other", us=[1001.0] * 1000, cpu_us=150_000.0),
                  entry(transport="TLS", us=[2002.0] * 1000),
                  entry("other", transport="TLS", us=[1001.0] * 1000)])
    assert [row["p50 to ours"] for row in table] == ["1.00 ×", "2.00 ×", "1.00 ×", "0.500 ×"]
    assert [row["p99 to ours"] for row in table] == ["1.00 ×", "1.01 ×", "1.00 ×", "0.500 ×"]
    assert [row["CPU to ours"] for row in table] == ["1.00 ×", "3.00 ×", "1.00 ×", "1.00 ×"]


def test_operations_that_failed_or_were_not_done_show():
    row, = rows([entry(errors=3, us=[1.0] * 900)])
    assert (row["done"], row["errors"]) == ("900 of 1,000", "3")


def test_a_client_that_could_not_be_measured_is_named_with_the_reason():
    absent = {"client": "other", "operation": "read", "transport": "TLS", "absent": "no network"}
    last = rows([entry(), absent])[-1]
    assert last["client"] == "other"
    assert last["server CPU, µs"] == "not measured: no network"


def test_without_ours_there_are_no_ratios():
    row, = rows([entry("other")])
    assert (row["p50 to ours"], row["CPU to ours"]) == ("–", "–")


def test_the_servers_cpu_is_user_and_system_time():
    assert clients.cpu_of({"used_cpu_user": "1.5", "used_cpu_sys": "0.25"}) == 1_750_000


def test_the_certificate_is_for_localhost_and_signed_by_the_ca(tmp_path):
    ca, certificate, key = clients.certificates(tmp_path)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    read = x509.load_pem_x509_certificate(certificate.read_bytes())
    read.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.read_bytes()))
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]


def test_a_report_has_a_table_for_each_operation():
    found = {"machine": {"cpu": "c", "cores": 2, "load_before": 0, "load_after": 1, "date": "d"},
             "workload": {"rate": 2000.0, "seconds": 10.0, "rounds": 2},
             "store": [entry(), {**entry(), "operation": "report"}]}
    text = clients.report(found)
    assert "2,000 operations/s for 10 s, 2 times" in text
    assert text.count(f"| {figures.US} ") == 2


def test_the_page_has_the_figures_of_every_client():
    page = (peers.REPOSITORY / "docs/benchmarks.md").read_text(encoding="utf-8")
    of_store = page.partition("<!-- store figures -->\n")[2].partition("<!-- end of")[0]
    transports = len(clients.TRANSPORTS) * len(clients.OPERATIONS)
    for client in clients.clients():
        assert of_store.count(f"| {client} ") == transports


def test_figures_of_the_store_take_the_place_of_the_stores_alone():
    page = ("<!-- figures -->\na\n<!-- end of figures -->\n"
            "<!-- store figures -->\nb\n<!-- end of store figures -->\n")
    assert figures.with_figures(page, "c", "store figures") == page.replace("\nb\n", "\nc\n")
    assert figures.with_figures(page, "c") == page.replace("\na\n", "\nc\n")
