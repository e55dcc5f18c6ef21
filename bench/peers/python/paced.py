"""One process of a fleet under pybreaker or interlock, state in Redis:

    paced.py BREAKER HOST:PORT NAME CALLS_PER_SECOND

See compare.py for what it reads and prints.
"""

import json
import random
import sys
import time


class DependencyFailed(Exception):
    pass


def pybreaker_call(host, port, name):
    import pybreaker
    import redis

    storage = pybreaker.CircuitRedisStorage(
        pybreaker.STATE_CLOSED, redis.StrictRedis(host=host, port=port), namespace=name)
    breaker = pybreaker.CircuitBreaker(state_storage=storage, name=name)
    return breaker.call, pybreaker.CircuitBreakerError


def interlock_call(host, port, name):
    import interlock
    import redis
    from interlock.integrations.redis import RedisStorage

    storage = RedisStorage(redis.Redis(host=host, port=port))
    breaker = interlock.CircuitBreaker(name=name, storage=storage)
    return breaker.call_sync, interlock.CircuitOpenError


def phase(call, refused, rate, begin, fail_from, end, fail_share):
    report = {"asked": 0, "healthy": 0, "failed_ms": [], "errors": 0, "us": []}

    def dependency():
        now = time.time() * 1000
        report["healthy"] += now < fail_from
        if now < fail_from or random.random() >= fail_share:
            return 1
        report["failed_ms"].append(now - fail_from)
        raise DependencyFailed

    gap = 1 / rate
    due = begin / 1000 + random.random() * gap
    while True:
        time.sleep(max(0, due - time.time()))
        # What was missed meanwhile is not made up for.
        due = max(due, time.time() - 0.1) + gap
        if time.time() * 1000 >= end:
            return report
        report["asked"] += 1
        before = time.perf_counter()
        try:
            call(dependency)
        except (DependencyFailed, refused):
            pass
        except Exception as error:
            report["errors"] += 1
            if report["errors"] == 1:
                print(repr(error), file=sys.stderr)
        report["us"].append((time.perf_counter() - before) * 1e6)


def main():
    breaker, address, name, rate = sys.argv[1:]
    host, port = address.split(":")
    make = {"pybreaker-redis": pybreaker_call, "interlock-redis": interlock_call}[breaker]
    call, refused = make(host, int(port), name)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(phase(call, refused, float(rate), *map(float, line.split()))), flush=True)


if __name__ == "__main__":
    main()
