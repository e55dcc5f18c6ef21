"""Endpoints and STS against botocore's rules and model, credentials from real stand-ins, requests
through a real proxy, and no secret in anything that is said."""

import contextlib
import itertools
import json
import os
import socket
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import botocore.awsrequest
import botocore.exceptions
import botocore.parsers
import botocore.serialize
import botocore.session
import botocore.validate
import moto.moto_proxy
import pytest
from botocore.endpoint_provider import EndpointProvider

import peers

BUILD = peers.REPOSITORY / os.environ.get("SWITCHGEAR_TEST_BUILD", "build/dev")
SESSION = botocore.session.get_session()
DATA = SESSION.get_component("data_loader")
STS = SESSION.get_service_model("sts")
SECRETS = ["hunter2secret", "hunter2session", "hunter2token"]


def ask(*questions):
    program = BUILD / "credentials_call"
    assert program.exists(), f"{program} is missing; build it with: scripts/build.sh dev"
    done = subprocess.run(
        [program], input="".join(json.dumps(question) + "\n" for question in questions),
        capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions)
    return answers


# ---- Endpoints


@pytest.mark.parametrize("service", ["sqs", "dynamodb", "sts", "lambda", "monitoring"])
def test_endpoints_are_those_of_botocores_rules(service):
    partitions = DATA.load_data("partitions")
    name = {"monitoring": "cloudwatch"}.get(service, service)
    rules = EndpointProvider(
        DATA.load_service_model(name, "endpoint-rule-set-1"), partitions)
    # Not the pseudo-regions, such as aws-global.
    regions = [region for partition in partitions["partitions"] for region in partition["regions"]
               if not region.endswith("-global")]
    assert len(regions) > 40
    cases = list(itertools.product(regions, [False, True], [False, True]))
    answers = ask(*(
        {"endpoint": service, "region": region, "fips": fips, "dual_stack": dual_stack}
        for region, fips, dual_stack in cases
    ))
    for (region, fips, dual_stack), answer in zip(cases, answers):
        expected = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual_stack)
        assert answer == {"url": expected.url}, (region, fips, dual_stack)


# ---- STS


def form(body):
    return dict(urllib.parse.parse_qsl(body, keep_blank_values=True, strict_parsing=True))


@pytest.mark.parametrize("changes", [{}, {"ExternalId": "x/1 ä"}, {"DurationSeconds": 900}])
def test_assume_role_is_serialised_as_botocore_does(changes):
    parameters = {"RoleArn": "arn:aws:iam::123456789012:role/a+b", "RoleSessionName": "s@1,=",
                  **changes}
    (answer,) = ask({"sts": "AssumeRole", "role": parameters["RoleArn"],
                     "session": parameters["RoleSessionName"],
                     **({"external": changes["ExternalId"]} if "ExternalId" in changes else {}),
                     **({"duration": 900} if "DurationSeconds" in changes else {})})
    check_serialised("AssumeRole", parameters, answer["body"])


def test_assume_role_with_web_identity_is_serialised_as_botocore_does():
    parameters = {"RoleArn": "arn:aws:iam::123456789012:role/ab", "RoleSessionName": "pod",
                  "WebIdentityToken": "eyJ.a-_b=="}
    (answer,) = ask({"sts": "AssumeRoleWithWebIdentity", "role": parameters["RoleArn"],
                     "session": "pod", "token": "eyJ.a-_b=="})
    check_serialised("AssumeRoleWithWebIdentity", parameters, answer["body"])


def check_serialised(action, parameters, body):
    operation = STS.operation_model(action)
    assert not botocore.validate.ParamValidator().validate(
        parameters, operation.input_shape).has_errors()
    expected = botocore.serialize.create_serializer("query").serialize_to_request(
        parameters, operation)
    assert form(body) == {name: str(value) for name, value in expected["body"].items()}


def sts_answer(action, **more):
    credentials = {"AccessKeyId": "ASIAROLE", "SecretAccessKey": SECRETS[0],
                   "SessionToken": SECRETS[1], "Expiration": "2030-01-02T03:04:05Z", **more}
    inner = "".join(f"<{k}>{v}</{k}>" for k, v in credentials.items() if v is not None)
    return (f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>'
            f"<Newer><a/></Newer><Credentials>{inner}</Credentials></{action}Result>"
            f"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>")


@pytest.mark.parametrize("action", ["AssumeRole", "AssumeRoleWithWebIdentity"])
def test_answers_of_sts_are_read_as_botocore_reads_them(action):
    body = sts_answer(action, Newer="x")
    parsed = botocore.parsers.create_parser("query").parse(
        {"status_code": 200, "headers": {}, "body": body.encode()},
        STS.operation_model(action).output_shape)
    (answer,) = ask({"answer": action, "body": body})
    assert answer == {"key": parsed["Credentials"]["AccessKeyId"],
                      "expires": int(parsed["Credentials"]["Expiration"].timestamp())}


