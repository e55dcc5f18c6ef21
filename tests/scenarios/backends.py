"""The stores that scenarios run on, and what they hold of a circuit, asked for past Switchgear."""

import time

import peers
from clients import CIRCUIT, Shared
from waiting import wait_until


class OnRedis(Shared):
    """A Redis of this test alone. `near` is the way to it, `far` the one that `link` can cut."""

    # How far from the store's time a process may take it to be, in seconds.
    epsilon = 0

    def __init__(self, redis, toxiproxy):
        super().__init__(redis)
        self.link = toxiproxy.link(redis.port)
        self.near = redis.url
        self.far = f"redis://127.0.0.1:{self.link.port}/0"

    def of(self, circuit, name_space="switchgear"):
        return Shared(self.redis, circuit, name_space)

    def circuits(self):
        return self.redis.command("KEYS", "*:r")

    def holder(self, slot):
        """Instance and token of who had the slot last, or None."""
        held = self.record().get(f"s{slot}")
        return held and held.partition("@")[0]

    def connections(self):
        """Open ones at the server, this question's included."""
        lines = self.redis.command("INFO", "clients").splitlines()
        return int(dict(line.split(":", 1) for line in lines if ":" in line)["connected_clients"])

    def lose_replies(self):
        """Writes on the way `far` are carried out, and their answers lost."""
        self.link.drop_replies()

    def mend(self):
        self.link.mend()

    def forget(self):
        """All that was stored is gone."""
        self.redis.command("FLUSHALL")

    def close(self):
        self.link.__exit__()


class Item:
    """What a table of DynamoDB holds of one circuit."""

    def __init__(self, client, circuit=CIRCUIT, name_space="switchgear"):
        self.client = client
        self.key = {"circuit": {"S": f"{name_space}/{circuit}"}}

    def record(self):
        item = self.client.get_item(TableName=OnDynamoDb.TABLE, Key=self.key, ConsistentRead=True)
        return {name: next(iter(value.values())) for name, value in item.get("Item", {}).items()}

    def state(self):
        return self.record().get("st")

    def becomes(self, state, within=20):
        wait_until(lambda: self.state() == state, within,
                   lambda: f"the record {state}; it is {self.record()}", every=0.02)
        return self.record()

    def reports(self):
        record = self.record()
        sets = (value for name, value in record.items() if name.startswith(f"e{record['ep']}."))
        return [report for each in sets for report in each]


class OnDynamoDb(Item):
    """A new table on a stand-in, behind a proxy (dynamodb_faults.py) that fails as DynamoDB may; that
    one behind toxiproxy on the way `far`."""

    TABLE = "circuits"
    epsilon = 1.1  # its answers tell whole seconds

    def __init__(self, server, faults, toxiproxy):
        super().__init__(server.client("dynamodb"))
        self.faults = faults
        self.link = toxiproxy.link(faults.port)
        self.near = self.way(faults.port)
        self.far = self.way(self.link.port)
        self.create_table()

    def way(self, port):
        return (f"dynamodb://{self.TABLE}", {
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{port}", "AWS_REGION": peers.REGION,
            "AWS_ACCESS_KEY_ID": peers.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": peers.SECRET_KEY})

    def create_table(self):
        self.client.create_table(
            TableName=self.TABLE, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "circuit", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "circuit", "KeyType": "HASH"}])
        self.client.get_waiter("table_exists").wait(TableName=self.TABLE,
                                                    WaiterConfig={"Delay": 1, "MaxAttempts": 20})

    def delete_table(self):
        self.client.delete_table(TableName=self.TABLE)
        self.client.get_waiter("table_not_exists").wait(
            TableName=self.TABLE, WaiterConfig={"Delay": 1, "MaxAttempts": 20})

    def of(self, circuit, name_space="switchgear"):
        return Item(self.client, circuit, name_space)

    def circuits(self):
        return [item["circuit"]["S"] for item in self.client.scan(TableName=self.TABLE)["Items"]]

    def holder(self, slot):
        return self.record().get(f"s{slot}")

    def lose_replies(self):
        # Of writes alone: a claim is made by an answer that is at most two seconds old.
        self.faults.loses_answer = lambda request: request.operation == "UpdateItem"

    def mend(self):
        self.faults.loses_answer = lambda request: False
        self.link.mend()

    def forget(self):
        self.delete_table()
        self.create_table()

    def operations(self):
        """Requests so far. An operation is one, seldom more."""
        return self.faults.requests()

    def reports_added(self):
        """Reports that were taken into the evidence of their epoch so far."""
        return self.faults.counts["reports"]

    def close(self):
        self.link.__exit__()
        self.delete_table()


def rest(seconds):
    """Lets so much time pass in which something must not happen."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, seconds + 5, "time passing")
