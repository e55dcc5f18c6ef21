"""What `switchgear template` prints: known to cfn-lint by AWS's own resource schemas, taken by the
SAM translator, and deployed on MiniStack and moto as far as they can.

MiniStack refuses alarms on metric math and has no AWS::FIS, and moto's CloudFormation knows neither;
so alarms and experiments are left out there, and given to moto's own CloudWatch and FIS instead.
What none of them does is evaluate an alarm or inject a fault.
"""

import io
import json
import re
import subprocess
import time
import zipfile

import boto3
import cfnlint.api
import pytest
import yaml
from cfnlint.decode.cfn_yaml import loads as load_template
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

import peers
from runtime_api import RuntimeApi
from waiting import wait_until

QUEUE = f"arn:aws:sqs:{peers.REGION}:{peers.ACCESS_KEY}:orders"
DEAD = f"arn:aws:sqs:{peers.REGION}:{peers.ACCESS_KEY}:orders-dead"
UUID = "1f0a6a04-2c5e-4f8e-9d5b-0a1b2c3d4e5f"
TOPIC = f"arn:aws:sns:{peers.REGION}:{peers.ACCESS_KEY}:alerts"
GUARDED = ["--function", "charge", "--queue", QUEUE]
BREAKER = [*GUARDED, "--function-timeout", "30s"]

# Every kind, with as little and with as much as it can be told.
CASES = {
    "alarm-breaker": ["alarm-breaker", *BREAKER],
    "alarm-breaker of a mapping": ["alarm-breaker", *BREAKER, "--mapping", UUID],
    "trial-breaker": ["trial-breaker", *BREAKER],
    "trial-breaker in full": [
        "trial-breaker", "--function", "charge:live", "--queue", QUEUE, "--function-timeout", "15m",
        "--circuit", "payments:api", "--error-percent", "80", "--minimum", "20", "--period", "2m",
        "--datapoints", "3", "--open-duration", "1m", "--max-open-duration", "10m",
        "--maximum-concurrency", "50", "--partial-batches", "--store", "dynamodb://circuits",
        "--code-uri", "s3://code/controller.zip", "--notify", TOPIC, "--arm64"],
    "controller": ["controller", *GUARDED, "--mapping", UUID, "--alarm", "charge errors"],
    "controller of many": [
        "controller", *GUARDED, "--function", "refund:live", "--queue", DEAD,
        "--mapping", UUID, "--mapping", UUID.replace("1", "2"), "--notify", TOPIC],
    "fis": ["fis", *BREAKER],
    "fis in full": ["fis", *BREAKER, "--alarm", "charge-errors", "--alarm", "charge latency",
                    "--dead-letter-queue", DEAD, "--duration", "20m", "--stop-age", "30m",
                    "--arm64"],
}


@pytest.fixture(scope="module")
def printed(binary):
    """printed(*arguments) is (template, what is said beside it)."""
    cache = {}

    def run(*arguments):
        if arguments not in cache:
            done = subprocess.run([binary, "template", *arguments], capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=30)
            assert done.returncode == 0, done.stderr
            cache[arguments] = done.stdout, done.stderr
        return cache[arguments]

    return run


def lint(text):
    return [str(match) for match in cfnlint.api.lint(text, regions=["us-east-1"])]


def resources_of(template, kind):
    return {name: r for name, r in template["Resources"].items() if r["Type"] == kind}


def translated(text, region=peers.REGION):
    """What the SAM translator makes of it, as the service would, once the code is in a bucket."""
    template = json.loads(json.dumps(load_template(text)))
    for function in resources_of(template, "AWS::Serverless::Function").values():
        if not function["Properties"]["CodeUri"].startswith("s3://"):
            function["Properties"]["CodeUri"] = "s3://code/controller.zip"
    return Translator({}, Parser(), boto_session=boto3.Session(region_name=region)).translate(
        template, {})


@pytest.mark.parametrize("case", CASES)
def test_cfn_lint_finds_nothing(printed, case):
    assert lint(printed(*CASES[case])[0]) == []


@pytest.mark.parametrize("case", ["alarm-breaker", "fis"])
def test_cfn_lint_knows_every_resource_and_finds_what_is_wrong_in_it(printed, case):
    """Its schemas are there: without them it would take anything."""
    template = yaml.safe_load(json.dumps(load_template(printed(*CASES[case])[0])))
    for resource in template["Resources"].values():
        resource["Properties"]["NoSuchProperty"] = 1
    found = [m for m in cfnlint.api.lint(yaml.safe_dump(template), regions=["us-east-1"])
             if "NoSuchProperty" in m.message]
    assert {m.path[1] for m in found} == set(template["Resources"])


