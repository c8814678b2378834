"""The unit of work: chunks of elements, where they run, and what came of each.

Knows neither Qt nor VisTrails. One element's way: `run.Run` cuts the list into
chunks, `parallelflow.engine.payload` turns a chunk into frames,
`parallelflow.engine.runner` evaluates it on an engine, and `run.Run` puts each outcome
into its `values`, `failures` or `deferred`, by index.
"""
