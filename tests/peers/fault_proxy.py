"""A TCP proxy that misbehaves on demand, for one server on loopback. It runs in a thread of its own.

    with FaultProxy(redis.port) as proxy:
        proxy.delay = 1.5            # seconds, each way
        proxy.drop_replies = True    # requests arrive, their answers are lost
        proxy.cut()                  # connections end, new ones are refused
        proxy.mend()                 # all is well again
        proxy.lead_to(replica.port)  # from now on to another server
"""

import asyncio
import threading


class FaultProxy:
    def __init__(self, target_port):
        self.target_port = target_port
        self.port = None
        self.delay = 0
        self.drop_replies = False
        self.connections = 0  # now open, from clients
        self.connections_made = 0
        self._is_cut = False
        self._pipes = set()
        self._loop = asyncio.new_event_loop()
        self._server = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._server = self._do(self._loop.create_server(lambda: _FromClient(self), "127.0.0.1", 0,
                                                         backlog=512))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *exc):
        async def end():
            self._server.close()
            for pipe in list(self._pipes):
                pipe.abort()
        self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def cut(self):
        self._is_cut = True
        self._do(self._drop(lambda pipe: True))

    def mend(self):
        self.delay = 0
        self.drop_replies = False
        self._is_cut = False
        # What was lost on a connection is not made up for: it would answer the wrong request.
        self._do(self._drop(lambda pipe: pipe.lossy))

    def lead_to(self, port):
        self.target_port = port
        self._do(self._drop(lambda pipe: True))

    async def _drop(self, which):
        for pipe in filter(which, list(self._pipes)):
            pipe.abort()

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)


class _Pipe(asyncio.Protocol):
    """One side of a connection; what it hears goes to the other side."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.transport = None
        self.other = None
        self.early = []  # heard before the other side was there
        self.lossy = False  # a reply was lost here, and nothing is passed on any more

    def abort(self):
        if self.transport:
            self.transport.abort()

    def connection_made(self, transport):
        self.transport = transport
        self.proxy._pipes.add(self)

    def connection_lost(self, error):
        self.proxy._pipes.discard(self)
        if self.other and self.other.transport:
            self.other.transport.abort()

    def pass_on(self, data):
        if self.proxy.delay:
            self.proxy._loop.call_later(self.proxy.delay, self._write, data)
        else:
            self._write(data)

    def _write(self, data):
        if self.other is None:
            self.early.append(data)
        elif not self.other.transport.is_closing():
            self.other.transport.write(data)


class _FromClient(_Pipe):
    def connection_made(self, transport):
        super().connection_made(transport)
        if self.proxy._is_cut:
            transport.abort()
            return
        self.proxy.connections += 1
        self.proxy.connections_made += 1
        asyncio.ensure_future(self._connect(), loop=self.proxy._loop)

    async def _connect(self):
        try:
            _, other = await self.proxy._loop.create_connection(
                lambda: _FromServer(self.proxy, self), "127.0.0.1", self.proxy.target_port)
        except OSError:
            self.transport.abort()
            return
        self.other = other
        for data in self.early:
            self._write(data)

    def connection_lost(self, error):
        super().connection_lost(error)
        if not self.proxy._is_cut or self.other:
            self.proxy.connections -= 1

    def data_received(self, data):
        self.pass_on(data)


class _FromServer(_Pipe):
    def __init__(self, proxy, client):
        super().__init__(proxy)
        self.other = client

    def data_received(self, data):
        self.lossy = self.lossy or self.proxy.drop_replies
        if not self.lossy:
            self.pass_on(data)
