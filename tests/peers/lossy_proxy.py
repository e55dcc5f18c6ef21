"""A proxy in front of a server, for one request at a time on each connection, that does to it what
networks do: delays, lost requests, lost answers, and requests that arrive after their sender has
given up.

    with LossyProxy(redis.port, seed=1, faults=LOSSY) as proxy:
        client("127.0.0.1", proxy.port)
    assert proxy.counts["lost answer"] > 0
"""

import asyncio
import collections
import random
import threading

# How often each fault befalls a request.
LOSSY = {
    "slow": 0.10,  # passed on, or answered, up to SLOW_S later
    "lost request": 0.02,  # the connection ends, nothing is passed on
    "lost answer": 0.03,  # passed on and carried out; then the connection ends instead of an answer
    "late request": 0.02,  # the connection ends, and up to LATE_S later the request is passed on
}
SLOW_S = 0.02
LATE_S = 0.15


class LossyProxy:
    """Listens on a free loopback port (`port`) from entering to leaving the context. `counts` says
    how many requests had which fault."""

    def __init__(self, server_port, seed, faults=None):
        self.port = None
        self.counts = collections.Counter()
        self._server_port = server_port
        self._faults = LOSSY if faults is None else faults
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._tasks = set()
        self._errors = []
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *exc):
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._errors:
            raise self._errors[0]

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _close(self):
        self._closing.set()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        except Exception as error:  # a defect of this proxy is none of the network's faults
            self._errors.append(error)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader, writer):
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        answers = asyncio.create_task(self._answer(from_server, writer))
        try:
            while request := await reader.read(65536):
                fault = self._draw()
                if fault == "lost request":
                    return
                if fault == "late request":
                    writer.close()
                    await self._wait(LATE_S)
                if fault == "slow":
                    await self._wait(SLOW_S)
                if fault in ("lost answer", "late request"):
                    answers.cancel()
                    await asyncio.wait([answers])
                    to_server.write(request)
                    await from_server.read(65536)  # now it is carried out
                    return
                to_server.write(request)
                await to_server.drain()
        finally:
            answers.cancel()
            to_server.close()

    async def _answer(self, from_server, writer):
        try:
            while answer := await from_server.read(65536):
                if self._draw(of=("slow",)):
                    await self._wait(SLOW_S)
                writer.write(answer)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def _draw(self, of=None):
        """The fault that befalls what comes next; None mostly."""
        at = self._random.random()
        for name, share in self._faults.items():
            if of and name not in of:
                continue
            at -= share
            if at < 0:
                self.counts[name] += 1
                return name
        return None

    async def _wait(self, most):
        """A random time up to `most` seconds, less if the proxy closes."""
        try:
            await asyncio.wait_for(self._closing.wait(), self._random.uniform(0, most))
        except TimeoutError:
            pass
