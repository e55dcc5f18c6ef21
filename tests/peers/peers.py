"""Real servers to test against, each started on a free loopback port and ended by process id.

    with Redis(folder, appendonly=True) as redis:
        redis.command("PING")
        redis.restart(empty=True)          # the same port

What runs here is installed by scripts/peers.sh. If it is missing, starting fails: a test never
passes or is skipped because its peer was not there.
"""

import http.client
import itertools
import json
import os
import shutil
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import botocore.config

from child import Child
from waiting import TimedOut, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("SWITCHGEAR_CACHE") or REPOSITORY / ".cache")
PYTHON = CACHE / "py/bin/python"
SIGV4_SUITE = CACHE / "botocore/tests/unit/auth/aws4_testsuite"

REGION = "us-east-1"
ACCESS_KEY = "000000000000"  # MiniStack takes twelve digits for the account.
SECRET_KEY = "test"

_given_ports = set()


def free_port():
    """A loopback port that nobody listens on, and that this process has not given out before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given_ports:
            _given_ports.add(port)
            return port


def installed(path):
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is missing; install the test peers with scripts/peers.sh")
    return str(path)


def clean_environment(**extra):
    """This process's environment without AWS and Switchgear settings, proxies or Python paths, and
    without the AWS profiles of whoever runs the tests or the role of the machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYTHON", "MINISTACK_", "SWITCHGEAR_"))
        and not name.lower().endswith("_proxy")
    }
    nobody = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
              "AWS_EC2_METADATA_DISABLED": "true"}
    return {**kept, **nobody, **extra}


