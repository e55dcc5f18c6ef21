"""A Redis Cluster of three primaries and three replicas on loopback.

    with RedisCluster(folder) as cluster:
        cluster.command("SET", "k", "v")       # at the node that serves the key
        cluster.move("k")                      # its slot goes to another primary
        cluster.kill_primary("k")              # the replica takes over in 2 to 4 s
"""

import itertools

import peers
from waiting import wait_until

PRIMARIES = 3
SLOTS = 16384
PASSWORD = "cluster-secret"
# Of the errors of a cluster, those that end by themselves.
PASSING = ("CLUSTERDOWN", "TRYAGAIN", "LOADING", "MASTERDOWN")


def _ask(node, words, asking):
    connection = node.connect()
    try:
        if asking:
            connection.command("ASKING")
        return connection.command(*words)
    finally:
        connection.close()


class RedisCluster:
    """Node i + 3 is at first the replica of node i. All ask for PASSWORD."""

    def __init__(self, folder):
        options = [
            "cluster-enabled yes", "cluster-node-timeout 1500",
            # A replica may be elected however long it has been out of step.
            "cluster-replica-validity-factor 0", f"masterauth {PASSWORD}",
        ]
        self._bus_ports = [peers.free_port() for _ in range(2 * PRIMARIES)]
        self.nodes = [
            peers.Redis(folder / f"node-{i}", password=PASSWORD,
                        options=[*options, f"cluster-port {port}"])
            for i, port in enumerate(self._bus_ports)
        ]

    @property
    def url(self):
        """Any two of the nodes."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[1:3])
        return f"redis://:{PASSWORD}@{hosts}"

    def __enter__(self):
        try:
            for node in self.nodes:
                node.start()
            self._join()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc):
        self.stop()

    def renew(self):
        """All nodes run again, every replica is in step, and no keys are left."""
        for node in self.nodes:
            if not node.child.alive():
                node.restart()
            node.command("CONFIG", "SET", "masterauth", PASSWORD)
        self.serves()
        self.settled()
        wait_until(lambda: len(self.primaries()) == PRIMARIES, 20, "as many primaries as at first")
        for primary in self.primaries():
            self.replica_of(primary)
            primary.command("FLUSHALL")

    def stop(self):
        for node in self.nodes:
            node.stop()

    def _join(self):
        for i, node in enumerate(self.nodes):
            node.command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            node.command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self._bus_ports[0])
        bounds = [i * SLOTS // PRIMARIES for i in range(PRIMARIES + 1)]
        for node, (low, high) in zip(self.nodes, itertools.pairwise(bounds)):
            node.command("CLUSTER", "ADDSLOTSRANGE", low, high - 1)

        def replicates(replica, primary):
            try:
                return replica.command("CLUSTER", "REPLICATE", primary) == "OK"
            except peers.RedisError:
                return False  # they have not heard of each other yet
        for node, replica in zip(self.nodes, self.nodes[PRIMARIES:]):
            primary = self._id(node)
            wait_until(lambda: replicates(replica, primary), 10, "the nodes knowing each other")
        self.serves()
        for replica in self.nodes[PRIMARIES:]:
            replica.replicated()

    @staticmethod
    def _id(node):
        return node.command("CLUSTER", "MYID")

    def alive(self):
        return [node for node in self.nodes if node.child.alive()]

    def serves(self, within=20):
        """Waits until all nodes that run say that the cluster serves."""
        for node in self.alive():
            wait_until(lambda: "cluster_state:ok" in node.command("CLUSTER", "INFO"), within,
                       "the cluster serving")

    # ---- Keys ----

    def slot(self, key):
        return self.alive()[0].command("CLUSTER", "KEYSLOT", key)

    def command(self, verb, key, *rest, within=15):
        """One command at the node that serves its key, for as long as there is one within time."""
        nodes = itertools.cycle(self.nodes)
        answers = []

        def answered():
            node, asking = next(nodes), False
            while True:
                try:
                    answers.append(_ask(node, (verb, key, *rest), asking))
                    return True
                except OSError:
                    return False
                except peers.RedisError as error:
                    word, _, where = str(error).partition(" ")
                    if word in PASSING:
                        return False
                    if word not in ("MOVED", "ASK"):
                        raise
                    node, asking = self._by_port(int(where.rpartition(":")[2])), word == "ASK"
        wait_until(answered, within, f"an answer to {verb} {key}", every=0.02)
        return answers[0]

    def _by_port(self, port):
        return next(node for node in self.nodes if node.port == port)

    def primaries(self):
        return [node for node in self.alive() if node.command("ROLE")[0] == "master"]

    def owner(self, key):
        """The node that serves a key, once all primaries that run agree on that."""
        slot = self.slot(key)
        agreed = set()

        def agree():
            agreed.clear()
            for node in self.primaries():
                agreed.update(primary[1] for low, high, primary, *_ in
                              node.command("CLUSTER", "SLOTS") if low <= slot <= high)
            return len(agreed) == 1 and self._by_port(*agreed) in self.primaries()
        wait_until(agree, 20, lambda: f"one owner of slot {slot}: {agreed}")
        return self._by_port(*agreed)

    def replica_of(self, primary):
        """Its replica, which is in step."""
        found = []

        def in_step():
            found[:] = [node for node in self.alive() if node.command("ROLE")[:4] ==
                        ["slave", "127.0.0.1", primary.port, "connected"]]
            return found
        wait_until(in_step, 10, f"a replica of 127.0.0.1:{primary.port} in step")
        return found[0]

    def errors_sent(self, word, nodes=None):
        """How often these nodes, or all that run, have answered with this error."""
        count = 0
        for node in nodes or self.alive():
            for line in node.command("INFO", "errorstats").splitlines():
                if line.startswith(f"errorstat_{word}:count="):
                    count += int(line.partition("count=")[2])
        return count

    # ---- What happens to a cluster ----

    def settled(self):
        """Waits until all nodes that run tell the same of who serves what since which epoch, and no
        two primaries have the same epoch. A slot that moves on before that may be claimed by two
        for good: each holds what the other says for older."""
        def told(node):
            views = set()
            for line in node.command("CLUSTER", "NODES").splitlines():
                name, _, flags, _, _, _, epoch, _, *slots = line.split(" ")
                served = tuple(s for s in slots if not s.startswith("["))
                if "master" in flags and served:
                    views.add((name, epoch, served))
            return views

        def agreed():
            first, *others = [told(node) for node in self.alive()]
            return (len({epoch for _, epoch, _ in first}) == len(first)
                    and all(view == first for view in others))
        wait_until(agreed, 30, lambda: "the nodes at one: " + "; ".join(
            str(sorted(told(node))) for node in self.alive()), every=0.01)

    def move(self, key, asked=False):
        """Moves the key's slot to another primary, one key at a time. With `asked` it ends once
        somebody has been sent on by ASK."""
        self.settled()
        slot = self.slot(key)
        source = self.owner(key)
        target = next(node for node in self.primaries() if node is not source)
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", self._id(source))
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", self._id(target))
        while keys := source.command("CLUSTER", "GETKEYSINSLOT", slot, 1):
            source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "AUTH", PASSWORD,
                           "KEYS", *keys)
        if asked:
            before = self.errors_sent("ASK", [source])
            wait_until(lambda: self.errors_sent("ASK", [source]) > before, 10, "an ASK")
        for node in [target, *self.primaries()]:
            node.command("CLUSTER", "SETSLOT", slot, "NODE", self._id(target))
        self.settled()
        return target

    def hand_over(self, key):
        """The replica takes over from the primary, which agrees: nothing is lost."""
        replica = self.replica_of(self.owner(key))
        replica.command("CLUSTER", "FAILOVER")
        wait_until(lambda: replica.command("ROLE")[0] == "master", 10, "the replica taking over")

    def leave_behind(self, replica):
        """The replica hears no more of what its primary does, but goes on as a node."""
        replica.command("CONFIG", "SET", "masterauth", "wrong")
        replica.command("CLIENT", "KILL", "TYPE", "master")
        wait_until(lambda: replica.command("ROLE")[3] != "connected", 10, "the replica behind")

    def kill_primary(self, key, replica=None):
        """Kills the key's primary and waits until its replica has been elected."""
        primary = self.owner(key)
        replica = replica or self.replica_of(primary)
        primary.kill()
        wait_until(lambda: replica.command("ROLE")[0] == "master", 20, "an election")

    def kill_primary_in_step(self, key):
        """The same, once the replica has all that the primary has acknowledged: the primary first
        answers nobody who writes, until what it wrote before has arrived."""
        primary = self.owner(key)
        replica = self.replica_of(primary)
        primary.command("CLIENT", "PAUSE", 60_000, "WRITE")
        written = primary.command("ROLE")[1]
        wait_until(lambda: replica.command("ROLE")[4] >= written, 10, "the replica in step")
        self.kill_primary(key, replica)