@pytest.mark.parametrize("case", CASES)
def test_the_sam_translator_takes_it(printed, case):
    template = translated(printed(*CASES[case])[0])
    assert not [r for r in template["Resources"].values() if "Serverless" in r["Type"]]
    if case.startswith("fis"):
        assert len(resources_of(template, "AWS::FIS::ExperimentTemplate")) == 4
        return
    controller = template["Resources"]["Controller"]
    assert controller["Type"] == "AWS::Lambda::Function"
    rules = resources_of(template, "AWS::Events::Rule").values()
    schedules = [r for r in rules if "ScheduleExpression" in r["Properties"]]
    patterns = [r for r in rules if "EventPattern" in r["Properties"]]
    assert len(schedules) == 1
    assert len(patterns) == 1
    # EventBridge may start the function.
    assert len(resources_of(template, "AWS::Lambda::Permission")) == len(rules)


def actions_in(template):
    """Every action of its roles."""
    actions = set()
    for role in resources_of(template, "AWS::IAM::Role").values():
        for policy in role["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions |= set(statement["Action"])
    return actions


@pytest.mark.parametrize("case", CASES)
def test_the_actions_that_are_told_are_those_of_its_roles(printed, case):
    text, said = printed(*CASES[case])
    told = re.search(r"^IAM actions: (.*?)\.$", said, re.M | re.S).group(1)
    assert set(re.split(r",\s+", told)) == actions_in(load_template(text))


def test_a_controller_has_the_rights_that_its_page_names(printed):
    page = (peers.REPOSITORY / "docs/controller.md").read_text(encoding="utf-8")
    named = json.loads(re.search(r"^```json\n(.*?)^```$", page, re.M | re.S).group(1))
    actions = set()
    for statement in named["Statement"]:
        actions |= set(statement["Action"])
    has = actions_in(load_template(printed(*CASES["controller of many"])[0]))
    besides = {"dynamodb:GetItem", "dynamodb:UpdateItem", "logs:CreateLogStream",
               "logs:PutLogEvents", "events:PutEvents", "sns:Publish"}
    assert has - besides == actions - besides
    assert besides < has


def test_as_json_it_is_one_document(printed):
    text, _ = printed(*CASES["trial-breaker"])
    out, said = printed(*CASES["trial-breaker"], "--output", "json")
    assert said == ""
    document = json.loads(out)
    assert document["template"] == text
    assert document["seconds_to_detect"] == {
        "least": 90, "average": 180, "most": 270, "more_if_calls_hang": 30}
    costs = document["usd_per_month"]
    assert costs.pop("total") == pytest.approx(sum(costs.values()))
    assert "lambda:UpdateEventSourceMapping" in document["iam_actions"]
    assert document["notes"]


def test_what_cannot_work_is_refused_with_the_reason(binary):
    done = subprocess.run(
        [binary, "template", "alarm-breaker", *GUARDED, "--function-timeout", "10m",
         "--periods", "5", "--store", "memory:", "--minimum", "2"],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "600 s is beyond the evaluation window" in done.stderr
    assert "--store: must be dynamodb://TABLE" in done.stderr
    assert "--minimum: is 2, but as many as 2 trial messages" in done.stderr


# ---- Deployed --------------------------------------------------------------------------------------


def package(server, binary):
    """The program as a function's code, in a bucket of the server."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as folder:
        folder.write(binary, "bootstrap")
    s3 = server.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="controller.zip", Body=archive.getvalue())
    return "s3://code/controller.zip"


def deploy(server, name, template):
    stacks = server.client("cloudformation")
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(template),
                        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])

    def stack():
        return stacks.describe_stacks(StackName=name)["Stacks"][0]

    def events():
        return "\n".join(f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}"
                         for e in stacks.describe_stack_events(StackName=name)["StackEvents"])

    wait_until(lambda: not stack()["StackStatus"].endswith("IN_PROGRESS"), 30, "the stack")
    assert stack()["StackStatus"] == "CREATE_COMPLETE", events()
    return {r["LogicalResourceId"]: r["PhysicalResourceId"]
            for r in stacks.describe_stack_resources(StackName=name)["StackResources"]}


def guarded_function(server):
    """The queue's ARN, and the function that it feeds."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as folder:
        folder.writestr("index.py", "def handler(event, context):\n    return {}\n")
    sqs = server.client("sqs")
    queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
    role = server.client("iam").create_role(RoleName="charge", AssumeRolePolicyDocument="{}")
    server.client("lambda").create_function(
        FunctionName="charge", Runtime="python3.11", Handler="index.handler", Timeout=30,
        Role=role["Role"]["Arn"], Code={"ZipFile": archive.getvalue()})
    return sqs.get_queue_attributes(
        QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def deploy_breaker(ministack, binary, printed, kind):
    """The logical ids of what was made, and the controller's function."""
    ministack.reset()
    assert guarded_function(ministack) == QUEUE
    text, _ = printed(kind, *BREAKER, "--code-uri", package(ministack, binary),
                      "--maximum-concurrency", "50")
    template = json.loads(json.dumps(load_template(text)))
    left_out = {name for name, resource in template["Resources"].items()
                if "Metrics" in resource["Properties"]}
    assert left_out == {"EventsFail", "FunctionFails"}
    # What stands for them: two of one metric each.
    for name in left_out:
        template["Resources"][name] = {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Period": 60,
                           "EvaluationPeriods": 3, "Threshold": 1, "Statistic": "Sum",
                           "ComparisonOperator": "GreaterThanOrEqualToThreshold"}}
    made = deploy(ministack, kind, template)
    functions = ministack.client("lambda")
    return made, functions.get_function_configuration(FunctionName=made["Controller"])


@pytest.mark.parametrize("kind", ["alarm-breaker", "trial-breaker"])
def test_a_breaker_is_deployed_on_ministack(ministack, binary, printed, kind):
    made, function = deploy_breaker(ministack, binary, printed, kind)
    mapping = ministack.client("lambda").get_event_source_mapping(UUID=made["Mapping"])
    assert mapping["EventSourceArn"] == QUEUE
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 50}
    assert (function["Runtime"], function["Handler"]) == ("provided.al2023", "controller")
    assert function["Timeout"] == 65

    # The names of what was made are in the controller's configuration.
    configuration = yaml.safe_load(function["Environment"]["Variables"]["SWITCHGEAR_CONFIG_TEXT"])
    circuit = configuration["controller"]["circuits"]["charge"]
    assert circuit["mappings"] == [made["Mapping"]]
    assert circuit["alarms"] == [made["EventsFail"], made["FunctionFails"]]
    assert circuit["evidence"] == kind.removesuffix("-breaker")
    table = configuration["store"].removeprefix("dynamodb://")
    checked = subprocess.run(
        [binary, "config", "check"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
        env=peers.clean_environment(**function["Environment"]["Variables"]), timeout=30)
    assert checked.returncode == 0, checked.stderr
    assert "warning" not in checked.stdout + checked.stderr
    description = ministack.client("dynamodb").describe_table(TableName=table)["Table"]
    assert description["KeySchema"] == [{"AttributeName": "circuit", "KeyType": "HASH"}]

    starts = ministack.client("events").list_rule_names_by_target(
        TargetArn=function["FunctionArn"])["RuleNames"]
    assert len(starts) == 2


def test_a_deployed_controller_switches_the_mapping_off_when_an_alarm_says_so(
        ministack, binary, printed, tmp_path):
    """Its package and environment, started as Lambda starts them."""
    made, function = deploy_breaker(ministack, binary, printed, "alarm-breaker")
    code = ministack.client("s3").get_object(Bucket="code", Key="controller.zip")["Body"].read()
    with zipfile.ZipFile(io.BytesIO(code)) as folder:
        folder.extract("bootstrap", tmp_path)
    (tmp_path / "bootstrap").chmod(0o755)
    states, times = [], []

    def before(number):
        times.append(time.monotonic())
        states.append(ministack.client("lambda").get_event_source_mapping(
            UUID=made["Mapping"])["State"])
        if number == 2:
            ministack.client("cloudwatch").set_alarm_state(
                AlarmName=made["EventsFail"], StateValue="ALARM", StateReason="the test says so")

    # Of 10 s that a time-out leaves nothing is a turn.
    with RuntimeApi(starts=[65, 13, 5], before=before) as api:
        done = subprocess.run(
            [tmp_path / "bootstrap"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
            cwd=tmp_path, timeout=90, env=peers.clean_environment(
                **ministack.environ, **function["Environment"]["Variables"],
                AWS_LAMBDA_RUNTIME_API=api.address, _HANDLER=function["Handler"]))
    assert [kind for kind, _ in api.answers] == ["response", "response", "error"], done.stderr
    assert "time-out leaves no time" in api.answers[2][1]
    assert "no more starts" in done.stderr
    # Nothing to do: no 55 s for that.
    assert times[1] - times[0] < 30, done.stderr
    assert states[1] == "Enabled"
    assert states[2] in ("Disabling", "Disabled"), done.stderr


def resolved(value):
    """The template with something in the place of every reference."""
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return value["Ref"]
    if set(value) == {"Fn::GetAtt"}:
        return "arn:aws:x:us-east-1:123456789012:" + ":".join(value["Fn::GetAtt"])
    if set(value) == {"Fn::Sub"}:
        return re.sub(r"\$\{[^}]*\}", "x", value["Fn::Sub"])
    return {key: resolved(item) for key, item in value.items()}


@pytest.mark.parametrize("case", ["alarm-breaker", "trial-breaker in full", "fis in full"])
def test_cloudwatch_takes_the_alarms(moto, printed, case):
    """As CloudFormation hands them on: by the service's model, and read back."""
    cloudwatch = moto.client("cloudwatch")
    template = json.loads(json.dumps(load_template(printed(*CASES[case])[0])))
    alarms = resources_of(template, "AWS::CloudWatch::Alarm")
    assert len(alarms) == (2 if case.startswith("fis") else 4)
    for name, alarm in alarms.items():
        cloudwatch.put_metric_alarm(AlarmName=name, **resolved(alarm["Properties"]))
    stored = {a["AlarmName"]: a for a in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert set(stored) == set(alarms)
    if case != "alarm-breaker":
        return
    events = stored["EventsFail"]
    dimensions = {m["MetricStat"]["Metric"]["MetricName"]: m["MetricStat"]["Metric"]["Dimensions"]
                  for m in events["Metrics"] if "MetricStat" in m}
    mapping = [{"Name": "EventSourceMappingUUID", "Value": "Mapping"}]
    assert dimensions == {"FailedInvokeEventCount": mapping, "InvokedEventCount": mapping}
    assert (events["EvaluationPeriods"], events["DatapointsToAlarm"]) == (3, 2)
    assert events["TreatMissingData"] == "missing"


def in_lower_case(value):
    """CloudFormation's ActionId is the API's actionId; names that people chose stay."""
    return {key[0].lower() + key[1:]: item for key, item in value.items()}


def test_fis_takes_the_experiments(moto, printed):
    fis = moto.client("fis")
    template = json.loads(json.dumps(load_template(printed(*CASES["fis in full"])[0])))
    experiments = resources_of(template, "AWS::FIS::ExperimentTemplate")
    for name, experiment in experiments.items():
        request = in_lower_case(resolved(experiment["Properties"]))
        request["stopConditions"] = [in_lower_case(c) for c in request["stopConditions"]]
        for part in ("targets", "actions"):
            request[part] = {key: in_lower_case(v) for key, v in request[part].items()}
        stored = fis.create_experiment_template(clientToken=name, **request)["experimentTemplate"]
        assert set(stored["actions"]) == set(request["actions"])
        # Each action follows one that is there.
        for action in request["actions"].values():
            assert set(action.get("startAfter", [])) <= set(request["actions"])


def test_faults_are_deployed_on_ministack_but_for_their_experiments(ministack, printed):
    ministack.reset()
    ministack.client("ssm").put_parameter(
        Name="/aws/service/fis/lambda-extension/AWS-FIS-extension-x86_64/1.x.x", Type="String",
        Value="arn:aws:lambda:us-east-1:000000000000:layer:aws-fis-extension:1")
    text, _ = printed(*CASES["fis"])
    template = json.loads(json.dumps(load_template(text)))
    experiments = resources_of(template, "AWS::FIS::ExperimentTemplate")
    for name in experiments:
        del template["Resources"][name]
    made = deploy(ministack, "faults", template)
    assert {"FaultBucket", "ExperimentRole", "ReadFaults", "WaitsTooLong"} <= set(made)
