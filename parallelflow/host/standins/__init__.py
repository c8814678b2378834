"""Small replacements of standard modules that current Pythons no longer have.

They hold what VisTrails and its packages use. `parallelflow.host.repairs_standins`
says when one is imported.
"""
