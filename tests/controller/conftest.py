"""A function that is guarded from outside, and controllers beside it."""

import re
import subprocess
import urllib.request

import pytest

import peers
from child import Child
from guarded_function import GuardedFunction
from waiting import wait_until


@pytest.fixture
def run(binary, tmp_path):
    """Runs the binary in an empty folder."""
    def call(*arguments):
        return subprocess.run([str(binary), *arguments], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, cwd=tmp_path,
                              env=peers.clean_environment())
    return call


@pytest.fixture
def guarded(ministack, queue_name):
    made = []

    def make(**options):
        made.append(GuardedFunction(ministack, f"{queue_name}-{len(made)}", **options))
        return made[-1]

    yield make
    for function in made:
        function.close()


class Controller:
    """`switchgear controller` with the settings of one circuit, quick enough for a test."""

    def __init__(self, folder, binary, endpoint, store, mappings, alarms, policy="", controller="",
                 **circuit):
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"evidence": "alarm", "ramp_step": "1s", "alarm_interval": "1s",
                    "mapping_interval": "1s", **circuit}
        alarm_line = f"      alarms: [{', '.join(alarms)}]\n" if alarms else ""
        self.config = folder / "switchgear.yaml"
        self.config.write_text(
            f"store: {store}\n"
            "circuits:\n  payments:\n    open_duration: 1s\n    max_open_duration: 4s\n"
            "    open_jitter: 0\n" + policy +
            "controller:\n  calls_per_second: 15\n  lease: 10s\n" + controller
            + "  circuits:\n    payments:\n" + alarm_line + f"      mappings: [{', '.join(mappings)}]\n"
            + "".join(f"      {key}: {value}\n" for key, value in settings.items())
        )
        self.folder = folder
        self.binary = binary
        self.endpoint = endpoint
        self.child = None
        self.start()

    def start(self):
        self.child = Child(
            [self.binary, "controller", "--config", self.config, "--endpoint-url", self.endpoint,
             "--region", peers.REGION],
            log=self.folder / "controller.log",
            env=peers.clean_environment(AWS_ACCESS_KEY_ID=peers.ACCESS_KEY,
                                        AWS_SECRET_ACCESS_KEY=peers.SECRET_KEY),
        )

    def says(self, text, within=30):
        wait_until(lambda: text in self.child.output(), within, f"the controller saying {text!r}")

    def calls(self):
        """Of the control plane, so far."""
        url = re.search(r"metrics=(\S+)", self.child.output()).group(1)
        with urllib.request.urlopen(url, timeout=10) as answer:
            metrics = answer.read().decode()
        return int(re.search(r"^switchgear_controller_calls_total (\d+)", metrics, re.M).group(1))

    def stop(self):
        self.child.stop()


@pytest.fixture
def control(tmp_path, binary, redis):
    started = []

    def start(*functions, **options):
        options.setdefault("mappings", [f.name for f in functions])
        options.setdefault("alarms", [f.alarm for f in functions])
        folder = tmp_path / f"controller-{len(started)}"
        started.append(Controller(folder, binary, functions[0].endpoint, redis.url, **options))
        return started[-1]

    yield start
    for controller in started:
        controller.stop()
