"""Store operations by redis-py: redis_py.py URL CA_FILE OPERATION RATE SECONDS. What it reads and
prints is said in redis_clients.py. One thread and one connection, so each operation waits for the
one before.
"""

import json
import resource
import sys
import time

import redis


def cpu_us():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e6


def run(execute, rate, seconds):
    asked = int(rate * seconds)
    us = []
    errors = 0
    cpu = cpu_us()
    start = time.monotonic()
    for begun in range(asked):
        due = start + begun / rate
        now = time.monotonic()
        if now < due:
            time.sleep(due - now)
        elif now > start + 2 * seconds:
            break
        try:
            errors += execute() != b"ok"
        except redis.RedisError:
            errors += 1
        us.append((time.monotonic() - due) * 1e6)
    return {"asked": asked, "errors": errors, "cpu_us": cpu_us() - cpu,
            "seconds": time.monotonic() - start, "us": us}


def main():
    url, ca_file, _, rate, seconds = sys.argv[1:]
    words = json.loads(sys.stdin.readline())
    trust = {"ssl_ca_certs": ca_file} if url.startswith("rediss:") else {}
    # One connection of its own, and not one out of the pool for each operation.
    client = redis.Redis.from_url(url, single_connection_client=True, **trust)
    script = client.script_load(words["script"])

    def execute():
        return client.evalsha(script, len(words["keys"]), *words["keys"], *words["arguments"])[0]

    assert execute() == b"ok"
    assert run(execute, float(rate), 0.5)["errors"] == 0
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(run(execute, float(rate), float(seconds))), flush=True)


main()
