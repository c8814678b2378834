"""How controllers and engines are started, and what runs as an engine."""
