"""Bad input: the class of PyTorch's exception, its key phrases, and nothing half-written afterwards."""

from __future__ import annotations

import array
import decimal
import fractions

import numpy as np
import pytest
from programs import assert_raises, run

import gradcore as gc

X = "x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)\n"
Y = X + "y = x * 2\n"
FUNCTION = """
class F(t.autograd.Function):
    @staticmethod
    def forward(ctx, *xs):
        {}
    @staticmethod
    def backward(ctx, *gs):
        {}
"""


def function(forward, backward):
    return FUNCTION.format(forward, backward)


BACKWARD = [
    ("t.ones(3).sum().backward()", RuntimeError, "does not require grad", "does not have a grad_fn"),
    (
        X + "t.autograd.backward([x.sum(), t.ones(2).sum()])",
        RuntimeError,
        "element 1 of tensors",
        "does not require grad",
    ),
    (X + "x.argmax().backward()", RuntimeError, "does not require grad"),
    (Y + "y.backward()", RuntimeError, "implicitly created", "only for scalar outputs"),
    (X + "(x[:1] * 1j).backward()", RuntimeError, "implicitly created", "only for real scalar outputs"),
    (Y + "z = (y * y).sum(); z.backward(); z.backward()", RuntimeError, "a second time", "Specify retain_graph=True"),
    (Y + "z = y.exp().sum(); t.autograd.grad(z, x); t.autograd.grad(z, x)", RuntimeError, "a second time"),
    (Y + "y.backward(t.ones(2))", RuntimeError, "Mismatch in shape", "grad_output[0] has a shape of", "[2]", "[3]"),
    (Y + "y.sum().backward(t.ones(1))", RuntimeError, "Mismatch in shape"),
    (Y + "y.backward(t.ones(1, 3))", RuntimeError, "Mismatch in shape"),
    (
        Y + "y.backward(t.ones(3, dtype=t.complex64))",
        RuntimeError,
        "Mismatch in dtype",
        "required to have the same dtype",
    ),
    (Y + "y.backward(1.0)", TypeError, "object is not iterable"),
    (Y + "t.autograd.backward([y], [1.0])", TypeError, "either Tensors or None", "but got float"),
    (Y + "t.autograd.backward([y], ['text'])", TypeError, "either Tensors or None", "but got str"),
    (Y + "t.autograd.backward(y, np.ones(3))", TypeError),
    (Y + "y.sum().backward(inputs=[])", RuntimeError, "`inputs` argument", "cannot be empty"),
    (Y + "y.sum().backward(inputs=[t.ones(2)])", RuntimeError, "can't retain_grad", "requires_grad=False"),
    (Y + "y.sum().backward(inputs=[3])", RuntimeError, "Tensors or GradientEdges", "but got int"),
    ("t.autograd.backward('text')", AssertionError, "Expected output"),
    ("t.autograd.backward([3])", AssertionError, "Expected output"),
    ("t.autograd.grad(t.ones(2).sum(), t.ones(2))", RuntimeError, "does not require grad"),
    (
        Y + "t.autograd.grad(y.sum(), t.ones(2))",
        RuntimeError,
        "One of the differentiated Tensors",
        "does not require grad",
    ),
    (
        Y + "t.autograd.grad(y.sum(), [x, t.ones(2, requires_grad=True)])",
        RuntimeError,
        "The differentiated Tensor at index",
        "not have been used",
        "Set allow_unused=True",
    ),
    (Y + "t.autograd.grad(y.sum(), x[0])", RuntimeError, "not have been used", "Set allow_unused=True"),
    (Y + "t.autograd.grad(y.sum(), [])", RuntimeError, "`inputs` argument", "cannot be empty"),
    (Y + "t.autograd.grad(y.sum(), 3.0)", TypeError, "object is not iterable"),
    (
        Y + "t.autograd.grad(y.sum(), x, allow_unused=False, materialize_grads=True)",
        ValueError,
        "Expected allow_unused to be True",
    ),
    (
        Y + "t.autograd.grad(y, x, t.ones(2, 2), is_grads_batched=True)",
        RuntimeError,
        "as the batch dimension",
        "a mismatch was detected",
    ),
    (Y + "t.autograd.grad(y, x, t.tensor(1.0), is_grads_batched=True)", IndexError, "0-dim"),
    (
        Y + "t.autograd.grad([y, y], x, [t.ones(2, 3), t.ones(4, 3)], is_grads_batched=True)",
        ValueError,
        "the same size in the mapped dimension",
        "[2, 4]",
    ),
    (X + "t.autograd.grad((x**3).sum(), x)[0].sum().backward()", RuntimeError, "does not require grad"),
    (
        "t.autograd.graph.get_gradient_edge(t.ones(2))",
        RuntimeError,
        "get the gradient edge",
        "does not require gradients",
    ),
]

