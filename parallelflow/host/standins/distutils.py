"""The package that holds ``distutils.version``."""

__path__: list[str] = []
