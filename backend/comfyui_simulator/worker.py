"""The one worker: takes jobs off the queue and runs their nodes, in simulated time."""

import asyncio
import contextlib
import secrets
import string
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.comfyui_simulator import graph as graphs
from backend.comfyui_simulator import media
from backend.comfyui_simulator.errors import InterruptedJobError, NodeError
from backend.comfyui_simulator.faults import Fault, FaultBook
from backend.comfyui_simulator.folders import Folders, expanded, save_place
from backend.comfyui_simulator.nodes import NodeSet
from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.prompt_queue import PromptQueue, QueuedPrompt
from backend.comfyui_simulator.run import Cache, PromptRun, Shown
from backend.comfyui_simulator.sockets import Hub
from backend.comfyui_simulator.tally import Tally

#: Inputs of these types may be literals; any other type needs a link to work.
LITERAL_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
OUT_OF_MEMORY_MESSAGE = (
    "Allocation on device 0 would exceed allowed memory. (out of memory) (simulated)\n"
    "\nThis error means you ran out of memory on your GPU.\n"
    "\nTIPS: If the workflow worked before you might have accidentally set the batch_size"
    " to a large number."
)


@dataclass(frozen=True)
class World:
    """What the worker stands on."""

    options: SimulatorOptions
    nodes: NodeSet
    folders: Folders
    faults: FaultBook
    tally: Tally
    #: Kills the server; it may return, and the worker is cancelled soon after.
    die: Callable[[], None]


