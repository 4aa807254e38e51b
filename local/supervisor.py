"""Brings the stack up in order, serves the gateway and the event bus, and takes all down again."""

import asyncio
import contextlib
import secrets
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from local.banner import banner, endpoints
from local.children import Child, ChildError, first_to_end
from local.credentials import OPERATOR, access_key_id
from local.event_sources import Poller
from local.events import EventBus, check_rules
from local.first_token import kept_token, make_token
from local.function_sockets import FunctionSockets, listen_for_functions
from local.gateway import Gateway
from local.invoker import Invoker
from local.plan import JOBS, MOTO, Addresses, Options, Plan, programs
from local.ports import free_urls, listen, url_of
from local.queue_sender import QueueSender
from local.state import State
from local.template import Template

ENDPOINTS = ("s3", JOBS, MOTO)
DRAIN_SECONDS = 2.0
DEAD_LETTERS = "logs/dead-letters.jsonl"
ENDPOINTS_FILE = "endpoints.json"

Tell = Callable[[str], None]


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Supervisor:
    """One running stack."""

    plan: Plan
    listener: socket.socket
    tell: Tell
    children: list[Child] = field(default_factory=list)

    @classmethod
    def prepare(cls, options: Options, tell: Tell) -> "Supervisor":
        """Read the template, take port and state. Raises TemplateError, PortError, StateError."""
        template = Template.load(options.cdk_out)
        check_rules(template.rules)
        listener = listen(options.port)
        state = State.open(options.state)
        gateway = url_of(listener)
        urls = free_urls(ENDPOINTS, state.read_json("ports.json"))
        state.write_json("ports.json", urls)
        events = f"{gateway}/_events/{secrets.token_hex(16)}"
        plan = Plan(options, state, template, Addresses(gateway=gateway, events=events, **urls))
        return cls(plan, listener, tell)

    async def run(self) -> int:
        """Serve until a signal asks to end (0) or a process of the stack fails (1)."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, stop)
        try:
            await self._serve(stop)
        except ChildError as exc:
            self.tell(str(exc))
            return 1
        finally:
            for child in self.children:
                child.kill()
        return 0

    def _on_signal(self, stop: asyncio.Event) -> None:
        if stop.is_set():  # asked a second time
            for child in self.children:
                child.kill()
        stop.set()

    async def _serve(self, stop: asyncio.Event) -> None:
        started = time.monotonic()
        sockets = listen_for_functions(self.plan.template, self.plan.state)
        invoker = self._invoker(sockets)
        bus = EventBus(
            self.plan.template.rules,
            invoker,
            self.plan.state.root / DEAD_LETTERS,
            QueueSender(self.plan.credentials(OPERATOR)),
        )
        pollers = self._pollers(invoker)
        server = _server(self._gateway(invoker, bus))
        serving = asyncio.create_task(server.serve([self.listener]))
        try:
            await _first(stop.wait(), self._start(sockets, started))
            if not stop.is_set():
                bus.start_schedules()
                await _first(stop.wait(), self._watch(), *(poller.run() for poller in pollers))
        finally:
            await self._end(bus, pollers)
            server.should_exit = True
            await serving

    async def _start(self, sockets: FunctionSockets, started: float) -> None:
        """Start every process at once, and announce the stack when all are ready."""
        self.plan.state.remove(ENDPOINTS_FILE)
        for program in programs(self.plan, sockets):
            self.children.append(await Child.start(program))
        for _, listener in sockets.values():
            listener.close()
        try:
            async with asyncio.TaskGroup() as group:
                token = group.create_task(self._token())
                for child in self.children:
                    group.create_task(self._follow(child))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        self._announce(token.result(), time.monotonic() - started)

    def _announce(self, token: str, seconds: float) -> None:
        self.plan.state.write("token", token)
        self.plan.state.write_json(ENDPOINTS_FILE, endpoints(self.plan, token))
        self.tell(banner(self.plan, token, seconds))

    async def _follow(self, child: Child) -> None:
        seconds = await child.ready()
        self.tell(f"  {child.program.name:<12} ready in {seconds:.1f} s")

    async def _token(self) -> str:
        if (kept := kept_token(self.plan)) is not None:
            return kept
        await self._child(MOTO).is_ready.wait()
        return await make_token(self.plan)

    async def _watch(self) -> None:
        """Wait until a process ends, which none should. Raises ChildError."""
        child = await first_to_end(self.children)
        raise child.failure(f"ended with status {child.process.returncode}")

    async def _end(self, bus: EventBus, pollers: Sequence[Poller]) -> None:
        """End the jobs first, while what they report can still be delivered; then the rest."""
        jobs = [child for child in self.children if child.program.name == JOBS]
        await _end_all(jobs)
        await bus.close(DRAIN_SECONDS if jobs else 0)
        await asyncio.gather(*(poller.close(DRAIN_SECONDS) for poller in pollers))
        await _end_all([child for child in self.children if child not in jobs])
        self.plan.state.remove(ENDPOINTS_FILE)

    def _child(self, name: str) -> Child:
        return next(child for child in self.children if child.program.name == name)

    def _invoker(self, sockets: FunctionSockets) -> Invoker:
        functions = self.plan.template.functions
        return Invoker(
            {logical_id: path for logical_id, (path, _) in sockets.items()},
            {logical_id: function.timeout for logical_id, function in functions.items()},
        )

    def _pollers(self, invoker: Invoker) -> list[Poller]:
        """One for each queue that a function gets messages from."""
        return [
            Poller(
                source,
                invoker,
                self.plan.credentials(access_key_id(source.function)),
                self.plan.options.processes,
            )
            for source in self.plan.template.event_sources
        ]

    def _gateway(self, invoker: Invoker, bus: EventBus) -> Gateway:
        path = self.plan.addresses.events.removeprefix(self.plan.addresses.gateway)
        return Gateway(self.plan.template.api, invoker, self.plan.base_url, path, bus.receive)


async def _first(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Wait for the first to be done, cancel the others, and raise what it raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def _end_all(children: Sequence[Child]) -> None:
    await asyncio.gather(*(child.end() for child in children))


def _server(gateway: Gateway) -> uvicorn.Server:
    config = uvicorn.Config(
        gateway,
        interface="asgi3",
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    return _Server(config)
