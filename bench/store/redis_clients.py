#!/usr/bin/env python3
"""The Redis store beside redis-py and go-redis, on one server, in one run (make bench-store):
latency and CPU of store operations at a fixed pace, plain and over TLS.

    redis_clients.py [--rate N] [--seconds N] [--rounds N] [--out FILE] [--page FILE]

Prints tables and writes what was measured as JSON.

All send the very same words: EVALSHA of our script with the keys and arguments of one circuit. A
program gets URL CA_FILE OPERATION RATE SECONDS and reads {"script", "keys", "arguments"} from its
first line. It connects, verifies the server by CA_FILE where the URL has TLS, warms up, prints
"ready", and begins with the next line. Operation i is due i / RATE seconds later, answered or not
what was before, and all are begun that are due within SECONDS; after twice that time it gives up.
It answers with {"asked", "errors", "cpu_us": its own CPU time, "seconds": what all took, "us":
[time from when each operation was due until its answer]}.
"""

import argparse
import ctypes
import datetime
import functools
import ipaddress
import itertools
import json
import os
import sys
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))

import compare  # noqa: E402
import figures  # noqa: E402
import peers  # noqa: E402
from figures import US, markdown, number, percentile, ratio  # noqa: E402

OPERATIONS = {"read": "read the circuit", "report": "add to the circuit's sums, and read it"}
TRANSPORTS = ("plain", "TLS")
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
PR_SET_TIMERSLACK = 29


def certificates(folder):
    """A CA and a certificate for localhost: the paths of CA, certificate and key."""
    now = datetime.datetime.now(datetime.timezone.utc)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name, name = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
                     for text in ("bench CA", "localhost"))

    def signed(subject, public_key, extension):
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name)
                .public_key(public_key).serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(hours=1))
                .not_valid_after(now + datetime.timedelta(days=1))
                .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
                .sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    contents = {
        "ca.pem": signed(ca_name, ca_key.public_key(),
                         x509.BasicConstraints(ca=True, path_length=None)),
        "cert.pem": signed(name, key.public_key(), names),
        "key.pem": key.private_bytes(serialization.Encoding.PEM,
                                     serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption())}
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    return [folder / file for file in contents]


class Server(peers.Redis):
    """One Redis that listens on a plain port and on one with TLS."""

    def __init__(self, folder):
        super().__init__(folder)
        self.ca_file, cert, key = certificates(self.folder)
        self.tls_port = peers.free_port()
        self.options = [f"tls-port {self.tls_port}", f"tls-cert-file {cert}",
                        f"tls-key-file {key}", f"tls-ca-cert-file {self.ca_file}",
                        "tls-auth-clients no"]

    def url_of(self, transport):
        plain = transport == "plain"
        return f"redis://localhost:{self.port}" if plain else f"rediss://localhost:{self.tls_port}"

    def cpu_us(self):
        return cpu_of(self._info("cpu"))


def cpu_of(info):
    return 1e6 * (float(info["used_cpu_user"]) + float(info["used_cpu_sys"]))


@functools.cache
def go_program():
    return compare.go_program(HERE / "go_redis", "bench-go-store")


def clients():
    """What the table calls each, and how its program is made."""
    python = figures.pinned(
        (compare.HERE / "python/requirements.in").read_text(encoding="utf-8"), "redis==")
    go = figures.pinned((HERE / "go_redis/go.mod").read_text(encoding="utf-8"), "go-redis/v9")

    def by_python():
        return [compare.needs("bench-py") / "bin/python", HERE / "redis_py.py"]

    # redis-py parses in C where it finds hiredis.
    return {
        US: lambda: [compare.BUILD / "switchgear_ops"],
        f"redis-py {python}": by_python,
        f"redis-py {python}, hiredis": lambda: [
            "env", f"PYTHONPATH={compare.needs('bench-hiredis') / 'lib'}", *by_python()],
        f"go-redis {go}": lambda: [go_program()],
    }


def refuses_strangers(program, server, words, operation):
    """Raises RuntimeError where a client takes the server's certificate for that of anybody."""
    with tempfile.TemporaryDirectory() as folder:
        another_ca = certificates(Path(folder))[0]
        client = compare.Program(
            [*program, server.url_of("TLS"), another_ca, operation, 10, 1])
        try:
            client.tell(json.dumps(words[operation]))
            heard = client.process.stdout.readline()
        finally:
            client.stop()
    if heard:
        raise RuntimeError("it does not verify the server")


