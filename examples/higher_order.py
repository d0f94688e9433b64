"""Derivatives of derivatives at work: Newton's method, conjugate gradients without a Hessian, gradients of single samples.

    python examples/higher_order.py
    GRADCORE_DEVICE=cuda python examples/higher_order.py

The problem is a logistic regression, f(w) = mean log(1 + exp(-y x w)) + |w|^2 / 100, whose minimum all ways must find.
"""

from __future__ import annotations

from collections.abc import Callable

import gradcore as gc

SAMPLES, FEATURES = 200, 5


def problem() -> tuple[gc.Tensor, gc.Tensor]:
    """Samples (200, 5) and their labels (200,), which are 1 or -1."""
    gc.manual_seed(0)
    x = gc.randn(SAMPLES, FEATURES, dtype=gc.float64)
    hidden = gc.linspace(-2.0, 2.0, FEATURES, dtype=gc.float64)
    noise = gc.randn(SAMPLES, dtype=gc.float64)
    return x, (x @ hidden + noise).sign()


def loss(w: gc.Tensor, x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
    """The loss of one sample, or the mean over several."""
    return (1 + (-y * (x @ w)).exp()).log().mean() + (w @ w) / 100


def newton(f: Callable[[gc.Tensor], gc.Tensor], w: gc.Tensor, steps: int = 6) -> gc.Tensor:
    """Newton's method, with the whole Hessian (5, 5), by forward mode over reverse mode."""
    gradient, hessian = gc.func.grad(f), gc.func.hessian(f)
    for i in range(steps):
        g = gradient(w)
        print(f"  step {i}: loss {f(w).item():.6f}, gradient {g.norm().item():.1e}")
        w = w - solve(hessian(w).matmul, g)
    return w


def newton_without_hessian(f: Callable[[gc.Tensor], gc.Tensor], w: gc.Tensor, steps: int = 6) -> gc.Tensor:
    """The same; the Hessian is never made, only multiplied: the derivative of the gradient along a direction."""
    gradient = gc.func.grad(f)
    for i in range(steps):
        g, product = gc.func.linearize(gradient, w)
        print(f"  step {i}: loss {f(w).item():.6f}, gradient {g.norm().item():.1e}")
        w = w - solve(product, g)
    return w


def solve(product: Callable[[gc.Tensor], gc.Tensor], b: gc.Tensor) -> gc.Tensor:
    """Solve ``product(x) = b`` for a symmetric, positive definite product, by conjugate gradients."""
    x = gc.zeros_like(b)
    r = p = b
    for _ in range(len(b)):
        if r.norm().item() < 1e-14:
            break
        along = product(p)
        step = (r @ r) / (p @ along)
        x, rest = x + step * p, r - step * along
        r, p = rest, rest + ((rest @ rest) / (r @ r)) * p
    return x


def main() -> None:
    """Find the minimum twice, and look at it from three sides."""
    x, y = problem()

    def f(w: gc.Tensor) -> gc.Tensor:
        return loss(w, x, y)

    start = gc.zeros(FEATURES, dtype=gc.float64)
    print("Newton's method with the Hessian:")
    w = newton(f, start)
    print("Newton's method with products of the Hessian only:")
    other = newton_without_hessian(f, start)
    print(f"largest difference of the two: {(w - other).abs().max().item():.1e}")

    # One gradient for each sample, in one run: their mean is the gradient of the mean.
    single = gc.func.vmap(gc.func.grad(loss), in_dims=(None, 0, 0))(w, x, y)
    print(f"gradients of single samples: {tuple(single.shape)}, norm of their mean {single.mean(0).norm().item():.1e}")

    # The same second derivatives by recorded backward passes, as in a training loop with a gradient penalty.
    v = w.clone().requires_grad_()
    (g,) = gc.autograd.grad(f(v), v, create_graph=True)
    rows = [gc.autograd.grad(g[i], v, retain_graph=True)[0] for i in range(FEATURES)]
    difference = gc.stack(rows) - gc.func.hessian(f)(w)
    print(f"largest difference of two Hessians: {difference.abs().max().item():.1e}")


if __name__ == "__main__":
    main()
