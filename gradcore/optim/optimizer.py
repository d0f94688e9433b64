"""What all optimizers share: groups of parameters with options, state per parameter, saving and loading."""

from __future__ import annotations

import copy
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from gradcore.grad_mode import enable_grad
from gradcore.op import is_tensor
from gradcore.utils.grads import clear_grad

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["Optimizer"]


class Optimizer:
    """Base class. A subclass gives its options' defaults here, and writes :meth:`update` for one group.

    Args:
        params: tensors; pairs of a name and a tensor; or dicts, each with tensors under ``"params"`` and
            options of their own beside them.
        defaults: the options of groups that do not name them.

    Raises:
        TypeError: ``params`` is one tensor, or holds something that is none.
        ValueError: there is no parameter, one is no leaf, or one is in two groups.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if is_tensor(params):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{type(params).__name__}: put it in a list"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own.

        Args:
            param_group: the parameters under ``"params"``, and any options; the others are the defaults.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = self.defaults | param_group
        given = group["params"]
        if isinstance(given, (set, frozenset)):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        group["params"] = [given] if is_tensor(given) else list(given)
        _take_names(group)
        for p in group["params"]:
            if not is_tensor(p):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not (p.is_leaf or p.retains_grad):
                raise ValueError(
                    f"can't optimize a non-leaf Tensor: {p.grad_fn.name()} computed it. Optimize what it was "
                    "computed from, or detach().requires_grad_() of it"
                )
        if len(set(group["params"])) != len(group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error",
                UserWarning,
                stacklevel=3,
            )
        if not set(group["params"]).isdisjoint(self._params()):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in group) != ("param_names" in self.param_groups[0]):
            raise ValueError("all optimizer param groups should be with/without names.")
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for p in self._params():
            clear_grad(p, set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters once, by their gradients.

        Args:
            closure: computes the loss and the gradients, and returns the loss.

        Returns:
            What ``closure`` returned; ``None`` without one.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            self.update(group)
        return loss

    def update(self, group: dict[str, Any]) -> None:
        """Change the parameters of one group; every optimizer defines its own."""
        raise NotImplementedError(f"{type(self).__name__} defines no update")

    def state_dict(self) -> dict[str, Any]:
        """The options and the state, with numbers for the parameters: in the order of the groups, from 0."""
        numbers: dict[int, int] = {}
        for p in self._params():
            numbers.setdefault(id(p), len(numbers))
        groups = [
            {key: value for key, value in group.items() if key != "params"}
            | {"params": [numbers[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        return {"state": {numbers[id(p)]: dict(s) for p, s in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take options and state from a :meth:`state_dict`, to the dtypes and devices of the parameters.

        Raises:
            ValueError: the groups are not as many, or not as large, as this optimizer's.
        """
        loaded = state_dict["param_groups"]
        if len(loaded) != len(self.param_groups):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups ({len(loaded)}, not "
                f"{len(self.param_groups)})"
            )
        for i, (ours, theirs) in enumerate(zip(self.param_groups, loaded, strict=True)):
            if len(ours["params"]) != len(theirs["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                    f"group: group {i} has {len(theirs['params'])} parameters, not {len(ours['params'])}"
                )
        params = dict(zip(chain.from_iterable(g["params"] for g in loaded), self._params(), strict=True))
        self.state.clear()
        for number, state in state_dict["state"].items():
            p = params.get(number)
            if p is None:
                self.state[number] = copy.deepcopy(state)
            else:
                self.state[p] = {key: _as_state_of(p, value) for key, value in state.items()}
        self.param_groups = [
            copy.deepcopy({k: v for k, v in theirs.items() if k != "params"}) | {"params": ours["params"]}
            for ours, theirs in zip(self.param_groups, loaded, strict=True)
        ]

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
        return text + ")"

    def _params(self) -> Iterator[Tensor]:
        return chain.from_iterable(group["params"] for group in self.param_groups)


def _take_names(group: dict[str, Any]) -> None:
    """Put the names of parameters that came with some (``named_parameters()``) under ``"param_names"``."""
    named = [isinstance(p, tuple) for p in group["params"]]
    if not any(named):
        return
    if not all(named):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    group["param_names"] = [name for name, _ in group["params"]]
    group["params"] = [p for _, p in group["params"]]


def _as_state_of(p: Tensor, value: Any) -> Any:
    if is_tensor(value):
        return value.detach().to(p.device, dtype=p.dtype if p.is_floating_point() else value.dtype, copy=True)
    return copy.deepcopy(value)
