"""Special functions, element by element, in files by what they are about. Public names: :mod:`gradcore.special`.

Where the backend offers a module of special functions (SciPy's, CuPy's), they come from there. Otherwise they are computed in
the array library itself, from published approximations and expansions; each file names its sources.
"""