LEAVES = [
    (X + "x.add_(1)", RuntimeError, "a leaf Variable", "in an in-place operation"),
    (X + "x += 1", RuntimeError, "a leaf Variable"),
    (X + "x[0] = 1", RuntimeError, "a view of a leaf Variable"),
    (X + "x[:1].zero_()", RuntimeError, "a view of a leaf Variable"),
    (X + "x.view(3).exp_()", RuntimeError, "a view of a leaf Variable"),
    (
        "t.ones(2, dtype=t.int64, requires_grad=True)",
        RuntimeError,
        "floating point and complex dtype",
        "can require gradients",
    ),
    ("t.tensor([1, 2], requires_grad=True)", RuntimeError, "floating point and complex dtype"),
    ("t.tensor([True]).requires_grad_()", RuntimeError, "floating point", "can require gradients"),
    ("x = t.arange(2)\nx.requires_grad = True", RuntimeError, "floating point", "can require gradients"),
    (Y + "y.requires_grad_(False)", RuntimeError, "only change requires_grad flags", "leaf variables", ".detach()"),
    (Y + "y.requires_grad = True", RuntimeError, "only change requires_grad flags", "leaf variables"),
    (X + "x.requires_grad = 1", RuntimeError, "must be a bool"),
    (X + "del x.requires_grad", RuntimeError, "must be a bool"),
    ("t.ones(2).retain_grad()", RuntimeError, "can't retain_grad", "requires_grad=False"),
    ("t.ones(2).register_hook(print)", RuntimeError, "cannot register a hook", "doesn't require gradient"),
    (
        Y + "y.register_post_accumulate_grad_hook(print)",
        RuntimeError,
        "post accumulate grad hooks",
        "on non-leaf tensors",
    ),
    (Y + "y[:2].detach_()", RuntimeError, "detach views in-place", "detach() instead"),
    (Y + "import copy\ncopy.deepcopy(y)", RuntimeError, "graph leaves", "support the deepcopy protocol"),
    (X + "x.grad = 0", TypeError, "assigned grad", "Tensor or None"),
    (X + "x.grad = t.ones(2)", RuntimeError, "assign a gradient of size", "same size"),
    (X + "x.grad = t.ones(3, dtype=t.float64)", RuntimeError, "assign a gradient with dtype"),
    (X + "x.grad = x", RuntimeError, "as its own grad"),
    (X + "x.grad_fn = None", AttributeError, "grad_fn"),
    (X + "x.is_leaf = True", AttributeError, "is_leaf"),
    (Y + "y.grad_dtype", RuntimeError, "grad_dtype", "leaf"),
]

IN_PLACE = [
    (
        Y + "z = (y**2).sum(); y += 1; z.backward()",
        RuntimeError,
        "modified by an inplace operation",
        "which is output 0 of",
        "expected version 0",
    ),
    (
        Y + "z = y.exp(); z.add_(1); z.sum().backward()",
        RuntimeError,
        "modified by an inplace operation",
        "expected version 0",
    ),
    (Y + "z = y.sigmoid(); z[0].mul_(2); z.sum().backward()", RuntimeError, "modified by an inplace operation"),
    (
        X + "z = (x * x).sum()\nwith t.no_grad(): x.mul_(2)\nz.backward()",
        RuntimeError,
        "is at version 1",
        "expected version 0",
    ),
    (
        X + "i = t.tensor([0, 1])\nz = x[i].sum()\ni.add_(1)\nz.backward()",
        RuntimeError,
        "modified by an inplace operation",
    ),
    ("t.ones(1).expand(3).add_(1)", RuntimeError, "unsupported operation", "a single memory location", "clone()"),
    ("t.ones(2, dtype=t.int64).add_(1.5)", RuntimeError, "result type", "can't be cast"),
    ("t.ones(2).add_(t.ones(2, dtype=t.complex64))", RuntimeError, "result type", "can't be cast"),
    ("t.ones(2).add_(t.ones(3, 2))", RuntimeError, "output with shape", "doesn't match the broadcast shape"),
    ("t.ones(1).add_(t.ones(2))", RuntimeError, "output with shape", "doesn't match the broadcast shape"),
    ("x = t.ones(3); x[1:].add_(x[:-1])", RuntimeError, "unsupported operation", "a single memory location"),
    (Y + "y.unbind()[0].mul_(2)", RuntimeError, "modified inplace", "multiple views"),
    (Y + "y.split(1)[0].mul_(2)", RuntimeError, "modified inplace", "multiple views"),
    (Y + "with t.no_grad(): v = y[:]\nv.mul_(2)", RuntimeError, "no_grad mode", "ambiguous and error-prone"),
    ("with t.inference_mode(): v = t.ones(2)\nv.add_(1)", RuntimeError, "inference tensor", "outside InferenceMode"),
    (
        "with t.inference_mode(): v = t.ones(2)\nt.ones(2, requires_grad=True) * v",
        RuntimeError,
        "Inference tensors cannot be saved for backward",
    ),
    (
        "with t.inference_mode(): v = t.ones(2)\nv.requires_grad_()",
        RuntimeError,
        "requires_grad=True on inference tensor",
    ),
]

