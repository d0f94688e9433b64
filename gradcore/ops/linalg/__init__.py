"""Linear algebra; what users see of it is :mod:`gradcore.linalg`."""
