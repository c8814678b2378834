"""Small replacements of standard modules that current Pythons no longer have."""