def measure_one(make_program, server, words, operation, transport, options):
    """One round of one client."""
    program = make_program()
    if transport == "TLS":
        refuses_strangers(program, server, words, operation)
    client = compare.Program([*program, server.url_of(transport), server.ca_file, operation,
                              options.rate, options.seconds])
    try:
        client.tell(json.dumps(words[operation]))
        if client.hear() != "ready":
            raise RuntimeError("did not get ready")
        before = server.cpu_us()
        client.tell("go")
        found = json.loads(client.hear())
        return {**found, "server_cpu_us": server.cpu_us() - before}
    finally:
        client.stop()


def together(rounds):
    """The rounds of one client as one: counts and times added, samples in one list."""
    return {key: sum((r[key] for r in rounds), [] if key == "us" else 0) for key in rounds[0]}


def entry_of(client, operation, transport, found):
    """What one client did, as figures; `found`: of all its rounds."""
    done = len(found["us"])
    return {"client": client, "operation": operation, "transport": transport,
            "asked": found["asked"], "done": done, "errors": found["errors"],
            "per_second": done / found["seconds"],
            "us": {name: percentile(found["us"], share) for name, share in SHARES.items()}
            | {"max": max(found["us"])},
            "cpu_us": found["cpu_us"] / done,
            "core": found["cpu_us"] / 1e6 / found["seconds"],
            "server_cpu_us": found["server_cpu_us"] / done}


def measure(options):
    # Sleeps end on time in all clients alike: a process inherits this, and of three ways to wait
    # only one would not come up to 50 µs late without it.
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    rounds, absent = {}, {}
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        words = json.loads(compare.run(
            [compare.BUILD / "switchgear_ops", server.url_of("plain"), "prepare"]))
        # In rounds, so that a busy minute of the machine does not meet one client alone.
        for number_of, operation, transport, (client, program) in itertools.product(
                range(options.rounds), OPERATIONS, TRANSPORTS, clients().items()):
            print(f"{operation}, {transport}: {client}, round {number_of + 1}", file=sys.stderr,
                  flush=True)
            key = (client, operation, transport)
            try:
                rounds.setdefault(key, []).append(
                    measure_one(program, server, words, operation, transport, options))
            except (OSError, RuntimeError, ValueError) as error:
                absent[key] = str(error)
    return [{"client": key[0], "operation": key[1], "transport": key[2], "absent": absent[key]}
            if key in absent else entry_of(*key, together(found))
            for key, found in rounds.items()]


def table(entries):
    """Of one operation: a row for each client and transport, ratios to ours on the same one."""
    header = ["client", "transport", "done", "errors", "per s", *SHARES, "max", "p50 to ours",
              "p99 to ours", "CPU, µs", "of a core", "CPU to ours", "server CPU, µs"]
    ours = {e["transport"]: e for e in entries if e["client"] == US and "absent" not in e}
    rows = []
    for e in entries:
        first = [e["client"], e["transport"]]
        if "absent" in e:
            rows.append([*first, *[""] * (len(header) - 3), figures.WHY + e["absent"]])
            continue
        us, same = e["us"], ours.get(e["transport"])
        all_done = e["done"] == e["asked"]
        done = f"{e['done']:,}" + ("" if all_done else f" of {e['asked']:,}")
        rows.append([*first, done, e["errors"], number(e["per_second"]),
                     *map(number, us.values()),
                     ratio(us["p50"], same and same["us"]["p50"]),
                     ratio(us["p99"], same and same["us"]["p99"]),
                     number(e["cpu_us"]), f"{e['core']:.1%}",
                     ratio(e["cpu_us"], same and same["cpu_us"]), number(e["server_cpu_us"])])
    return markdown(header, rows)


def report(found):
    m, w = found["machine"], found["workload"]
    parts = [f"{m['cpu']}, {m['cores']} cores, {m['date']}; load {m['load_before']:.1f} before and "
             f"{m['load_after']:.1f} after. {w['rate']:,g} operations/s for {w['seconds']:g} s, "
             f"{w['rounds']} times; latencies in µs."]
    for operation, said in OPERATIONS.items():
        parts += [f"`{operation}`: {said}.",
                  table([e for e in found["store"] if e["operation"] == operation])]
    return "\n\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description="Clients of Redis side by side")
    parser.add_argument("--rate", type=float, default=2000, help="operations a second")
    parser.add_argument("--seconds", type=float, default=10, help="of one round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=compare.BUILD / "store.json")
    parser.add_argument("--page", type=Path, help="a document that takes the tables, too")
    options = parser.parse_args()
    found = {"machine": compare.machine(),
             "workload": {k: getattr(options, k) for k in ("rate", "seconds", "rounds")},
             "store": measure(options)}
    found["machine"]["load_after"] = os.getloadavg()[0]
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = report(found)
    options.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        options.page.write_text(figures.with_figures(page, text, "store figures"),
                                encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