INDICES = [
    (X + "x[3]", IndexError, "out of bounds", "size 3"),
    (X + "x[-4]", IndexError, "out of bounds", "size 3"),
    (X + "x[0, 0]", IndexError, "too many indices", "dimension 1"),
    (X + "x[0.5]", IndexError),
    (X + "x[float('nan')]", IndexError),
    (X + "x[None, 'text']", TypeError),
    (X + "x[b'a']", TypeError),
    (X + "x[object()]", IndexError),
    (X + "x[1j]", IndexError),
    (X + "x[t.tensor([0.0, 1.0])]", IndexError, "tensors used as indices must be"),
    (X + "x[t.tensor([0, 3])]", IndexError, "out of bounds", "size 3"),
    (X + "x[t.tensor([True, False])]", IndexError, "mask", "[2]", "does not match the shape of the indexed tensor"),
    (X + "x[[0, 1], [0, 1]]", IndexError, "too many indices"),
    ("t.ones(3, 3)[t.tensor([0, 1]), t.tensor([0, 1, 2])]", IndexError, "shape mismatch", "broadcast"),
    (X + "x[::-1]", ValueError, "step must be greater than zero"),
    (X + "x[0.5:]", TypeError, "slice indices must be integers"),
    ("t.tensor(1.0)[0]", IndexError, "0-dim tensor"),
    (Y + "y[0] = 'text'", TypeError),
    (Y + "y[0] = t.ones(2)", RuntimeError),
    (Y + "y[:2] = t.ones(3)", RuntimeError),
    (Y + "y[5] = 1", IndexError, "out of bounds"),
    (Y + "y[t.tensor([0, 7])] = 1.0", IndexError, "out of bounds"),
    (Y + "y[t.tensor([True, False])] = 1.0", IndexError, "mask"),
    (Y + "y[t.tensor([True, False, True])] = t.ones(3)", RuntimeError, "shape mismatch"),
    (
        Y + "y[t.tensor([0, 1])] = t.ones(2, dtype=t.float64)",
        RuntimeError,
        "Index put requires the source and destination dtypes match",
    ),
    (X + "x.gather(0, t.tensor([0, 3]))", RuntimeError, "out of bounds", "size 3"),
    (X + "x.gather(0, t.tensor([0.0]))", RuntimeError, "int"),
    (X + "x.gather(0, t.tensor([[0]]))", RuntimeError, "same number of dimensions"),
    (X + "x.index_select(0, t.tensor([3]))", IndexError),
    (X + "x.index_select(0, t.tensor([0.5]))", RuntimeError, "int"),
    (X + "x.index_select(1, t.tensor([0]))", IndexError, "Dimension out of range"),
    (X + "x.take(t.tensor([9]))", IndexError),
    (Y + "y.scatter_(0, t.tensor([5]), t.ones(1))", RuntimeError, "out of bounds"),
    (Y + "y.scatter_add_(0, t.tensor([0.0]), t.ones(1))", RuntimeError, "int64"),
    (Y + "y.index_add_(0, t.tensor([0, 1]), t.ones(3))", RuntimeError),
    (Y + "y.index_fill_(0, t.tensor([7]), 1.0)", IndexError),
    (Y + "y.index_copy_(0, t.tensor([7]), t.ones(1))", IndexError),
    (Y + "y.masked_fill_(t.tensor([0, 1, 0]), 1.0)", RuntimeError, "bool"),
    (Y + "y.masked_fill_(t.tensor([True, False]), 1.0)", RuntimeError),
    (Y + "y.masked_fill_(t.tensor([True, False, True]), t.ones(3))", RuntimeError, "0-dimension"),
    (X + "x.masked_select(t.tensor([0, 1, 0]))", RuntimeError, "BoolTensor"),
    (Y + "y.fill_(t.ones(2))", RuntimeError, "0-dimension"),
    ("t.nn.functional.cross_entropy(t.ones(2, 3), t.tensor([0, 3]))", IndexError, "out of bounds"),
    ("t.nn.functional.nll_loss(t.ones(2, 3), t.tensor([0.0, 1.0]))", RuntimeError),
]

