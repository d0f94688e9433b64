"""Transforms of functions, as ``torch.func``: gradients, Jacobians, batches; they compose with each other to any depth."""

from gradcore.func.forward import hessian, jacfwd, jvp, linearize
from gradcore.func.modules import functional_call, stack_module_state
from gradcore.func.reverse import grad, grad_and_value, jacrev, vjp
from gradcore.func.vectorize import vmap

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "vjp",
    "vmap",
]