@pytest.mark.parametrize("member", ["AccessKeyId", "SecretAccessKey", "Expiration"])
def test_answers_of_sts_without_what_is_needed_are_told_without_secrets(member):
    without, empty, wrong = ask(
        {"answer": "AssumeRole", "body": sts_answer("AssumeRole", **{member: None})},
        {"answer": "AssumeRole", "body": sts_answer("AssumeRole", **{member: ""})},
        {"answer": "AssumeRole", "body": sts_answer("AssumeRole", **{member: "hunter2 token"})})
    assert "error" in wrong
    if member != "Expiration":
        assert "error" in without and "error" in empty
    for answer in (without, empty, wrong):
        assert "hunter2" not in json.dumps(answer)


# ---- Stand-ins


def test_a_role_and_the_instances_role_of_ministack(ministack, tmp_path):
    config = tmp_path / "config"
    config.write_text("[profile role]\n"
                      "role_arn = arn:aws:iam::000000000000:role/any\n"
                      "source_profile = keys\n"
                      "[profile keys]\naws_access_key_id = test\naws_secret_access_key = test\n")
    (tmp_path / "token").write_text("eyJhbGciOiJub25lIn0.e30.")
    common = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
              "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_STS": ministack.url,
              "AWS_EC2_METADATA_SERVICE_ENDPOINT": ministack.url}
    role, web, instance = ask(
        {"get": {**common, "AWS_PROFILE": "role"}},
        {"get": {**common, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
                 "AWS_ROLE_ARN": "arn:aws:iam::000000000000:role/any"}},
        {"get": common})
    for answer in (role, web, instance):
        assert answer.get("key"), answer
        assert answer["expires"] > time.time() + 600, answer
    assert "role of profile 'role'" in role["name"]
    assert "metadata service" in instance["name"]


# ---- Which of several


class RoleServer(ThreadingHTTPServer):
    """STS for AssumeRole: the key of a role tells whose credentials asked for it."""

    def __init__(self):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                asked_by = self.headers["Authorization"].partition("Credential=")[2].split("/")[0]
                body = sts_answer("AssumeRole", AccessKeyId="ROLEBY" + asked_by).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def sts():
    with RoleServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def keys(name):
    return f"aws_access_key_id = {name}\naws_secret_access_key = secretof{name}\n"


