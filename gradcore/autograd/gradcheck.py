"""Checking derivatives against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.errors import GradcheckError
from gradcore.grad_mode import no_grad
from gradcore.op import is_tensor
from gradcore.ops.creation import tensor

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["gradcheck", "gradgradcheck"]

HostArray = np.ndarray[Any, Any]


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compare the gradients of ``func`` with central finite differences, for every element of every input.

    Complex inputs and outputs count as pairs of real numbers.

    Args:
        func: takes ``inputs``, gives a tensor or a tuple of tensors.
        inputs: a tensor or a sequence of arguments; those that require grad are checked and should be float64.
        eps: the step of the finite differences.
        atol, rtol: tolerances of the comparison.
        raise_exception: raise on failure; otherwise return ``False``.
        nondet_tol: by how much two backwards through the same graph may differ.

    Raises:
        GradcheckError: (a RuntimeError) a gradient is wrong; says which, and shows both.
        ValueError: no input requires grad.
    """
    args = _sequence(inputs)
    checked = [i for i, x in enumerate(args) if is_tensor(x) and x.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True."
        )
    for i in checked:
        if args[i].dtype not in (dtypes.float64, dtypes.complex128):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will "
                "likely fail if all the inputs are not of double precision floating point or complex.",
                UserWarning,
                stacklevel=2,
            )
        if args[i]._device.xp.self_overlaps(args[i]._data):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping "
                "to be able to compute the numerical gradients correctly. You should call .contiguous on the input "
                "before passing it to gradcheck."
            )
    try:
        _compare(func, args, checked, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compare second derivatives of ``func`` with finite differences of its gradients; also in the cotangents.

    Args:
        grad_outputs: the cotangents, of the outputs' shapes; random ones from a fixed seed when not given.

    The other arguments, and what is raised, are those of :func:`gradcheck`.
    """
    args = _sequence(inputs)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        with no_grad():
            given: tuple[Tensor, ...] = tuple(
                tensor(_random_like(y, rng), dtype=y.dtype, device=y.device, requires_grad=True)
                for y in _differentiable(func(*args))
            )
    else:
        given = tuple(_sequence(grad_outputs))
    count = len(given)
    wanted = [i for i, x in enumerate(args) if is_tensor(x) and x.requires_grad]

    def gradients(*all_args: Any) -> tuple[Any, ...]:
        from gradcore.autograd import grad

        xs, vs = all_args[:-count], all_args[-count:]
        outputs = _differentiable(func(*xs))
        targets = [xs[i] for i in wanted]
        found = grad(outputs, targets, vs, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        (*args, *given),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )


def _compare(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    checked: list[int],
    eps: float,
    atol: float,
    rtol: float,
    nondet: float,
) -> None:
    outputs = _differentiable(func(*args))
    numeric = {i: _numeric_jacobian(func, args, i, len(outputs), eps) for i in checked}
    for nr, out in enumerate(outputs):
        if not out.requires_grad:
            for i in checked:
                if np.any(np.abs(numeric[i][nr]) > atol):
                    raise GradcheckError(
                        f"Numerical gradient for function expected to be zero: output {nr} does not require grad, but "
                        f"depends on input {i}"
                    )
            continue
        analytic = _analytic_jacobian(out, [args[i] for i in checked])
        again = _analytic_jacobian(out, [args[i] for i in checked])
        for i, have, second in zip(checked, analytic, again, strict=True):
            if not np.allclose(have, second, rtol=0, atol=nondet, equal_nan=True):
                raise GradcheckError(
                    f"Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                    f"gives different values, for input {i} and output {nr}"
                )
            want = numeric[i][nr]
            if not np.allclose(have, want, rtol=rtol, atol=atol, equal_nan=True):
                raise GradcheckError(
                    f"Jacobian mismatch for output {nr} with respect to input {i},\nnumerical:\n{want}\nanalytical:\n{have}"
                )


def _sequence(tensors: Any) -> tuple[Any, ...]:
    return (tensors,) if is_tensor(tensors) else tuple(tensors)


def _differentiable(result: Any) -> list[Tensor]:
    """The outputs of a function that can have a gradient."""
    return [y for y in _sequence(result) if is_tensor(y) and dtypes.category(y.dtype) >= 2]


def _numeric_jacobian(
    func: Callable[..., Any], args: tuple[Any, ...], i: int, outputs: int, eps: float
) -> list[HostArray]:
    """For each output, its derivative by the real numbers of input ``i``: [numbers of the output, of the input]."""
    x = args[i]
    numbers = _numbers(x)
    columns: list[list[HostArray]] = [[] for _ in range(outputs)]

    def evaluate(values: HostArray) -> list[HostArray]:
        host = values.view(x.dtype) if x.dtype.kind == "c" else values
        # Built anew, so that nothing of one evaluation lives on in the next.
        moved = tensor(host.reshape(tuple(x.shape)), dtype=x.dtype, device=x.device, requires_grad=True)
        return [_numbers(y) for y in _differentiable(func(*args[:i], moved, *args[i + 1 :]))]

    for k in range(numbers.size):
        step = np.zeros_like(numbers)
        step[k] = eps
        for column, above, below in zip(columns, evaluate(numbers + step), evaluate(numbers - step), strict=True):
            column.append((above - below) / (2 * eps))
    sizes = [y.size for y in evaluate(numbers)]
    return [np.stack(c, axis=1) if c else np.zeros((n, 0)) for c, n in zip(columns, sizes, strict=True)]


def _analytic_jacobian(out: Tensor, inputs: list[Tensor]) -> list[HostArray]:
    """The same by backward: one walk for each real number of the output."""
    from gradcore.autograd import grad

    count = _numbers(out).size
    rows: list[list[HostArray]] = [[] for _ in inputs]
    for k in range(count):
        basis = np.zeros(count)
        basis[k] = 1
        host = basis.view(np.complex128).astype(out.dtype) if out.dtype.kind == "c" else basis.astype(out.dtype)
        v = tensor(host.reshape(tuple(out.shape)), dtype=out.dtype, device=out.device)
        for row, g, x in zip(rows, grad(out, inputs, v, retain_graph=True, allow_unused=True), inputs, strict=True):
            if g is not None and g.shape != x.shape:
                raise GradcheckError(f"the gradient has shape {list(g.shape)}, its input {list(x.shape)}")
            row.append(np.zeros_like(_numbers(x)) if g is None else _numbers(g))
    return [np.stack(r) if r else np.zeros((0, _numbers(x).size)) for r, x in zip(rows, inputs, strict=True)]


def _numbers(x: Tensor) -> HostArray:
    """The elements as a flat array of real float64 numbers; a complex one gives two."""
    host = np.ascontiguousarray(x.numpy(force=True)).reshape(-1)
    if host.dtype.kind == "c":
        return host.astype(np.complex128).view(np.float64).copy()
    return host.astype(np.float64)


def _random_like(y: Tensor, rng: np.random.Generator) -> HostArray:
    values = rng.standard_normal(tuple(y.shape))
    return values + 1j * rng.standard_normal(tuple(y.shape)) if y.dtype.kind == "c" else values
