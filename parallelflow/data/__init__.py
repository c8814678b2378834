"""How large data gets from one process to another: in messages, or through shared memory."""
