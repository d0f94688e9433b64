"""Checking derivatives against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcore import dtypes
from gradcore.autograd._jacobians import (
    HostArray,
    backward_jacobian,
    differentiable,
    directional_difference,
    forward_jacobian,
    from_numbers,
    numbers,
    numeric_jacobian,
    sequence,
    tangents,
)
from gradcore.errors import GradcheckError
from gradcore.op import is_tensor

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["gradcheck", "gradgradcheck"]


class _Options(NamedTuple):
    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    undefined: bool
    dtypes: bool
    batched: bool
    batched_forward: bool
    forward: bool
    backward: bool
    fast: bool


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
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
        check_undefined_grad: also that outputs whose gradient is undefined count as if it were zero.
        check_grad_dtypes: also that gradients have the dtypes of their inputs.
        check_batched_grad: also that the backward walk runs on a batch of gradients (``is_grads_batched``).
        check_batched_forward_grad: also that forward mode runs on a batch of tangents.
        check_forward_ad: also forward mode.
        check_backward_ad: ``False``: not backward, forward mode only.
        fast_mode: compare one random combination of the elements instead of each; much faster for large inputs.
        masked: accepted for PyTorch's sake; there are no sparse tensors.

    Raises:
        GradcheckError: (a RuntimeError) a gradient is wrong; says which, and shows both.
        ValueError: no input requires grad.
        RuntimeError: an input is an expanded tensor.
        AssertionError: the options contradict each other.
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    options = _Options(
        eps=eps,
        atol=atol,
        rtol=rtol,
        nondet_tol=nondet_tol,
        undefined=check_undefined_grad,
        dtypes=check_grad_dtypes,
        batched=check_batched_grad,
        batched_forward=check_batched_forward_grad,
        forward=check_forward_ad,
        backward=check_backward_ad,
        fast=fast_mode,
    )
    args = sequence(inputs)
    checked = _inputs_to_check(args)
    try:
        _check(func, args, checked, options)
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
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compare second derivatives of ``func`` with finite differences of its gradients; also in the cotangents.

    Args:
        grad_outputs: the cotangents, of the outputs' shapes; random ones from a fixed seed when not given.
        gen_non_contig_grad_outputs: make those so that they are not contiguous in memory.
        check_fwd_over_rev: check forward mode over the backward walk.
        check_rev_over_rev: check backward over the backward walk.

    The other arguments, and what is raised, are those of :func:`gradcheck`.
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    if check_undefined_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_undefined_grad=True requires check_rev_over_rev to be True")
    if check_batched_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_batched_grad=True requires check_rev_over_rev to be True")
    args = sequence(inputs)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        outputs = _recorded(func(*args))
        given: tuple[Tensor, ...] = tuple(_cotangent(y, rng, gen_non_contig_grad_outputs) for y in outputs)
    else:
        given = sequence(grad_outputs)
    count = len(given)
    wanted = [i for i, x in enumerate(args) if is_tensor(x) and x.requires_grad]

    def gradients(*all_args: Any) -> tuple[Any, ...]:
        from gradcore.autograd import grad

        xs, vs = all_args[:-count], all_args[-count:]
        outputs = _recorded(func(*xs))
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
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


def _inputs_to_check(args: Sequence[Any]) -> list[int]:
    checked = [i for i, x in enumerate(args) if is_tensor(x) and x.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for i in checked:
        if args[i].dtype not in (dtypes.float64, dtypes.complex128):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will "
                "likely fail if all the inputs are not of double precision floating point or complex.",
                UserWarning,
                stacklevel=3,
            )
        if args[i]._device.xp.self_overlaps(args[i]._data):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping "
                "to be able to compute the numerical gradients correctly. You should call .contiguous on the input "
                "before passing it to gradcheck."
            )
    return checked


def _check(func: Callable[..., Any], args: Sequence[Any], checked: list[int], options: _Options) -> None:
    outputs = differentiable(func(*args))
    is_complex = any(x.dtype.kind == "c" for x in (*outputs, *(args[i] for i in checked)))
    if options.fast and not is_complex:
        _compare_products(func, args, checked, outputs, options)
    else:
        _compare_jacobians(func, args, checked, outputs, options)
    if options.batched_forward:
        _check_batched_forward(func, args, checked, outputs)
    if not options.backward:
        return
    inputs = [args[i] for i in checked]
    smooth = [y for y in outputs if y.requires_grad]
    if options.batched:
        for nr, out in enumerate(smooth):
            _check_batched(out, inputs, nr)
    if smooth:
        _check_zero(smooth, inputs)
        if options.undefined:
            _check_undefined(func, args, inputs)


def _compare_jacobians(
    func: Callable[..., Any], args: Sequence[Any], checked: list[int], outputs: Sequence[Tensor], options: _Options
) -> None:
    numeric = {i: numeric_jacobian(func, args, i, len(outputs), options.eps) for i in checked}
    if options.forward:
        for i in checked:
            for nr, have in enumerate(forward_jacobian(func, args, i, outputs, options.dtypes)):
                _compare(have, numeric[i][nr], nr, i, options, "computed in forward mode ")
    if not options.backward:
        return
    for nr, out in enumerate(outputs):
        if not out.requires_grad:
            for i in checked:
                if np.any(np.abs(numeric[i][nr]) > options.atol):
                    raise GradcheckError(
                        f"Numerical gradient for function expected to be zero: output {nr} does not require grad, but "
                        f"depends on input {i}"
                    )
            continue
        inputs = [args[i] for i in checked]
        analytic = backward_jacobian(out, inputs, options.dtypes)
        again = backward_jacobian(out, inputs)
        for i, have, second in zip(checked, analytic, again, strict=True):
            _compare(have, numeric[i][nr], nr, i, options)
            _compare_again(have, second, nr, i, options)


def _compare_products(
    func: Callable[..., Any], args: Sequence[Any], checked: list[int], outputs: Sequence[Tensor], options: _Options
) -> None:
    """As :func:`_compare_jacobians`, but only ``u J v`` for one random ``u`` and one random ``v``."""
    from gradcore.autograd import grad

    rng = np.random.default_rng(0)
    directions = {i: _unit(rng, numbers(args[i]).size) for i in checked}
    weights = [_unit(rng, numbers(y).size) for y in outputs]
    for i in checked:
        numeric = directional_difference(func, args, i, directions[i], options.eps)
        if options.forward:
            for nr, (t, out) in enumerate(zip(tangents(func, args, {i: directions[i]}), outputs, strict=True)):
                have = np.zeros(numbers(out).size) if t is None else numbers(t)
                _compare(weights[nr] @ have, weights[nr] @ numeric[nr], nr, i, options, "computed in forward mode ")
        if not options.backward:
            continue
        for nr, out in enumerate(outputs):
            if not out.requires_grad:
                if np.any(np.abs(numeric[nr]) > options.atol):
                    raise GradcheckError(
                        f"Numerical gradient for function expected to be zero: output {nr} does not require grad, but "
                        f"depends on input {i}"
                    )
                continue
            products = []
            for _ in range(2):
                (g,) = grad(out, args[i], from_numbers(weights[nr], out), retain_graph=True, allow_unused=True)
                if g is not None and options.dtypes and g.dtype != args[i].dtype:
                    raise GradcheckError(f"Gradient has dtype mismatch: {g.dtype} for an input of {args[i].dtype}")
                products.append(np.zeros(()) if g is None else numbers(g) @ directions[i])
            _compare(products[0], weights[nr] @ numeric[nr], nr, i, options)
            _compare_again(products[0], products[1], nr, i, options)


def _compare(have: HostArray, want: HostArray, nr: int, i: int, options: _Options, how: str = "") -> None:
    if not np.allclose(have, want, rtol=options.rtol, atol=options.atol, equal_nan=True):
        raise GradcheckError(
            f"Jacobian {how}mismatch for output {nr} with respect to input {i},\nnumerical:\n{want}\nanalytical:\n{have}"
        )


def _compare_again(first: HostArray, second: HostArray, nr: int, i: int, options: _Options) -> None:
    if not np.allclose(first, second, rtol=0, atol=options.nondet_tol, equal_nan=True):
        raise GradcheckError(
            "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different "
            f"values, for input {i} and output {nr}. The tolerance for nondeterminism was {options.nondet_tol}"
        )


def _check_batched(out: Tensor, inputs: Sequence[Tensor], nr: int) -> None:
    """Whether one walk for two cotangents gives what two walks give."""
    from gradcore.autograd import grad
    from gradcore.ops.joining import stack

    rng = np.random.default_rng(nr)
    cotangents = [from_numbers(rng.standard_normal(numbers(out).size), out) for _ in range(2)]
    single = [grad(out, inputs, v, retain_graph=True, allow_unused=True) for v in cotangents]
    try:
        batched = grad(out, inputs, stack(cotangents), retain_graph=True, allow_unused=True, is_grads_batched=True)
    except RuntimeError as e:
        raise GradcheckError(f"While computing batched gradients, got: {e}") from e
    for i, g in enumerate(batched):
        for k, one in enumerate(single):
            same = (g is None) == (one[i] is None) and (g is None or np.allclose(numbers(g[k]), numbers(one[i])))
            if not same:
                raise GradcheckError(
                    f"For output {nr} and input {i}, the gradients of a batch of cotangents differ from those of each of them:\n"
                    f"batched:\n{None if g is None else g[k]}\nalone:\n{one[i]}"
                )


def _check_batched_forward(
    func: Callable[..., Any], args: Sequence[Any], checked: list[int], outputs: Sequence[Tensor]
) -> None:
    """Whether one run for two tangents gives what two runs give."""
    from gradcore.func import jvp, vmap
    from gradcore.ops.joining import stack

    rng = np.random.default_rng(0)
    for i in checked:

        def of_one(x: Any, i: int = i) -> Any:
            return tuple(differentiable(func(*(x if k == i else a for k, a in enumerate(args)))))

        directions = [from_numbers(rng.standard_normal(numbers(args[i]).size), args[i]) for _ in range(2)]
        single = [jvp(of_one, (args[i],), (t,))[1] for t in directions]
        try:
            batched = vmap(lambda t, i=i, f=of_one: jvp(f, (args[i],), (t,))[1])(stack(directions))
        except RuntimeError as e:
            raise GradcheckError(f"While computing batched gradients, got: {e}") from e
        for nr, found in enumerate(batched):
            for k, one in enumerate(single):
                if not np.allclose(numbers(found[k]), numbers(one[nr])):
                    raise GradcheckError(
                        f"For output {nr} and input {i}, the tangents of a batch differ from those of each of its elements:\n"
                        f"batched:\n{found[k]}\nalone:\n{one[nr]}"
                    )


def _check_zero(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> None:
    """Whether gradients of zero give gradients of zero, on the device of the input."""
    from gradcore.autograd import grad

    zeros = [from_numbers(np.zeros(numbers(y).size), y) for y in outputs]
    found = grad(list(outputs), list(inputs), zeros, retain_graph=True, allow_unused=True)
    for x, g in zip(inputs, found, strict=True):
        if g is None:
            continue
        if np.any(np.nan_to_num(numbers(g)) != 0):
            raise GradcheckError("backward not multiplied by grad_output: gradients of zero give others than zero")
        if g.device != x.device:
            raise GradcheckError(f"grad is incorrect device: {g.device} for an input on {x.device}")


def _check_undefined(func: Callable[..., Any], args: Sequence[Any], inputs: Sequence[Tensor]) -> None:
    """Whether undefined gradients of all outputs, and of each of them alone, count as zeros."""
    from gradcore.autograd import grad
    from gradcore.autograd._undefined import Undefined

    count = sum(y.requires_grad for y in differentiable(func(*args)))
    for kept in [None, *range(count)] if count > 1 else [None]:
        outputs = [y for y in differentiable(func(*args)) if y.requires_grad]
        cut = list(Undefined.apply(*outputs))
        if kept is not None:
            cut[kept] = outputs[kept]
        weights = [from_numbers(np.zeros(numbers(y).size), y) for y in cut]
        try:
            found = grad(cut, list(inputs), weights, allow_unused=True)
        except RuntimeError as e:
            raise GradcheckError(
                f"Expected backward function to handle undefined output grads, but it raised: {e}"
            ) from e
        for g in found:
            if g is not None and np.any(numbers(g) != 0):
                raise GradcheckError(
                    "Expected all input grads to be undefined or zero when all output grads are undefined or zero"
                )


def _unit(rng: np.random.Generator, size: int) -> HostArray:
    values = rng.standard_normal(size)
    return values / max(float(np.linalg.norm(values)), 1e-300)


def _recorded(result: Any) -> list[Tensor]:
    """The outputs that have a gradient; those that are no function of the inputs that require it have none."""
    return [y for y in differentiable(result) if y.requires_grad]


def _cotangent(y: Tensor, rng: np.random.Generator, strided: bool) -> Tensor:
    """A random cotangent for ``y``."""
    made = from_numbers(rng.standard_normal(numbers(y).size), y)
    if strided and made.ndim:
        from gradcore.ops.joining import stack

        made = stack([made, made], -1)[..., 0]
    return made.requires_grad_()