SHAPES = [
    (
        X + "x + t.ones(2)",
        RuntimeError,
        "The size of tensor a (3) must match the size of tensor b (2)",
        "non-singleton dimension 0",
    ),
    ("t.ones(2, 3) @ t.ones(2, 3)", RuntimeError, "mat1 and mat2 shapes cannot be multiplied", "2x3"),
    ("t.ones(3) @ t.ones(2)", RuntimeError, "[3]", "[2]"),
    ("t.ones(2, 3).mv(t.ones(2))", RuntimeError),
    ("t.ones(2, 3).bmm(t.ones(2, 3))", RuntimeError, "3D tensor"),
    ("t.tensor(1.0) @ t.tensor(1.0)", RuntimeError, "at least 1D", "0D"),
    ("t.ones(2, 2) @ t.ones(2, 2, dtype=t.float64)", RuntimeError, "same dtype"),
    (X + "x.view(2)", RuntimeError, "shape '[2]' is invalid for input of size 3"),
    (X + "x.view(-1, -1)", RuntimeError, "only one dimension can be inferred"),
    (X + "x.reshape(2, -1)", RuntimeError, "shape '[2, -1]' is invalid for input of size 3"),
    ("t.ones(2, 3).t().view(6)", RuntimeError, "view size is not compatible", "reshape"),
    (X + "x.expand(2)", RuntimeError, "expanded size", "must match the existing size"),
    (X + "x.sum(1)", IndexError, "Dimension out of range", "[-1, 0]"),
    (X + "x.sum((0, 0))", RuntimeError, "dim 0 appears multiple times"),
    (X + "x.transpose(0, 1)", IndexError, "Dimension out of range"),
    ("t.ones(2, 3).permute(0, 0)", RuntimeError),
    ("t.ones(2, 3, 4).t()", RuntimeError, "<= 2 dimensions"),
    (X + "x.unsqueeze(3)", IndexError, "Dimension out of range"),
    (X + "x.split(0)", RuntimeError),
    (X + "x.split([1, 1])", RuntimeError, "split_sizes"),
    (X + "x.chunk(0)", RuntimeError, "chunk"),
    (X + "x.narrow(0, 2, 2)", RuntimeError, "exceeds dimension size"),
    (X + "x.repeat(())", RuntimeError, "repeat"),
    ("t.cat([])", (RuntimeError, ValueError), "non-empty"),
    ("t.cat([t.ones(2), t.ones(2, 2)])", RuntimeError, "same number of dimensions"),
    ("t.stack([t.ones(2), t.ones(3)])", RuntimeError, "equal size"),
    ("t.ones(0).max()", RuntimeError, "numel() == 0"),
    ("t.ones(0, 2).max(0)", IndexError),
    ("t.einsum('ij,jk->ik', t.ones(2, 3), t.ones(2, 3))", RuntimeError),
    ("t.einsum('ij->k', t.ones(2, 3))", RuntimeError),
    ("t.tensor([1, 2]).mean()", RuntimeError, "floating point or complex"),
    ("t.tensor([1, 2]) ** -1", RuntimeError, "Integers to negative integer powers are not allowed"),
    ("-t.tensor([True])", RuntimeError, "on a bool tensor"),
    ("bool(t.ones(2))", RuntimeError, "more than one value is ambiguous"),
    ("t.ones(2).item()", RuntimeError, "2 elements cannot be converted to Scalar"),
    ("float(t.ones(2))", (RuntimeError, TypeError, ValueError)),
    ("t.ones(-1)", RuntimeError, "negative dimension"),
    ("t.ones(2, dtype='text')", TypeError, "dtype"),
    ("t.tensor([[1.0], [1.0, 2.0]])", ValueError, "expected sequence of length 1 at dim 1", "got 2"),
    ("t.tensor([[1.0], 2.0])", TypeError, "not a sequence"),
    ("t.tensor([1.0, [2.0]])", TypeError, "must be real number, not list"),
    ("t.tensor(['text'])", ValueError, "too many dimensions 'str'"),
    ("t.tensor('text')", TypeError, "invalid data type 'str'"),
    ("t.tensor([[1], ['text']])", TypeError, "invalid data type 'str'"),
    ("t.tensor(np.array(['text']))", TypeError, "can't convert np.ndarray"),
    ("t.from_numpy(np.array([object()]))", TypeError, "can't convert np.ndarray", "The only supported types are"),
    ("t.tensor({})", (RuntimeError, TypeError)),
    (X + "x.numpy()", RuntimeError, "Can't call numpy()", "requires grad", "detach().numpy()"),
    (X + "np.asarray(x)", RuntimeError, "Can't call numpy()"),
]

