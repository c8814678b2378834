"""The connection to a controller; the only place that knows ipyparallel's private names."""