class Peer:
    """A server process. `folder` takes its log and data; `port` is free unless given."""

    name = "peer"
    ready_within = 30

    def __init__(self, folder, port=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._wanted_port = port
        self.port = None
        self.child = None

    def start(self):
        # Between finding a free port and listening on it somebody else may take it.
        attempts = 1 if self._wanted_port else 3
        for attempt in range(attempts):
            self.port = self.port or self._wanted_port or free_port()
            self.child = Child(
                self.command_line(),
                log=self.folder / f"{self.name}-{self.port}.log",
                env=self.environment(),
                cwd=self.folder,
            )
            try:
                wait_until(self._up_or_dead, self.ready_within, f"{self.name} answering")
                if self.child.alive():
                    self.prepare()
                    return self
                raise TimedOut(f"{self.name} ended with {self.child.process.returncode}")
            except Exception as error:
                self.child.stop(grace=2)
                if attempt + 1 == attempts:
                    raise RuntimeError(
                        f"{self.name} did not start: {error}\n{self.child.output()[-4000:]}"
                    ) from error
                self.port = None
        return self

    def stop(self):
        if self.child:
            self.child.stop()

    def kill(self):
        self.child.kill()

    def pause(self):
        self.child.pause()

    def resume(self):
        self.child.resume()

    def log(self):
        return self.child.output()

    def command_line(self):
        raise NotImplementedError

    def environment(self):
        return clean_environment()

    def healthy(self):
        raise NotImplementedError

    def prepare(self):
        """Whatever a fresh server needs before a test may use it."""

    def _up_or_dead(self):
        return not self.child.alive() or self.healthy()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()


class RedisError(Exception):
    pass


class RedisConnection:
    """One connection to a Redis server. Raises OSError or RedisError."""

    def __init__(self, port, timeout):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._stream = self._socket.makefile("rwb")

    def command(self, *arguments):
        _send(self._stream, arguments)
        return _receive(self._stream)

    def close(self):
        self._stream.close()
        self._socket.close()


class Redis(Peer):
    """Debian's Redis 7. Commands go through command(); `url` is what a client is given.

    user and password: with both, an ACL user who may do everything, and a default user who may do
    nothing; with a password alone, `requirepass`. `acl` replaces the user's rules.
    """

    name = "redis"
    ready_within = 10

    def __init__(self, folder, port=None, appendonly=False, user=None, password=None,
                 acl="~* &* +@all", replica_of=None, options=()):
        super().__init__(folder, port)
        self.appendonly = appendonly
        self.user = user
        self.password = password
        self.acl = acl
        self.replica_of = replica_of
        self.options = list(options)
        self.data = self.folder / "data"

    @property
    def url(self):
        login = f"{self.user or ''}:{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    def command_line(self):
        self.data.mkdir(exist_ok=True)
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self.data,
            "save": '""',
            "appendonly": "yes" if self.appendonly else "no",
            "appendfsync": "always" if self.appendonly else "everysec",
            "daemonize": "no",
            "repl-diskless-sync-delay": 0,
        }
        lines = [f"{name} {value}" for name, value in settings.items()]
        if self.user:
            lines += ["user default off", f"user {self.user} on >{self.password} {self.acl}"]
        elif self.password:
            lines.append(f"requirepass {self.password}")
        if self.replica_of:
            lines.append(f"replicaof 127.0.0.1 {self.replica_of.port}")
            if self.replica_of.password:
                lines.append(f"masterauth {self.replica_of.password}")
                if self.replica_of.user:
                    lines.append(f"masteruser {self.replica_of.user}")
        configuration = self.folder / f"redis-{self.port}.conf"
        configuration.write_text("\n".join(lines + self.options) + "\n", encoding="utf-8")
        return [installed(CACHE / "bin/redis-server"), configuration]

    def healthy(self):
        try:
            return self.command("PING") == "PONG"
        except (OSError, RedisError):
            return False

    def prepare(self):
        # A server that was there before would answer as well.
        assert self._info("server")["process_id"] == str(self.child.pid), "another server answers"

    def command(self, *arguments, timeout=5):
        """One command on a connection of its own. Strings come back decoded, errors raised."""
        connection = self.connect(timeout)
        try:
            return connection.command(*arguments)
        finally:
            connection.close()

    def connect(self, timeout=5):
        """A connection to keep, logged in."""
        connection = RedisConnection(self.port, timeout)
        if self.password:
            connection.command("AUTH", *([self.user] if self.user else []), self.password)
        return connection

    def restart(self, empty=False):
        """Kills the server and starts it on the same port, with its append-only file or empty."""
        if self.child.alive():
            self.child.kill()
        self.child.stop()
        if empty:
            shutil.rmtree(self.data)
        self._wanted_port = self.port
        return self.start()

    def replicated(self, within=10):
        """Waits until this replica is in step with its primary."""
        wait_until(lambda: self._info("replication").get("master_link_status") == "up", within,
                   "the replica in step with its primary")

    def _info(self, section):
        lines = self.command("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


def _send(stream, arguments):
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
    stream.write(b"*%d\r\n" % len(parts))
    for part in parts:
        stream.write(b"$%d\r\n%s\r\n" % (len(part), part))
    stream.flush()


def _receive(stream):
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("connection closed by the server")
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest.decode()
    if kind == b"-":
        raise RedisError(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        if int(rest) < 0:
            return None
        return stream.read(int(rest) + 2)[:-2].decode(errors="surrogateescape")
    if kind == b"*":
        return None if int(rest) < 0 else [_receive(stream) for _ in range(int(rest))]
    raise ConnectionError(f"not a Redis reply: {line!r}")


class Sentinel(Redis):
    """A Sentinel that watches a primary under the name "orders" and decides alone."""

    name = "sentinel"

    def __init__(self, folder, primary, down_after_ms=1000):
        super().__init__(folder)
        self.primary = primary
        self.down_after_ms = down_after_ms

    @property
    def url(self):
        login = f":{self.primary.password}@" if self.primary.password else ""
        return f"redis+sentinel://{login}127.0.0.1:{self.port}/orders?sentinel_password="

    def command_line(self):
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"sentinel monitor orders 127.0.0.1 {self.primary.port} 1",
            f"sentinel down-after-milliseconds orders {self.down_after_ms}",
            "sentinel failover-timeout orders 5000",
        ]
        if self.primary.password:
            lines.append(f"sentinel auth-pass orders {self.primary.password}")
        configuration = self.folder / f"sentinel-{self.port}.conf"
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [installed(CACHE / "bin/redis-server"), configuration, "--sentinel"]

    def knows_of_a_replica(self):
        return len(self.command("SENTINEL", "REPLICAS", "orders")) == 1


class AwsPeer(Peer):
    """A server that answers as AWS. `url` is its endpoint, `environ` what a client needs to see."""

    access_key = ACCESS_KEY
    secret_key = SECRET_KEY

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self):
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    def client(self, service="sqs", **config):
        """A boto3 client of this server."""
        return boto3.session.Session().client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=botocore.config.Config(
                retries={"total_max_attempts": 1}, max_pool_connections=50, proxies={}, **config
            ),
        )

    def http(self, method, path, body=None, headers=None):
        """(status, body) of a plain request. Raises OSError if there is no answer."""
        request = urllib.request.Request(
            self.url + path, data=body, headers=headers or {}, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def answers(self, path):
        try:
            return self.http("GET", path)[0] == 200
        except (OSError, http.client.HTTPException):
            return False


class MiniStack(AwsPeer):
    """MiniStack: SQS and much of AWS in one process.

    Served by uvicorn, since its own server has in some versions waited out Nagle's algorithm on
    every answer and then managed 22 requests a second; start-up checks that this one is fast.
    """

    name = "ministack"
    # An answer that is held up takes 40 ms (22 a second); a busy machine answers 200 a second.
    requests_per_second_min = 100

    def command_line(self):
        return [installed(PYTHON), "-m", "uvicorn", "--host", "127.0.0.1", "--port", self.port,
                "--log-level", "warning", "--no-access-log", "ministack.app:app"]

    def environment(self):
        return clean_environment(
            BIND_HOST="127.0.0.1",
            GATEWAY_PORT=str(self.port),
            MINISTACK_ACCOUNT_ID=ACCESS_KEY,
            AWS_ENDPOINT_URL=self.url,
            LOG_LEVEL="WARNING",
            IOT_MTLS_ENABLED="0",  # or it listens on every address
        )

    def healthy(self):
        return self.answers("/_ministack/health")

    def prepare(self):
        rate = max(self._rate(requests=60) for _ in range(3))
        assert rate > self.requests_per_second_min, f"{self.name} answers only {rate:.0f}/s"
        self.reset()

    def reset(self):
        """Forgets every queue."""
        assert self.http("POST", "/_ministack/reset", b"")[0] == 200

    def _rate(self, requests):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "AmazonSQS.ListQueues",
            "Authorization": "AWS4-HMAC-SHA256 Credential="
            f"{ACCESS_KEY}/20260101/{REGION}/sqs/aws4_request, SignedHeaders=host, Signature=0",
        }
        begin = time.monotonic()
        for _ in range(requests):
            connection.request("POST", "/", json.dumps({}), headers)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
        connection.close()
        return requests / (time.monotonic() - begin)


