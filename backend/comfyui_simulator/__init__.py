"""A simulated ComfyUI: the real protocol, labelled placeholder pictures, faults on demand.

For demo, tests and benchmark. It never poses as the real thing: `/system_stats` says
`"simulator": true`, and SIMULATED is written into every picture. See docs/comfyui_simulator.md.
"""

from backend.comfyui_simulator.faults import Fault
from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator

__all__ = ["Fault", "Simulator", "SimulatorOptions"]
