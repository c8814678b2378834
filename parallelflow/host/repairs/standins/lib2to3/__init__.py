"""What VisTrails uses of ``lib2to3``, removed in Python 3.13."""
