"""Small replacements of standard modules that current Pythons no longer have.

They hold what VisTrails and its packages use. `parallelflow.host.repairs.removed_modules`
says when one is imported.
"""