ARGUMENTS = [
    ("t.zeros({})", TypeError, "must be tuple of ints, not dict"),
    ("t.zeros(b'a')", TypeError, "must be tuple of ints, not bytes"),
    ("t.zeros(True)", TypeError, "must be tuple of ints, not bool"),
    ("t.zeros(1.5)", TypeError),
    ("t.zeros(2, 'text')", TypeError),
    ("t.ones(2, dtype=t.ones(2))", TypeError, "dtype"),
    ("t.ones(2, dtype=3)", TypeError, "dtype"),
    ("t.set_default_dtype(None)", TypeError),
    ("t.set_default_dtype(t.ones(2))", TypeError),
    ("t.set_default_dtype(t.int64)", TypeError, "only floating-point types are supported as the default type"),
    ("t.ones(2).to({})", TypeError),
    ("t.ones(2).type_as(None)", TypeError, "must be Tensor, not NoneType"),
    ("t.ones(2).expand_as('text')", TypeError, "must be Tensor, not str"),
    ("t.ones(2).view_as('text')", TypeError, "must be Tensor, not str"),
    ("t.ones(2).requires_grad_(1)", TypeError, "must be bool, not int"),
    ("t.ones(2).requires_grad_(None)", TypeError, "must be bool, not NoneType"),
    ("t.nn.functional.linear(t.ones(2, 2), 'text')", TypeError, "must be Tensor, not str"),
    ("t.nn.Linear(2, 2)([1.0, 2.0])", TypeError, "must be Tensor, not list"),
    ("t.cat('text')", TypeError),
    ("t.cat([t.ones(2), 'text'])", TypeError),
    ("t.stack([t.ones(2), None])", TypeError),
    ("t.where('text', t.ones(2), t.ones(2))", TypeError),
    ("t.exp([1.0])", TypeError, "must be Tensor, not list"),
    ("t.einsum('i->i', 'text')", TypeError),
    ("t.from_numpy([1.0])", TypeError),
    ("t.optim.SGD([t.ones(2) * 1, 'text'], lr=0.1)", TypeError, "str"),
    ("t.optim.SGD([], lr=0.1)", ValueError, "empty parameter list"),
    ("t.autograd.graph.saved_tensors_hooks(1, len).__enter__()", TypeError),
]

FUNCTIONS = [
    (function("return 'text'", "return gs[0]") + X + "y = F.apply(x)\ny.sum()", AttributeError),
    (
        function("return xs[0] * 2", "return None, None") + X + "F.apply(x).sum().backward()\nassert x.grad is None",
        None,
    ),
    (
        function("return xs[0] * 2", "return gs[0], gs[0]") + X + "F.apply(x).sum().backward()",
        RuntimeError,
        "returned an incorrect number of gradients",
        "expected 1, got 2",
    ),
    (
        function("return xs[0] * xs[1]", "return gs[0]") + X + "F.apply(x, x).sum().backward()",
        RuntimeError,
        "returned an incorrect number of gradients",
        "expected 2, got 1",
    ),
    (
        function("return xs[0] * 2", "return t.ones(7)") + X + "F.apply(x).sum().backward()",
        RuntimeError,
        "returned an invalid gradient at index 0",
        "got [7]",
        "[3]",
    ),
    (
        function("return xs[0] * 2", "return 3.0") + X + "F.apply(x).sum().backward()",
        RuntimeError,
        "expected Variable or None (got float)",
    ),
    (
        function("ctx.save_for_backward(3); return xs[0] * 2", "return gs[0]") + X + "F.apply(x)",
        TypeError,
        "save_for_backward can only save variables",
    ),
    (
        function("ctx.save_for_backward(xs[0]); return xs[0] * 2", "ctx.saved_tensors; return gs[0]")
        + X
        + "y = F.apply(x).sum()\ny.backward()\ny.backward()",
        RuntimeError,
        "a second time",
    ),
    (
        function("ctx.mark_dirty(xs[0]); return xs[0].add_(1)", "return gs[0]") + X + "F.apply(x)",
        RuntimeError,
        "a leaf Variable",
    ),
    ("class G(t.autograd.Function): pass\n" + X + "G.apply(x)", NotImplementedError, "forward"),
    (X + "x.register_hook(lambda g: 3)\nx.sum().backward()", TypeError, "hook returned"),
    (X + "x.register_hook(lambda g: t.ones(2))\nx.sum().backward()", RuntimeError, "has changed the size"),
    (X + "x.register_hook(lambda g: g.double())\nx.sum().backward()", RuntimeError, "has changed the type"),
    (
        Y + "y.grad_fn.register_prehook(lambda g: g[0])\ny.sum().backward()",
        TypeError,
        "expected tuple",
        "but hook returned",
    ),
    (
        Y + "y.grad_fn.register_hook(lambda gi, go: (gi[0],) * 3)\ny.sum().backward()",
        RuntimeError,
        "returned an incorrect number of values",
    ),
    (
        X + "x.register_post_accumulate_grad_hook(lambda p: p.grad)\nx.sum().backward()",
        RuntimeError,
        "post accumulate grad hooks",
        "should return None",
    ),
    (
        "with t.autograd.graph.saved_tensors_hooks(lambda v: v, lambda v: 3):\n    y = t.ones(2, requires_grad=True).exp()\ny.sum().backward()",
        TypeError,
        "unpack_hook",
        "Tensor",
    ),
    (
        "with t.autograd.graph.disable_saved_tensors_hooks('not here'):\n    with t.autograd.graph.saved_tensors_hooks(lambda v: v, lambda v: v): pass",
        RuntimeError,
        "not here",
    ),
]

