"""`python -m backend.comfyui_simulator`: run a simulated ComfyUI until SIGINT or SIGTERM."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.comfyui_simulator.faults import Fault, UnknownFaultError, from_text, known
from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.routes.info import COMFYUI_VERSION
from backend.comfyui_simulator.simulator import Simulator

#: What a shell shows for a process that SIGKILL ended.
KILLED = 137
MODEL_OPTIONS = {
    "--checkpoint": "checkpoints",
    "--lora": "loras",
    "--vae": "vae",
    "--text-encoder": "text_encoders",
    "--diffusion-model": "diffusion_models",
}
EPILOG = f"""faults: {", ".join(sorted(Fault))}.
NAME[=VALUE][@TIMES], e.g. --fault reject@1 --fault slow_download=50000 --fault die=0.3.
At run time: POST /simulator/faults {{"reject": {{"times": 1}}}}; {{}} clears all.
Counts: GET /simulator/stats. Manual: docs/comfyui_simulator.md."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend.comfyui_simulator",
        description="A simulated ComfyUI: the real protocol, labelled placeholder pictures.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8188, help="0 picks a free one (%(default)s)")
    parser.add_argument(
        "--seconds-per-step", type=float, default=0.05, help="per sampler step (%(default)s)"
    )
    parser.add_argument(
        "--model-swap-seconds", type=float, default=0.0, help="per model load (%(default)s)"
    )
    parser.add_argument("--vram-gb", type=float, default=24.0, help="memory it claims to have")
    parser.add_argument("--output-directory", type=Path, help="kept; default: a temporary folder")
    parser.add_argument("--preview-method", default="none", help="e.g. latent2rgb (%(default)s)")
    parser.add_argument("--object-info", type=Path, help="node definitions of a real server")
    parser.add_argument("--every-model", action="store_true", help="have all known model files")
    parser.add_argument("--without-node", action="append", default=[], help="lack this node class")
    for option, folder in MODEL_OPTIONS.items():
        text = f"a file in {folder}, in place of the defaults; repeatable"
        parser.add_argument(option, action="append", dest=folder, metavar="NAME", help=text)
    parser.add_argument(
        "--fault", action="append", default=[], type=fault_option, metavar="NAME[=VALUE][@TIMES]"
    )
    return parser


def fault_option(text: str) -> tuple[str, dict[str, object]]:
    try:
        name, spec = from_text(text)
        known(name)
    except UnknownFaultError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name, spec


def options_from(arguments: argparse.Namespace) -> SimulatorOptions:
    given = vars(arguments)
    folders = MODEL_OPTIONS.values()
    return SimulatorOptions(
        seconds_per_step=arguments.seconds_per_step,
        model_swap_seconds=arguments.model_swap_seconds,
        models={folder: tuple(given[folder]) for folder in folders if given[folder]},
        every_model=arguments.every_model,
        without_nodes=tuple(arguments.without_node),
        object_info=arguments.object_info,
        output_directory=arguments.output_directory,
        preview_method=arguments.preview_method,
        vram_gb=arguments.vram_gb,
        faults=dict(arguments.fault),
    )


async def serve(options: SimulatorOptions, host: str, port: int) -> None:
    def end_process() -> None:
        simulator.folders.remove()
        os._exit(KILLED)

    simulator = Simulator(options, host=host, port=port, on_death=end_process)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    try:
        await simulator.start()
        sys.stdout.write(f"simulated ComfyUI {COMFYUI_VERSION} on {simulator.url}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await simulator.stop()


def main(argv: Sequence[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
        asyncio.run(serve(options_from(arguments), arguments.host, arguments.port))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"simulated ComfyUI: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
