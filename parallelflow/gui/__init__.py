"""The window's half of Parallel Flow: menu, questions and dialogs. The only folder with Qt.

Each menu entry has a file (`start_dialog`, `cluster_window`, `profile_dialog`,
`cleanup_dialog`, `shutdown_dialog`); `session` holds what is open, `interaction` answers the
engine manager, and what needs no widget (`entries`, `wording`) needs no Qt either.
"""
