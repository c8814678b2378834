"""What VisTrails uses of ``distutils``, removed in Python 3.12."""