TRANSFORMS = [
    (X + "t.func.grad(lambda v: v * 2)(x)", RuntimeError, "scalar"),
    ("t.func.grad(lambda v: 3.0)(t.ones(2))", RuntimeError, "return a Tensor"),
    ("t.func.grad(lambda v: v.sum(), argnums=1)(t.ones(2))", RuntimeError, "argnum=1", "1 positional inputs"),
    ("t.func.grad(lambda v: v.sum(), argnums=(0, 0))(t.ones(2))", RuntimeError, "argnums elements must be unique"),
    ("t.func.grad(lambda v: v.sum().float())(t.arange(2))", RuntimeError, "floating point"),
    ("t.func.grad(lambda v: v.sum(), has_aux=True)(t.ones(2))", RuntimeError, "tuple"),
    ("t.func.grad(lambda v: v)(3.0)", ValueError, "Thing passed to transform API must be Tensor"),
    ("t.func.vjp(lambda v: v, 'text')", ValueError, "Thing passed to transform API must be Tensor"),
    ("t.func.vmap(lambda v: v)(3)", ValueError),
    ("t.func.vmap(lambda v: v, in_dims=2)(t.ones(2, 3))", ValueError, "in_dim"),
    ("t.func.vmap(lambda a, b: a + b)(t.ones(2), t.ones(3))", ValueError, "same size in the mapped dimension"),
    ("t.func.vmap(lambda v: 3)(t.ones(2))", ValueError, "must only return Tensors"),
    ("t.func.vmap(lambda v: v.item())(t.ones(2))", RuntimeError, "calling .item() on a Tensor"),
    ("t.func.vmap(lambda v: v if v > 0 else -v)(t.ones(2))", RuntimeError, "data-dependent control flow"),
    ("t.func.vmap(lambda v: v + t.rand(1))(t.ones(2))", RuntimeError, "random", "randomness error mode"),
    ("t.func.jvp(lambda v: v, (t.ones(2),), (t.ones(3),))", RuntimeError),
    ("t.func.jvp(lambda v: v, t.ones(2), (t.ones(2),))", RuntimeError, "tuple"),
    ("t.func.vjp(lambda v: v * 2, t.ones(2))[1](t.ones(3))", RuntimeError, "shape"),
    ("t.func.grad(lambda v: v.sum().backward())(t.ones(2))", RuntimeError, "inside a functorch transform"),
    ("t.autograd.forward_ad.make_dual(t.ones(2), t.ones(2))", RuntimeError, "no level exists", "enter_dual_level"),
    (
        "with t.autograd.forward_ad.dual_level(): t.autograd.forward_ad.make_dual(t.ones(2), t.ones(3))",
        RuntimeError,
        "different size",
    ),
    (
        "with t.autograd.forward_ad.dual_level(): t.autograd.forward_ad.make_dual(t.arange(2), t.ones(2))",
        ValueError,
        "floating point",
    ),
    (
        "with t.autograd.forward_ad.dual_level():\n    with t.autograd.forward_ad.dual_level(): pass",
        RuntimeError,
        "Nested forward mode AD is not supported",
    ),
    ("t.autograd.forward_ad.exit_dual_level()", RuntimeError),
    ("t.autograd.functional.hessian(lambda v: v, t.ones(2))", RuntimeError, "single element"),
    ("t.autograd.functional.jacobian(lambda v: t.ones(2), t.ones(2), strict=True)", RuntimeError, "strict mode"),
    ("t.autograd.functional.vjp(lambda v: v, t.ones(2))", RuntimeError, "v can only be None"),
    ("t.autograd.functional.jacobian(lambda v: v, 3.0)", TypeError, "Tensor or a tuple of Tensors"),
    ("t.autograd.gradcheck(lambda v: v, t.ones(2))", ValueError, "at least one input tensor", "require gradient"),
]


