"""The unit of work: chunks of elements, where they run, and what came of each.

Knows neither Qt nor VisTrails. One element's way: `backlog` holds it until `sending` sends it in
a chunk to one of the `workers`; `parallelflow.engine.runner` evaluates it there; `outcomes`
decides by the reply, or by the engine's end, what becomes of it; `results` keeps its value or
failure by its index. `run.Run` wires these parts; `mapping` and the loops of VisTrails drive it.
"""