class ElasticMq(AwsPeer):
    """ElasticMQ: SQS only, on the JVM. Queues live as long as the process."""

    name = "elasticmq"
    ready_within = 60

    def command_line(self):
        configuration = self.folder / f"elasticmq-{self.port}.conf"
        configuration.write_text(
            f"""include classpath("application.conf")
node-address {{ protocol = http, host = "127.0.0.1", port = {self.port}, context-path = "" }}
rest-sqs {{ enabled = true, bind-hostname = "127.0.0.1", bind-port = {self.port}, sqs-limits = strict }}
rest-stats.enabled = false
aws {{ region = {REGION}, accountId = {ACCESS_KEY} }}
""",
            encoding="utf-8",
        )
        # A folder of jars and not one jar: each jar's reference.conf has to be found.
        jars = installed(CACHE / "elasticmq/lib")
        return ["java", "-Xmx256m", "-XX:+UseSerialGC", f"-Dconfig.file={configuration}",
                "-cp", f"{jars}/*", "org.elasticmq.server.Main"]

    def healthy(self):
        return self.answers("/health")


class Dynalite(AwsPeer):
    """dynalite: DynamoDB only, fast. It keeps no old item of a failed condition, and knows no
    UpdateTimeToLive and no transactions."""

    name = "dynalite"

    def command_line(self):
        return [installed(CACHE / "dynalite/node"),
                installed(CACHE / "dynalite/node_modules/dynalite/cli.js"),
                "--host", "127.0.0.1", "--port", self.port,
                "--createTableMs", 0, "--deleteTableMs", 0, "--updateTableMs", 0]

    def healthy(self):
        return self.answers("/")