def test_of_several_ways_the_one_that_botocore_takes(sts, tmp_path, monkeypatch):
    """Every combination of a profile's own keys in either file, a program and a role."""
    answer = tmp_path / "answer.json"
    answer.write_text('{"Version": 1, "AccessKeyId": "PROCESS", "SecretAccessKey": "secret"}')
    process = f"credential_process = cat '{answer}'\n"
    role = "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = "
    parts = [("credentials", keys("SHARED")), ("config", keys("CONFIG")), ("config", process),
             ("credentials", process), ("config", role + "p\n"), ("config", role + "q\n"),
             # What is left of a pair.
             ("config", "aws_session_token = OLD\n")]
    questions, expected = [], []
    for number, chosen in enumerate(itertools.product([False, True], repeat=len(parts))):
        of = {"config": "[profile p]\n", "credentials": "[p]\n"}
        for (file, text), there in zip(parts, chosen):
            of[file] += text if there else ""
        if chosen[4] and chosen[5]:
            continue  # one of the two
        of["config"] += f"[profile q]\n{process}{role}q\n{keys('SOURCE')}"
        environment = {"AWS_PROFILE": "p", "AWS_DEFAULT_REGION": "us-east-1",
                       "AWS_ENDPOINT_URL_STS": sts.url, "AWS_EC2_METADATA_DISABLED": "true"}
        for file, variable in (("config", "AWS_CONFIG_FILE"),
                               ("credentials", "AWS_SHARED_CREDENTIALS_FILE")):
            path = tmp_path / f"{file}-{number}"
            path.write_text(of[file])
            environment[variable] = str(path)
        questions.append({"get": environment})
        expected.append(botocores_credentials(environment, monkeypatch))
    answers = ask(*questions)
    for question, answer, (key, token) in zip(questions, answers, expected):
        files = [Path(question["get"][name]).read_text()
                 for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")]
        assert (answer.get("key"), answer.get("token")) == (key, token), (files, answer)
    # The test says nothing unless each of them won somewhere.
    assert {key for key, _ in expected} == {
        None, "SHARED", "CONFIG", "PROCESS", "ROLEBYSHARED", "ROLEBYCONFIG", "ROLEBYPROCESS"}


def botocores_credentials(environment, monkeypatch):
    with monkeypatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            session = botocore.session.Session()
            session.register_component("data_loader", DATA)  # it keeps what it has read
            found = session.get_credentials()
            found = found and found.get_frozen_credentials()
        except botocore.exceptions.BotoCoreError:
            return None, None
        return (found.access_key, found.token) if found else (None, None)


# ---- A proxy


@pytest.fixture
def proxy(tmp_path):
    """moto_proxy: a real proxy with CONNECT, which answers for AWS with certificates of its own."""

    class MotoProxy(peers.Moto):
        def command_line(self):
            # multipart reads the forms of browsers, which nobody sends here, and is not installed.
            return [peers.installed(peers.PYTHON), "-c",
                    "import sys, types; sys.modules['multipart'] = types.ModuleType('multipart'); "
                    "from moto.proxy import main; main(sys.argv[1:])",
                    "-H", "127.0.0.1", "-p", self.port]

        def healthy(self):
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

    with MotoProxy(tmp_path / "proxy") as server:
        yield server


def test_calls_to_aws_go_through_the_proxy_in_a_tunnel(proxy, binary, tmp_path):
    ca = os.path.join(os.path.dirname(moto.moto_proxy.__file__), "ca.crt")
    environment = peers.clean_environment(
        AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="hunter2secret",
        AWS_REGION="eu-central-1", AWS_CA_BUNDLE=ca, HTTPS_PROXY=proxy.url)
    made = subprocess.run(
        [binary, "init", "dynamodb", "--create", "--table", "circuits"], env=environment,
        capture_output=True, text=True, timeout=60, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert made.returncode == 0, made.stderr
    # Past the proxy there is nothing: the name is not even looked up here.
    refused = subprocess.run(
        [binary, "circuits", "list", "--store", "dynamodb://circuits"],
        env={**environment, "HTTPS_PROXY": f"http://ann:hunter2token@127.0.0.1:{peers.free_port()}"},
        capture_output=True, text=True, timeout=60, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert refused.returncode != 0
    assert "the proxy 127.0.0.1:" in refused.stderr
    assert "hunter2" not in refused.stderr


# ---- The whole program with a profile


def test_a_program_that_hangs_is_named_after_some_seconds(binary, tmp_path):
    os.mkfifo(tmp_path / "never")
    config = tmp_path / "config"
    config.write_text("[profile prod]\nregion = us-east-1\n"
                      f"credential_process = cat '{tmp_path / 'never'}' hunter2secret\n")
    environment = peers.clean_environment(AWS_CONFIG_FILE=str(config), HOME=str(tmp_path),
                                          AWS_PROFILE="prod")
    expected = ("still waiting for AWS credentials: credential_process of profile 'prod' in "
                f"{config}")
    nobody = f"http://127.0.0.1:{peers.free_port()}"
    commands = (["doctor", "--store", "dynamodb://circuits"],
                ["worker", "--queue", nobody + "/000000000000/orders", "--handler", nobody,
                 "--endpoint-url", nobody])
    running = [subprocess.Popen([binary, *command], env=environment, cwd=tmp_path,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True) for command in commands]
    try:
        for process in running:
            said = ""
            while expected not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            assert "hunter2" not in said
    finally:
        for process in running:
            process.kill()
            process.communicate()
        # The programs they started wait for somebody who writes.
        with contextlib.suppress(OSError):
            os.close(os.open(tmp_path / "never", os.O_WRONLY | os.O_NONBLOCK))


def test_circuits_work_with_a_profile_and_its_credential_process(ministack, binary, tmp_path):
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps({"Version": 1, "AccessKeyId": "AKIDEXAMPLE",
                                  "SecretAccessKey": SECRETS[0], "SessionToken": SECRETS[1],
                                  "Expiration": "2199-01-01T00:00:00Z"}))
    config = tmp_path / "config"
    config.write_text("[profile prod]\nregion = us-east-1\nservices = here\n"
                      f"credential_process = cat '{answer}'\n"
                      f"[services here]\ndynamodb =\n  endpoint_url = {ministack.url}\n")

    def run(*arguments):
        return subprocess.run(
            [binary, *arguments], capture_output=True, text=True, timeout=60, cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            env=peers.clean_environment(AWS_CONFIG_FILE=str(config), HOME=str(tmp_path)))

    table = f"profile-{os.getpid()}"
    made = run("init", "dynamodb", "--create", "--table", table, "--profile", "prod")
    assert made.returncode == 0, made.stderr
    held = run("circuits", "hold", "payments", "--open", "--reason", "test", "--store",
               f"dynamodb://{table}", "--profile", "prod")
    listed = run("circuits", "list", "--store", f"dynamodb://{table}", "--profile", "prod")
    assert listed.returncode == 0, listed.stderr
    answer.write_text('{"Version": 1, "hunter2secret')
    broken = run("circuits", "list", "--store", f"dynamodb://{table}", "--profile", "prod")
    assert broken.returncode != 0
    assert "credential_process of profile 'prod'" in broken.stderr
    for done in (made, held, listed, broken):
        for secret in SECRETS:
            assert secret not in done.stdout + done.stderr