class PromptWorker:
    """One life of the worker: cache and loaded models are lost with it."""

    def __init__(self, world: World, queue: PromptQueue, hub: Hub) -> None:
        self._world = world
        self._queue = queue
        self._hub = hub
        self._cache: Cache = {}
        self._loaded: set[str] = set()
        self._wake = asyncio.Event()
        self._interrupted = False
        self._free_memory = False
        letters = (secrets.choice(string.ascii_lowercase) for _ in range(5))
        self._temp_prefix = f"ComfyUI_temp_{''.join(letters)}"
        #: Set when the server goes down; long encodings look at it.
        self.stopping = threading.Event()

    def wake(self) -> None:
        self._wake.set()

    def interrupt(self, prompt_id: str | None = None) -> None:
        """Stop the running job, or only the one of that id. Idle: no effect on the next job."""
        running = self._queue.running
        if running is not None and prompt_id in (None, running.prompt_id):
            self._interrupted = True

    def free(self, *, unload_models: bool, free_memory: bool) -> None:
        """Takes effect between jobs. free_memory drops the node cache too."""
        if unload_models or free_memory:
            self._loaded.clear()
        self._free_memory = self._free_memory or free_memory

    async def work(self) -> None:
        """Run jobs until cancelled."""
        while True:
            if not self._queue.has_pending:
                self._wake.clear()
                await self._wake.wait()
                continue
            if self._free_memory:
                self._cache.clear()
                self._free_memory = False
            await self._job(self._queue.get())

    async def _job(self, item: QueuedPrompt) -> None:
        self._interrupted = False
        self._hub.client_id = item.client_id
        self._world.tally.order.append(item.prompt_id)
        graph = graphs.runnable(item.graph, item.outputs, self._world.nodes)
        run = PromptRun(item, graph, self._hub)
        success = await self._execute(run)
        if success:
            run.note("execution_success", {})
        self._hub.last_node = None
        await asyncio.sleep(self._world.options.history_lag)
        self._queue.finish(run.entry(success=success))
        if self._world.faults.take(Fault.LOSE_HISTORY):
            self._queue.forget()
        if item.client_id is not None:
            data = {"node": None, "prompt_id": item.prompt_id}
            self._hub.tell("executing", data, item.client_id)

    async def _execute(self, run: PromptRun) -> bool:
        names = graphs.signatures(run.graph, lambda node_id: self._stamp(run, node_id))
        self._keep_only(run, names)
        cached = {node_id for node_id, name in names.items() if name in self._cache}
        run.start([node_id for node_id in run.graph if node_id in cached])
        if set(run.item.outputs) <= cached:
            self._world.tally.cached.append(run.prompt_id)
        order = graphs.execution_order(run.graph, run.item.outputs, cached)
        run.samples = any(self._is_sampler(run, n) for n in order if n not in cached)
        for node_id in order:
            if node_id in cached:
                run.reuse(node_id, self._cache[names[node_id]])
                continue
            try:
                self._cache[names[node_id]] = await self._node(run, node_id)
            except InterruptedJobError:
                run.interrupt(node_id)
                self._world.tally.interrupted.append(run.prompt_id)
                return False
            except NodeError as error:
                run.fail(node_id, error)
                self._world.tally.failed.append(run.prompt_id)
                return False
        return True

    def _keep_only(self, run: PromptRun, names: dict[str, str]) -> None:
        """The cache holds what the last prompt had; models the next one does not name go too."""
        wanted = set(names.values())
        self._cache = {name: shown for name, shown in self._cache.items() if name in wanted}
        models = {graphs.literal(run.graph, n, graphs.MODEL_INPUTS) for n in run.graph} - {None}
        if models:
            self._loaded &= models

    def _stamp(self, run: PromptRun, node_id: str) -> str:
        if run.class_of(node_id) != "LoadImage":
            return ""
        return self._world.folders.stamp(str(run.graph[node_id]["inputs"]["image"]))

    async def _node(self, run: PromptRun, node_id: str) -> Shown:
        run.begin(node_id)
        self._check_interrupt()
        self._check_inputs(run, node_id)
        await self._load_model(run, node_id)
        shown: Shown = None
        if self._is_sampler(run, node_id):
            await self._sample(run, node_id)
        elif node_id in run.item.outputs:
            if not run.samples:
                await self._mishap(run, node_id)
            shown = await self._save(run, node_id)
        run.end(node_id, shown)
        return shown

    def _is_sampler(self, run: PromptRun, node_id: str) -> bool:
        return graphs.is_sampler(run.graph, node_id, self._world.nodes)

    def _check_interrupt(self) -> None:
        if self._interrupted:
            self._interrupted = False
            raise InterruptedJobError

    def _check_inputs(self, run: PromptRun, node_id: str) -> None:
        """Fail where a real node would fail on what the validation let through."""
        inputs = run.graph[node_id]["inputs"]
        for spec in self._world.nodes.inputs(run.class_of(node_id)):
            value = inputs.get(spec.name)
            if value is None or graphs.is_link(value):
                continue
            if spec.kind == "COMBO" and value not in spec.extra.get("options", [value]):
                raise NodeError(f"{spec.name}: {value!r} is no option", kind="ValueError")
            if isinstance(spec.kind, str) and not LITERAL_TYPES & set(spec.kind.split(",")):
                kind = type(value).__name__
                message = f"'{kind}' object has no attribute 'shape'"
                raise NodeError(message, kind="AttributeError")
        if run.class_of(node_id) == "LoadImage":
            name = str(inputs["image"])
            if self._world.folders.image_size(name) is None:
                message = f"cannot identify image file '{name}'"
                raise NodeError(message, kind="PIL.UnidentifiedImageError")

    async def _load_model(self, run: PromptRun, node_id: str) -> None:
        model = graphs.literal(run.graph, node_id, graphs.MODEL_INPUTS)
        if model is None or model in self._loaded:
            return
        options = self._world.options
        seconds = options.model_swap_seconds_of.get(model, options.model_swap_seconds)
        await asyncio.sleep(seconds * self._slowness())
        self._loaded.add(model)
        self._world.tally.model_loads.append(model)

    def _slowness(self) -> float:
        slow = self._world.faults.active(Fault.SLOW)
        return 1.0 if slow is None else float(slow.value)

    async def _sample(self, run: PromptRun, node_id: str) -> None:
        steps = graphs.sampler_steps(run.graph, node_id)
        slow = self._world.faults.take(Fault.SLOW)
        seconds = self._world.options.seconds_per_step * (float(slow.value) if slow else 1.0)
        death = self._world.faults.active(Fault.DIE)
        mishap_at = int(steps * float(death.value)) if death else steps // 2
        for step in range(steps):
            if step == min(mishap_at, steps - 1):
                await self._mishap(run, node_id)
            await asyncio.sleep(seconds)
            self._check_interrupt()
            run.step(node_id, step + 1, steps)
            await self._show_preview(run, node_id, step + 1, steps)

    async def _show_preview(self, run: PromptRun, node_id: str, step: int, steps: int) -> None:
        if self._world.options.preview_method == "none":
            return
        picture = graphs.picture_of(
            run.graph, node_id, self._world.nodes, self._world.folders.image_size
        )
        image = await asyncio.to_thread(media.preview_jpeg, picture, step, steps)
        run.preview(node_id, image)

    async def _mishap(self, run: PromptRun, node_id: str) -> None:
        """Die, hang or fail here, if a fault says so."""
        faults = self._world.faults
        if faults.take(Fault.DIE):
            self._world.die()
            await asyncio.Event().wait()
        if hang := faults.take(Fault.HANG):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hang.released.wait(), hang.value)
        if faults.take(Fault.OUT_OF_MEMORY):
            raise NodeError(OUT_OF_MEMORY_MESSAGE, kind="torch.OutOfMemoryError")
        if failure := faults.take(Fault.EXECUTION_ERROR):
            raise NodeError(str(failure.value))

    async def _save(self, run: PromptRun, node_id: str) -> Shown:
        """Write the files in a thread, so that the server goes on answering."""
        class_type = run.class_of(node_id)
        if class_type not in media.KINDS:
            return None
        world = self._world
        picture = graphs.picture_of(run.graph, node_id, world.nodes, world.folders.image_size)
        temp = class_type == "PreviewImage"
        folder = world.folders.temp if temp else world.folders.output
        prefix = self._temp_prefix if temp else str(run.graph[node_id]["inputs"]["filename_prefix"])
        save = _Save(run, media.KINDS[class_type], picture, folder, prefix, self.stopping)
        try:
            shown = await asyncio.to_thread(save.write, "temp" if temp else "output")
        except (OSError, ValueError) as error:
            raise NodeError(str(error), kind=type(error).__name__) from error
        if not run.shown.keys() & set(run.executed):
            world.tally.count_render(run.prompt_id)
        return shown