class Moto(AwsPeer):
    """Moto. Too slow for load and loses writes under races: for request shapes and signatures."""

    name = "moto"

    def command_line(self):
        return [installed(PYTHON), "-c", "import sys; from moto.server import main; main(sys.argv[1:])",
                "-H", "127.0.0.1", "-p", self.port]

    def healthy(self):
        return self.answers("/moto-api/")

    def reset(self):
        self.trust_everybody()
        assert self.http("POST", "/moto-api/reset", b"")[0] == 200

    def run_functions_without_docker(self):
        """From now on, until reset(), an invoked function answers with what it was given."""
        status, body = self.http("POST", "/moto-api/config", b'{"lambda": {"use_docker": false}}',
                                 {"Content-Type": "application/json"})
        assert status in (200, 201), body

    def verify_signatures(self, *actions):
        """From now on every request must be signed by a new user, whose keys are set on this
        object and who may do `actions` ("sqs:*" if none is named)."""
        self.trust_everybody()
        iam = self.client("iam")
        user = f"user-{time.monotonic_ns()}"
        iam.create_user(UserName=user)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        statement = {"Effect": "Allow", "Action": list(actions or ["sqs:*"]), "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps(policy))
        self._requests_before_verifying(0)
        self.access_key, self.secret_key = key["AccessKeyId"], key["SecretAccessKey"]

    def trust_everybody(self):
        self._requests_before_verifying(10**9)
        self.access_key, self.secret_key = ACCESS_KEY, SECRET_KEY

    def _requests_before_verifying(self, count):
        status, body = self.http(
            "POST", "/moto-api/reset-auth", str(count).encode(), {"Content-Type": "text/plain"}
        )
        assert status == 200, body


class Toxiproxy(Peer):
    """Shopify's toxiproxy: TCP proxies that delay, lose and cut, driven over HTTP."""

    name = "toxiproxy"

    def command_line(self):
        return [installed(CACHE / "toxiproxy/toxiproxy"), "-host", "127.0.0.1", "-port", self.port]

    def healthy(self):
        try:
            return "version" in self.ask("GET", "/version")
        except OSError:
            return False

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", method=method,
            data=None if body is None else json.dumps(body).encode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as answer:
            return json.loads(answer.read() or "null")

    def link(self, port):
        """A new way to the server on this port of loopback."""
        return Link(self, port)


class Link:
    """A TCP connection's way through toxiproxy to one server. Use as a context manager:

        with toxiproxy.link(redis.port) as link:
            link.delay(1.5)          # seconds, each way
            link.drop_replies()      # requests arrive, their answers are lost
            link.cut()               # connections end, new ones are refused
            link.mend()              # all is well again
            link.lead_to(replica.port)  # from now on to another server
    """

    _numbers = itertools.count(1)

    def __init__(self, toxiproxy, port):
        self._toxiproxy = toxiproxy
        self._path = f"/proxies/link-{next(self._numbers)}"
        made = toxiproxy.ask("POST", "/proxies", {
            "name": self._path.rpartition("/")[2], "listen": "127.0.0.1:0",
            "upstream": f"127.0.0.1:{port}", "enabled": True})
        self.address = made["listen"]
        self.port = int(self.address.rpartition(":")[2])
        self._toxics = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._toxiproxy.ask("DELETE", self._path)

    def delay(self, seconds):
        for way in ("upstream", "downstream"):
            self._add(f"slow-{way}", "latency", way, latency=int(seconds * 1000))

    def drop_replies(self):
        self._add("silent", "timeout", "downstream", timeout=0)

    def cut(self):
        self._set(enabled=False)

    def mend(self):
        # A connection that lost replies ends as its toxic goes: nothing answers the wrong request.
        for name in self._toxics:
            self._toxiproxy.ask("DELETE", f"{self._path}/toxics/{name}")
        self._toxics = []
        self._set(enabled=True)

    def lead_to(self, port):
        """Ends the connections there are."""
        self._set(upstream=f"127.0.0.1:{port}")

    def _set(self, **change):
        self._toxiproxy.ask("POST", self._path, {"listen": self.address, **change})

    def _add(self, name, kind, way, **attributes):
        self._toxiproxy.ask("POST", f"{self._path}/toxics", {
            "name": name, "type": kind, "stream": way, "toxicity": 1.0, "attributes": attributes})
        self._toxics.append(name)
