"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gradcore.inplace import bump
from gradcore.op import is_tensor, wrap
from gradcore.optim.optimizer import Optimizer

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["SGD"]


class SGD(Optimizer):
    """``p -= lr * (g + weight_decay * p)``; with momentum, a sum of such steps that fade with time.

    That is ``v = momentum * v + (1 - dampening) * g`` and ``p -= lr * v``, with the decay in ``g``.

    Args:
        params: tensors, or dicts with tensors under ``"params"`` and options of their own; see
            :class:`Optimizer`.
        lr: the step size.
        momentum: how much of the last direction is kept; the first direction is the gradient itself.
        dampening: how much of the gradient is left out of the direction.
        weight_decay: the factor of the parameter that is added to its gradient.
        nesterov: look ahead along the direction (``g + momentum * v`` instead of ``v``).
        maximize: go up instead of down.
        foreach, fused: accepted as PyTorch's choices of implementation; here there is one.
        differentiable: must be ``False``: a step is not recorded.

    Raises:
        ValueError: an option out of its range; parameters as for :class:`Optimizer`.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        size: Any = lr
        if is_tensor(lr):
            size = size.item()
        for what, value in (
            ("learning rate", size),
            ("momentum value", momentum),
            ("weight_decay value", weight_decay),
        ):
            if not value >= 0:
                raise ValueError(f"Invalid {what}: {value}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"Nesterov momentum requires a momentum and zero dampening, but got momentum={momentum}, "
                f"dampening={dampening}"
            )
        if differentiable:
            raise NotImplementedError("differentiable=True, a step that is recorded, is not supported")
        super().__init__(
            params,
            {
                "lr": size,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    def update(self, group: dict[str, Any]) -> None:
        # As Python numbers, so that NumPy's float64 does not make float32 arrays wider.
        step, decay = -float(group["lr"]), float(group["weight_decay"])
        where: Any = None
        token: Any = None
        try:
            for p in group["params"]:
                if p._grad is None:
                    continue
                if p._device is not where:
                    if where is not None:
                        where.leave(token)
                        where = None
                    token = p._device.enter()
                    where = p._device
                x, g = p._data, p._grad._data
                # The large namespace takes the memory of the temporaries from its pool.
                xp = where.xp if x.size < where.large_from else where.large
                if group["maximize"]:
                    g = xp.negative(g)
                if decay:
                    g = xp.add(g, xp.multiply(x, decay))
                if group["momentum"]:
                    g = self._direction(p, xp, g, group)
                x += xp.multiply(g, step)
                bump(p)
        finally:
            if where is not None:
                where.leave(token)

    def _direction(self, p: Tensor, xp: Any, g: Any, group: dict[str, Any]) -> Any:
        """Where momentum leads from here; writes it into the parameter's state."""
        momentum, dampening = float(group["momentum"]), float(group["dampening"])
        state = self.state[p]
        kept = state.get("momentum_buffer")
        if kept is None:
            v = xp.copy(xp.asarray(g))
            state["momentum_buffer"] = wrap(v, p._device)
        else:
            v = kept._data
            v *= momentum
            v += g if not dampening else xp.multiply(g, 1 - dampening)
            bump(kept)
        return xp.add(g, xp.multiply(v, momentum)) if group["nesterov"] else v