def _parameters(groups):
    return [
        pytest.param(program, error, phrases, id=f"{name}: {program.splitlines()[-1][:60]}")
        for name, group in groups.items()
        for program, error, *phrases in group
    ]


@pytest.mark.parametrize(
    ("program", "error", "phrases"),
    _parameters(
        {
            "backward": BACKWARD,
            "leaves": LEAVES,
            "in place": IN_PLACE,
            "indices": INDICES,
            "shapes": SHAPES,
            "arguments": ARGUMENTS,
            "functions": FUNCTIONS,
            "transforms": TRANSFORMS,
        }
    ),
)
def test_error(t, program, error, phrases):
    if error is None:
        run(program, t)
    elif isinstance(error, tuple):
        with pytest.raises(error):
            run(program, t)
    else:
        assert_raises(program, t, error, *phrases)


# What a program left behind when it raised.

BEFORE = """
x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
x.grad = t.tensor([7.0, 7.0, 7.0])
y = x * 2
v = y[1:]
n = t.tensor([1, 2, 3])
base = t.zeros(2, 3)
"""

LEAVE_NOTHING = [
    "x.add_(1)",
    "x[0] = 5.0",
    "x.copy_(t.ones(4))",
    "y.add_(t.ones(2, 3))",
    "y.add_('text')",
    "y.mul_(1j)",
    "n.add_(1.5)",
    "n.div_(2)",
    "n[0] = t.ones(2)",
    "y[0] = t.ones(2)",
    "y[t.tensor([0, 9])] = 1.0",
    "y[t.tensor([0.0])] = 1.0",
    "y[t.tensor([True])] = 1.0",
    "y[float('nan')] = 1.0",
    "v[t.tensor([0, 1])] = t.ones(2, dtype=t.float64)",
    "v.copy_(t.ones(7))",
    "v.index_add_(0, t.tensor([0, 5]), t.ones(2))",
    "v.index_add_(0, t.tensor([0.5]), t.ones(1))",
    "v.scatter_(0, t.tensor([9]), t.ones(1))",
    "v.index_copy_(0, t.tensor([0, 9]), t.ones(2))",
    "v.masked_fill_(t.tensor([1, 0]), 1.0)",
    "v.masked_scatter_(t.tensor([True, True]), t.ones(1))",
    "v.index_put_((t.tensor([0, 9]),), t.tensor(1.0))",
    "v.clamp_(t.ones(5), t.ones(5))",
    "v.fill_(t.ones(2))",
    "base[0].expand(2, 3).add_(1)",
    "base.unbind()[0].add_(x)",
    "y.unbind()[0].mul_(2)",
    "y.backward()",
    "y.backward(t.ones(2))",
    "(y * y).sum().backward(inputs=[t.ones(1)])",
    "t.autograd.backward([y, y], [t.ones(3), t.ones(2)])",
    "t.autograd.grad(y.sum(), [x, t.ones(1, requires_grad=True)], retain_graph=True)",
    "h = y.register_hook(lambda g: g[:1])\ntry: y.sum().backward(retain_graph=True)\nfinally: h.remove()",
    "x.grad = t.ones(2)",
    "x.grad = 'text'",
    "x.requires_grad = 2",
    "y.requires_grad_(False)",
    "y.data = 'text'",
    "x.data = t.arange(3)",
    "v.detach_()",
    "y.unsqueeze_(7)",
    "y.transpose_(0, 4)",
    "n.requires_grad_()",
]


@pytest.mark.parametrize("program", LEAVE_NOTHING)
def test_an_error_leaves_everything_as_it_was(program):
    names = run(BEFORE, gc)
    before = _state(names)
    assert _raised(program, names) is not None
    assert _state(names) == before
    # And everything still works.
    names["v"].sum().backward()
    assert names["x"].grad.tolist() == [7.0, 9.0, 9.0]