@dataclass(frozen=True)
class _Save:
    """One output node's files. Runs in a thread: touches nothing but the disk."""

    run: PromptRun
    kind: media.OutputKind
    picture: graphs.DrawnPicture
    folder: Path
    prefix: str
    stop: threading.Event

    def write(self, folder_type: str) -> dict[str, Any]:
        frames = self.picture.frames
        prefix = expanded(self.prefix, frames.width, frames.height, time.localtime())
        target, name, subfolder, counter = save_place(self.folder, prefix)
        if self.kind.animated:
            path = target / f"{name}_{counter:05}_{self.kind.suffix}"
            media.write_animation(path, self.picture, self.stop)
            paths = [path]
        else:
            paths = self._stills(target, name, counter)
        images = [
            {"filename": path.name, "subfolder": subfolder, "type": folder_type} for path in paths
        ]
        if not self.kind.animated:
            return {"images": images}
        return {"images": images, "animated": [self.kind.suffix != ".webp" or frames.count > 1]}

    def _stills(self, target: Path, name: str, counter: int) -> list[Path]:
        chunks = media.png_chunks(self.run.item.graph, self.run.item.extra_data)
        paths = []
        for index in range(self.picture.frames.count):
            numbered = name.replace("%batch_num%", f"{index}")
            path = target / f"{numbered}_{counter + index:05}_{self.kind.suffix}"
            media.write_png(path, self.picture, index, chunks)
            paths.append(path)
        return paths
