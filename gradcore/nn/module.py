"""Module: parameters, buffers and parts under one roof, and what can be done with all of them at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

from gradcore import dtypes
from gradcore.grad_mode import no_grad
from gradcore.graph import HookDict, RemovableHandle
from gradcore.inplace import bump
from gradcore.nn.parameter import Parameter
from gradcore.ops.cast import _to_arguments
from gradcore.tensor import Tensor
from gradcore.utils.grads import clear_grad

__all__ = ["IncompatibleKeys", "Module"]


class IncompatibleKeys(NamedTuple):
    """What :meth:`Module.load_state_dict` did not find a place, or a value, for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Module:
    """A function with parameters. Derive from it, make the parts in ``__init__``, and write ``forward``.

    ::

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = nn.Linear(64, 128)
                self.out = nn.Linear(128, 10)

            def forward(self, x):
                return self.out(self.hidden(x).relu())

    Assigning a :class:`Parameter` or a module to an attribute registers it.
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Module | None]
    _forward_hooks: HookDict
    _forward_pre_hooks: HookDict

    def __init__(self) -> None:
        # Not by assignment, which would go through __setattr__.
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _modules={},
            _forward_hooks=HookDict(),
            _forward_pre_hooks=HookDict(),
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What calling the module computes; every module defines its own."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._forward_hooks or self._forward_pre_hooks:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for hook, with_kwargs, _ in list(self._forward_pre_hooks.values()):
            if with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not isinstance(changed, tuple) or len(changed) != 2:
                        raise RuntimeError(
                            f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}"
                        )
                    args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        called: set[int] = set()
        result = None
        try:
            result = self.forward(*args, **kwargs)
            for key, (hook, with_kwargs, _) in list(self._forward_hooks.items()):
                called.add(key)
                changed = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                result = result if changed is None else changed
        except BaseException:
            for key, (hook, with_kwargs, always) in list(self._forward_hooks.items()):
                if always and key not in called:
                    hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            raise
        return result

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before each ``forward``; it may return other arguments.

        Args:
            hook: the function.
            prepend: run it before the hooks that are there.
            with_kwargs: call ``hook(module, args, kwargs)``, which may return a pair to replace both.
        """
        return _add_hook(self._forward_pre_hooks, (hook, with_kwargs, False), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each ``forward``; it may return another output.

        Args:
            hook: the function.
            prepend: run it before the hooks that are there.
            with_kwargs: call ``hook(module, args, kwargs, output)``.
            always_call: run it also when ``forward`` raises, with ``None`` as output.
        """
        return _add_hook(self._forward_hooks, (hook, with_kwargs, always_call), prepend)

    # Attributes.

    def __setattr__(self, name: str, value: Any) -> None:
        parts = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in parts:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name)
            self.register_parameter(name, value)
        elif name in parts.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_kind(value)}' as parameter '{name}' (gradcore.nn.Parameter or None expected)"
                )
            self._parameters[name] = None
        elif isinstance(value, Module):
            if "_modules" not in parts:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name)
            self._modules[name] = value
        elif name in parts.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_kind(value)}' as child module '{name}' (gradcore.nn.Module or None expected)"
                )
            self._modules[name] = None
        elif name in parts.get("_buffers", ()):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(f"cannot assign '{_kind(value)}' as buffer '{name}' (gradcore.Tensor or None expected)")
            self._buffers[name] = value
        else:
            object.__setattr__(self, name, value)

    def _forget(self, name: str) -> None:
        """Remove what an attribute was, before it becomes something of another kind."""
        self.__dict__.pop(name, None)
        self._parameters.pop(name, None)
        self._buffers.pop(name, None)
        self._modules.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is no ordinary attribute.
        own = self.__dict__
        for kind in ("_parameters", "_modules", "_buffers"):
            if kind in own and name in own[kind]:
                return own[kind][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for kind in (self._parameters, self._buffers, self._modules):
            if name in kind:
                del kind[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*super().__dir__(), *self._parameters, *self._modules, *self._buffers}
        return sorted(n for n in names if not n[:1].isdigit())

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make ``param`` the parameter called ``name``; ``None`` for one that is left out on purpose.

        Raises:
            KeyError: the name is empty, holds a dot, or is taken by another attribute.
            TypeError: the name is no string, or ``param`` no :class:`Parameter`.
            ValueError: ``param`` is not a leaf.
        """
        self._check_name("parameter", name, "_parameters")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{_kind(param)}' object to parameter '{name}' (gradcore.nn.Parameter or "
                    "None required)"
                )
            if not param.is_leaf:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                    f"explicitly. To express '{name}' as a function of another Tensor, compute the value in "
                    "the forward() method."
                )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make ``tensor`` a buffer called ``name``: state moved and saved with the module, but not learnt.

        Args:
            name: the attribute's name.
            tensor: the value, or ``None``.
            persistent: whether it is part of :meth:`state_dict`.

        Raises:
            KeyError: as :meth:`register_parameter`.
            TypeError: the name is no string, or the value no tensor.
        """
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_kind(tensor)}' object to buffer '{name}' (gradcore Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Make ``module`` a part of this one, as the attribute ``name``.

        Raises:
            KeyError: as :meth:`register_parameter`.
            TypeError: the name is no string, or ``module`` no module.
        """
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{_kind(module)} is not a Module subclass")
        self._check_name("module", name, "_modules")
        self._modules[name] = module

    register_module = add_module

    def _check_name(self, kind: str, name: str, registry: str) -> None:
        if registry not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_kind(name)}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[registry]:
            raise KeyError(f"attribute '{name}' already exists")

    # Walks over what the module has.

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all in it, with their dotted names; a module that occurs twice only once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all in it."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that are attributes of this one, with their names."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules that are attributes of this one."""
        for _, module in self.named_children():
            yield module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their dotted names; a shared one only once."""
        return self._named_members(lambda m: m._parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, as an optimizer takes them."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their dotted names."""
        return self._named_members(lambda m: m._buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _named_members(
        self,
        members: Callable[[Module], Mapping[str, Any]],
        prefix: str,
        recurse: bool,
        remove_duplicate: bool,
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else iter([(prefix, self)])
        )
        for path, module in modules:
            for name, value in members(module).items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def get_submodule(self, target: str) -> Module:
        """The module with a dotted name; this one for the empty name.

        Raises:
            AttributeError: there is none.
        """
        module: Module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            found = getattr(module, name)
            if not isinstance(found, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")  # noqa: TRY004 - torch's class
            module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with a dotted name.

        Raises:
            AttributeError: there is none.
        """
        found = self._get_member(target)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{target}` is not an nn.Parameter")  # noqa: TRY004 - torch's class
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with a dotted name.

        Raises:
            AttributeError: there is none.
        """
        path, _, name = target.rpartition(".")
        found = self._get_member(target)
        if name not in self.get_submodule(path)._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found  # type: ignore[no-any-return]

    def _get_member(self, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        return getattr(module, name)

    # What is done to all of it at once.

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all in it to training (or, with ``False``, to evaluation)."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")  # noqa: TRY004 - torch's class
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation; see :meth:`train`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set ``requires_grad`` of all parameters."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for p in self.parameters():
            clear_grad(p, set_to_none)

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Call ``fn`` on every module in this one, parts first, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, convert: Callable[[Tensor], Tensor]) -> Self:
        """Replace the data of parameters and gradients, and the buffers; parameters stay the same objects."""
        with no_grad():
            for module in self.modules():
                for p in module._parameters.values():
                    if p is not None:
                        _replace(p, convert(p.detach()))
                        if p._grad is not None:
                            _replace(p._grad, convert(p._grad.detach()))
                for name, buffer in module._buffers.items():
                    if buffer is not None:
                        module._buffers[name] = convert(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move all parameters and buffers to a device, or cast the floating-point ones to a dtype, in place.

        Takes ``to(device)``, ``to(dtype)``, ``to(device, dtype)`` and ``to(tensor)``.

        Raises:
            DeviceError: (a RuntimeError) the device does not exist or cannot be used.
            TypeError: the dtype is neither floating point nor complex.
        """
        place, dtype, _ = _to_arguments(*args, **kwargs)
        if dtype is not None and dtypes.category(dtype) < 2:
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype="
                f"{dtypes.dtype_name(dtype)}"
            )

        def convert(t: Tensor) -> Tensor:
            return t.to(place, dtype=dtype if dtypes.category(t.dtype) >= 2 else None)

        return self._apply(convert)

    def cuda(self, device: Any = None) -> Self:
        """Move all parameters and buffers to a cuda device."""
        return self._apply(lambda t: t.cuda(device))

    def cpu(self) -> Self:
        """Move all parameters and buffers to the cpu."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type: Any) -> Self:
        """Cast all parameters and buffers to a dtype."""
        return self._apply(lambda t: t.to(dtype=dst_type))

    def float(self) -> Self:
        """Cast floating-point parameters and buffers to float32."""
        return self._apply(_cast_real(dtypes.float32))

    def double(self) -> Self:
        """Cast floating-point parameters and buffers to float64."""
        return self._apply(_cast_real(dtypes.float64))

    def half(self) -> Self:
        """Cast floating-point parameters and buffers to float16."""
        return self._apply(_cast_real(dtypes.float16))

    # Saving and loading.

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by dotted name, sharing memory with the module.

        Args:
            destination: put them into this dict.
            prefix: put before each name.
            keep_vars: give the parameters themselves, not detached.
        """
        out: dict[str, Any] = OrderedDict() if destination is None else destination
        for path, module in self.named_modules(prefix=prefix.removesuffix("."), remove_duplicate=False):
            start = f"{path}." if path else ""
            for name, value in module._saved():
                out[start + name] = value if keep_vars else value.detach()
        return out

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values from a :meth:`state_dict` into the parameters and buffers.

        Args:
            state_dict: tensors by dotted name.
            strict: raise for names that are missing or too many.
            assign: take the tensors themselves, with their dtype and device, instead of copying their values.

        Raises:
            RuntimeError: names do not match (with ``strict``), or a shape differs.
            TypeError: ``state_dict`` is no mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        found = IncompatibleKeys([], [])
        errors: list[str] = []
        known: set[str] = set()
        with no_grad():
            for path, module in self.named_modules(remove_duplicate=False):
                for name, value in module._saved():
                    key = f"{path}.{name}" if path else name
                    known.add(key)
                    if key not in state_dict:
                        found.missing_keys.append(key)
                        continue
                    error = module._load(name, value, key, state_dict[key], assign)
                    if error is not None:
                        errors.append(error)
        found.unexpected_keys.extend(k for k in state_dict if k not in known)
        if strict:
            for kind, keys in (("Unexpected", found.unexpected_keys), ("Missing", found.missing_keys)):
                if keys:
                    names = ", ".join(f'"{k}"' for k in keys)
                    errors.insert(0, f"{kind} key(s) in state_dict: {names}. ")
        if errors:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors))
        return found

    def _saved(self) -> list[tuple[str, Tensor]]:
        """The module's own parameters and persistent buffers."""
        named: list[tuple[str, Tensor | None]] = [*self._parameters.items()]
        named += [x for x in self._buffers.items() if x[0] not in self._non_persistent_buffers_set]
        return [(name, value) for name, value in named if value is not None]

    def _load(self, name: str, value: Tensor, key: str, given: Any, assign: bool) -> str | None:
        """Load one value; returns what is wrong with it, if anything."""
        if not isinstance(given, Tensor):
            return (
                f'While copying the parameter named "{key}", expected gradcore.Tensor from checkpoint but '
                f"received {type(given)}"
            )
        if given.shape != value.shape:
            return (
                f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the "
                f"shape in current model is {value.shape}."
            )
        if not assign:
            value.copy_(given.to(value.device))
        elif name in self._parameters:
            if not isinstance(given, Parameter):
                given = Parameter(given, requires_grad=value.requires_grad)
            self._parameters[name] = given
        else:
            self._buffers[name] = given
        return None

    # Printing.

    def extra_repr(self) -> str:
        """What a module prints of itself between its parentheses."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        parts = [f"({name}): {_indented(repr(module))}" for name, module in self._modules.items()]
        return describe(type(self).__name__, lines, parts)


def describe(name: str, lines: list[str], parts: Iterable[str]) -> str:
    """The text of a module: on one line where it has no parts and one line to say of itself."""
    parts = list(parts)
    if len(lines) == 1 and not parts:
        return f"{name}({lines[0]})"
    if not lines and not parts:
        return f"{name}()"
    return f"{name}(\n  " + "\n  ".join(lines + parts) + "\n)"


def _add_hook(hooks: HookDict, entry: tuple[Any, ...], prepend: bool) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    others = list(hooks.items()) if prepend else []
    if prepend:
        hooks.clear()
    hooks[handle.id] = entry
    hooks.update(others)
    return handle


def _replace(tensor: Tensor, value: Tensor) -> None:
    """Give a tensor other data, in place; a graph that saved the old data notices."""
    if value._data is not tensor._data:
        tensor.data = value
        bump(tensor)


def _cast_real(dtype: dtypes.DType) -> Callable[[Tensor], Tensor]:
    return lambda t: t.to(dtype=dtype) if dtypes.category(t.dtype) == 2 else t


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _kind(value: Any) -> str:
    return type(value).__name__