@pytest.mark.parametrize("program", LEAVE_NOTHING)
def test_these_errors_are_those_of_pytorch(torch, program):
    """Of the classes; PyTorch has written something by then, for some of these."""
    assert _raised(program, run(BEFORE, gc)) is _raised(program, run(BEFORE, torch))


def _raised(program, names):
    try:
        exec(program, names)
    except (RuntimeError, TypeError, ValueError, IndexError) as e:
        return type(e)
    return None


def _state(names):
    facts = {}
    for key in ("x", "y", "v", "n", "base"):
        x = names[key]
        facts[key] = (
            x.detach().numpy(force=True).tolist(),
            x._version,
            x.requires_grad,
            x.is_leaf,
            tuple(x.shape),
            str(x.dtype).rpartition(".")[2],
            None if x.grad_fn is None else x.grad_fn.name(),
        )
    facts["grad"] = names["x"].grad.tolist(), names["x"].grad._version
    return facts


# Operands from elsewhere.

FOREIGN = {
    "a string": "text",
    "bytes": b"text",
    "None": None,
    "a list": [1.0, 2.0, 3.0],
    "a tuple": (1.0, 2.0, 3.0),
    "a dict": {"a": 1.0},
    "a set": {1.0},
    "a function": len,
    "an object": object(),
    "a class": int,
    "a range": range(3),
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize(
    "expression",
    [
        "x + o",
        "o + x",
        "x * o",
        "x - o",
        "o / x",
        "x @ o",
        "x ** o",
        "t.mul(x, o)",
        "x.add_(o)",
        "t.matmul(x, o)",
        "x < o",
        "t.exp(o)",
    ],
)
def test_foreign_operands_are_type_errors(t, expression, what):
    x = t.tensor([1.0, 2.0, 3.0])
    with pytest.raises(TypeError) as caught:
        eval(expression, {"t": t, "x": x, "o": FOREIGN[what]})
    assert caught.type is TypeError
    assert x.tolist() == [1.0, 2.0, 3.0]
    assert x._version == 0
    assert str(caught.value)


@pytest.mark.parametrize("expression", ["x == o", "x != o"])
@pytest.mark.parametrize("what", [w for w in FOREIGN if w not in ("a list", "a tuple")])
def test_comparison_with_foreign_objects(t, expression, what):
    """As PyTorch: Python's own answer, or a TypeError; never an array of nonsense."""
    x = t.tensor([1.0, 2.0, 3.0])
    try:
        found = eval(expression, {"x": x, "o": FOREIGN[what]})
    except TypeError:
        return
    assert isinstance(found, bool)


@pytest.mark.parametrize(
    "number", [fractions.Fraction(1, 2), decimal.Decimal("0.5"), array.array("d", [1.0, 2.0, 3.0])]
)
def test_numbers_of_other_libraries_are_type_errors(t, number):
    with pytest.raises(TypeError):
        t.tensor([1.0, 2.0, 3.0]) * number


def test_tensors_of_the_other_library_are_refused(torch):
    ours, theirs = gc.ones(3), torch.ones(3)
    for program in (
        "ours + theirs",
        "gc.mul(ours, theirs)",
        "ours.add_(theirs)",
        "ours @ theirs",
        "gc.where(ours > 0, theirs, ours)",
    ):
        with pytest.raises(TypeError, match="Tensor"):
            eval(program, {"ours": ours, "theirs": theirs, "gc": gc})
    assert ours.tolist() == [1.0, 1.0, 1.0]
    assert ours._version == 0


def test_numpy_arrays_beside_tensors(device):
    """An array of the device's own library counts as a tensor without history; what NumPy does not know is refused."""
    x = gc.ones(3, dtype=gc.float64, requires_grad=True)
    if device == "cpu":
        y = x * np.arange(3.0)
        y.sum().backward()
        assert x.grad.tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(TypeError):
        x * np.array(["a", "b", "c"])
    with pytest.raises(TypeError):
        x * np.array([object()] * 3)
    with pytest.raises(TypeError):
        np.ones(3) * x


@pytest.mark.parametrize(
    "call",
    [
        "x.tril(1.5)",
        "x.triu(True)",
        "x.sum(True)",
        "x.topk(np.ones(2))",
        "x.round(decimals=0.5)",
        "t.eye(np.ones(2))",
        "t.randint(1.5, (2,))",
    ],
)
def test_where_an_integer_belongs_nothing_else_is_taken(call, t):
    with pytest.raises(TypeError):
        eval(call, {"t": t, "np": np, "x": t.ones(4, 4)})
