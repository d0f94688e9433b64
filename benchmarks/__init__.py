"""How fast gradcore is, beside PyTorch on the CPU, NumPy written by hand, and HIPS autograd.

Run from the root of the repository::

    python -m pip install -e . torch autograd
    python -m benchmarks                       # everything, about two minutes
    python -m benchmarks --quick               # fewer repetitions, about twenty seconds
    python -m benchmarks --only seed --only mlp
    python -m benchmarks --json result.json

A library that is not installed is named as such and left out.

Absolute times say little: they change with the machine, and with what else it does. So all contenders take
turns in one process, many times over, and what counts is the ratio of their medians. Before anything is
timed, every contender's numbers are compared with those of NumPy. Nothing here fails because it is slow; the
table shows the goal beside each ratio. PyTorch gets as many threads as there are cores, NumPy's BLAS has its
own default, and the output says both.

``programs.py``, ``lenet.py`` and ``rowwise.py`` hold the programs, each in the idiom of its library, ``catalogue.py``
their list; ``measure.py`` the clock; ``startup.py`` what importing costs; ``report.py`` the table.
"""
