"""The operations as methods and operators of a tensor: one line each, in the file of ``gradcore/ops`` that the heading names."""

from __future__ import annotations

from gradcore import random
from gradcore.lazy import on_demand
from gradcore.ops import (
    activation,
    arithmetic,
    assignment,
    bounds,
    broadcasting,
    cast,
    comparison,
    complex_numbers,
    creation,
    cumulative,
    diagonals,
    division,
    elementwise,
    extremum,
    gathering,
    indexing,
    joining,
    masking,
    matrix_chain,
    moments,
    norms,
    powers,
    products,
    rearranging,
    reduction,
    selecting,
    shape_in_place,
    slicing,
    smooth_activation,
    softmax,
    sorting,
    squeezing,
    taking,
    transposing,
    trigonometry,
)
from gradcore.ops import addmm as addmm_ops
from gradcore.ops import matmul as matmul_ops
from gradcore.ops import scatter_reduce as scatter_reduce_ops
from gradcore.ops import shape as shape_ops
from gradcore.ops.special import error_functions

__all__ = ["Operations"]


class Operations:  # noqa: PLW1641 - Tensor has __hash__
    """What a tensor can do; :class:`gradcore.tensor.Tensor` is what it is."""

    # random.py
    uniform_ = random.uniform_
    normal_ = random.normal_
    bernoulli = random.bernoulli

    # ops/activation.py
    relu = activation.relu
    relu_ = activation.relu.inplace
    prelu = activation.prelu
    hardshrink = activation.hardshrink

    # ops/addmm.py
    addmm = addmm_ops.addmm
    addmm_ = addmm_ops.addmm.inplace
    addmv = addmm_ops.addmv
    addmv_ = addmm_ops.addmv.inplace
    addr = addmm_ops.addr
    addr_ = addmm_ops.addr.inplace
    addbmm = addmm_ops.addbmm
    addbmm_ = addmm_ops.addbmm.inplace
    baddbmm = addmm_ops.baddbmm
    baddbmm_ = addmm_ops.baddbmm.inplace

    # ops/arithmetic.py
    add = arithmetic.add
    add_ = arithmetic.add.inplace
    sub = arithmetic.sub
    sub_ = arithmetic.sub.inplace
    mul = arithmetic.mul
    mul_ = arithmetic.mul.inplace
    addcmul = arithmetic.addcmul
    addcmul_ = arithmetic.addcmul.inplace
    addcdiv = arithmetic.addcdiv
    addcdiv_ = arithmetic.addcdiv.inplace
    lerp = arithmetic.lerp
    lerp_ = arithmetic.lerp_
    neg = arithmetic.neg
    neg_ = arithmetic.neg.inplace
    positive = arithmetic.positive
    negative = arithmetic.neg
    negative_ = arithmetic.neg.inplace
    multiply = arithmetic.mul
    multiply_ = arithmetic.mul.inplace
    subtract = arithmetic.sub
    subtract_ = arithmetic.sub.inplace
    __add__ = arithmetic.add.operator
    __radd__ = arithmetic.radd_operator
    __iadd__ = arithmetic.add.inplace
    __sub__ = arithmetic.sub.operator
    __rsub__ = arithmetic.rsub_operator
    __isub__ = arithmetic.sub.inplace
    __mul__ = arithmetic.mul.operator
    __rmul__ = arithmetic.rmul_operator
    __imul__ = arithmetic.mul.inplace
    __neg__ = arithmetic.neg
    __pos__ = arithmetic.positive

    # ops/assignment.py
    copy_ = assignment.copy_
    fill_ = assignment.fill_
    zero_ = assignment.zero_

    # ops/bounds.py
    clamp = clip = bounds.clamp
    clamp_ = clip_ = bounds.clamp_
    clamp_min = bounds.clamp_min
    clamp_min_ = bounds.clamp_min_
    clamp_max = bounds.clamp_max
    clamp_max_ = bounds.clamp_max_
    maximum = bounds.maximum
    minimum = bounds.minimum
    fmax = bounds.fmax
    fmin = bounds.fmin

    # ops/broadcasting.py
    expand = broadcasting.expand
    expand_as = broadcasting.expand_as
    broadcast_to = broadcasting.broadcast_to
    sum_to_size = broadcasting.sum_to_size

    # ops/cast.py
    to = cast.to
    clone = cast.clone
    cpu = cast.cpu
    cuda = cast.cuda
    type_as = cast.type_as
    double = cast.double
    float = cast.float_
    half = cast.half
    bfloat16 = cast.bfloat16
    chalf = cast.chalf
    long = cast.long
    int = cast.int_
    short = cast.short
    byte = cast.byte
    char = cast.char
    bool = cast.bool_
    cfloat = cast.cfloat
    cdouble = cast.cdouble

    # ops/comparison.py
    eq = comparison.eq
    eq_ = comparison.eq.inplace
    ne = comparison.ne
    ne_ = comparison.ne.inplace
    lt = comparison.lt
    lt_ = comparison.lt.inplace
    le = comparison.le
    le_ = comparison.le.inplace
    gt = comparison.gt
    gt_ = comparison.gt.inplace
    ge = comparison.ge
    ge_ = comparison.ge.inplace
    not_equal = comparison.ne
    not_equal_ = comparison.ne.inplace
    less = comparison.lt
    less_ = comparison.lt.inplace
    less_equal = comparison.le
    less_equal_ = comparison.le.inplace
    greater = comparison.gt
    greater_ = comparison.gt.inplace
    greater_equal = comparison.ge
    greater_equal_ = comparison.ge.inplace
    logical_and = comparison.logical_and
    logical_and_ = comparison.logical_and.inplace
    logical_or = comparison.logical_or
    logical_or_ = comparison.logical_or.inplace
    logical_xor = comparison.logical_xor
    logical_xor_ = comparison.logical_xor.inplace
    logical_not = comparison.logical_not
    logical_not_ = comparison.logical_not.inplace
    bitwise_and = comparison.bitwise_and
    bitwise_and_ = comparison.bitwise_and.inplace
    bitwise_or = comparison.bitwise_or
    bitwise_or_ = comparison.bitwise_or.inplace
    bitwise_xor = comparison.bitwise_xor
    bitwise_xor_ = comparison.bitwise_xor.inplace
    bitwise_not = comparison.bitwise_not
    bitwise_not_ = comparison.bitwise_not.inplace
    bitwise_left_shift = comparison.bitwise_left_shift
    bitwise_left_shift_ = comparison.bitwise_left_shift.inplace
    bitwise_right_shift = comparison.bitwise_right_shift
    bitwise_right_shift_ = comparison.bitwise_right_shift.inplace
    equal = comparison.equal
    isclose = comparison.isclose
    allclose = comparison.allclose
    isfinite = comparison.isfinite
    isinf = comparison.isinf
    isnan = comparison.isnan
    isneginf = comparison.isneginf
    isposinf = comparison.isposinf
    isreal = comparison.isreal
    signbit = comparison.signbit
    __eq__ = comparison.eq.operator
    __ne__ = comparison.ne.operator
    __lt__ = comparison.lt.operator
    __le__ = comparison.le.operator
    __gt__ = comparison.gt.operator
    __ge__ = comparison.ge.operator
    __and__ = comparison.bitwise_and.operator
    __rand__ = comparison.rand_operator
    __iand__ = comparison.bitwise_and.inplace
    __or__ = comparison.bitwise_or.operator
    __ror__ = comparison.ror_operator
    __ior__ = comparison.bitwise_or.inplace
    __xor__ = comparison.bitwise_xor.operator
    __rxor__ = comparison.rxor_operator
    __ixor__ = comparison.bitwise_xor.inplace
    __lshift__ = comparison.bitwise_left_shift.operator
    __rlshift__ = comparison.rlshift_operator
    __ilshift__ = comparison.bitwise_left_shift.inplace
    __rshift__ = comparison.bitwise_right_shift.operator
    __rrshift__ = comparison.rrshift_operator
    __irshift__ = comparison.bitwise_right_shift.inplace
    __invert__ = comparison.invert_operator

    # ops/complex_numbers.py
    real = property(complex_numbers.real)
    imag = property(complex_numbers.imag)
    conj = complex_numbers.conj
    angle = complex_numbers.angle
    sgn = complex_numbers.sgn
    sgn_ = complex_numbers.sgn.inplace
    conj_physical = complex_numbers.conj_physical
    conj_physical_ = complex_numbers.conj_physical_
    resolve_conj = complex_numbers.resolve_conj
    resolve_neg = complex_numbers.resolve_neg
    is_conj = complex_numbers.is_conj
    is_neg = complex_numbers.is_neg

    # ops/copies.py
    narrow_copy = on_demand("gradcore.ops.copies", "narrow_copy")
    unsafe_chunk = on_demand("gradcore.ops.copies", "unsafe_chunk")
    unsafe_split = on_demand("gradcore.ops.copies", "unsafe_split")
    unsafe_split_with_sizes = on_demand("gradcore.ops.copies", "unsafe_split_with_sizes")

    # ops/creation.py
    new_empty = creation.new_empty
    new_full = creation.new_full
    new_ones = creation.new_ones
    new_tensor = creation.new_tensor
    new_zeros = creation.new_zeros

    # ops/cumulative.py
    cumsum = cumulative.cumsum
    cumsum_ = cumulative.cumsum_
    cumprod = cumulative.cumprod
    cumprod_ = cumulative.cumprod_

    # ops/diagonals.py
    diagonal = diagonals.diagonal
    diagonal_scatter = diagonals.diagonal_scatter
    diag = diagonals.diag
    diag_embed = diagonals.diag_embed
    diagflat = diagonals.diagflat
    fill_diagonal_ = diagonals.fill_diagonal_
    trace = diagonals.trace

    # ops/distributions.py
    bernoulli_ = on_demand("gradcore.ops.distributions", "bernoulli_")
    cauchy_ = on_demand("gradcore.ops.distributions", "cauchy_")
    exponential_ = on_demand("gradcore.ops.distributions", "exponential_")
    geometric_ = on_demand("gradcore.ops.distributions", "geometric_")
    log_normal_ = on_demand("gradcore.ops.distributions", "log_normal_")
    multinomial = on_demand("gradcore.ops.distributions", "multinomial")
    random_ = on_demand("gradcore.ops.distributions", "random_")

    # ops/division.py
    div = division.div
    div_ = division.div_
    divide = division.div
    divide_ = division.div_
    remainder = division.remainder
    remainder_ = division.remainder_
    fmod = division.fmod
    fmod_ = division.fmod_
    floor_divide = division.floor_divide
    floor_divide_ = division.floor_divide.inplace
    reciprocal = division.reciprocal
    reciprocal_ = division.reciprocal.inplace
    true_divide = division.true_divide
    true_divide_ = division.true_divide.inplace
    __array_ufunc__ = None
    """NumPy leaves operators to the tensor, and refuses to compute with it where a gradient would be lost."""
    __truediv__ = division.true_divide.operator
    __rtruediv__ = division.rtruediv_operator
    __rdiv__ = division.rdiv
    __itruediv__ = division.true_divide.inplace
    __floordiv__ = division.floor_divide.operator
    __rfloordiv__ = division.rfloordiv_operator
    __ifloordiv__ = division.floor_divide.inplace
    __mod__ = division.mod_operator
    __rmod__ = division.rmod_operator
    __imod__ = division.remainder_

    # ops/elementwise.py
    round = elementwise.round
    round_ = elementwise.round_
    copysign = elementwise.copysign
    copysign_ = elementwise.copysign_
    hypot = elementwise.hypot
    hypot_ = elementwise.hypot.inplace
    logaddexp = elementwise.logaddexp
    logaddexp2 = elementwise.logaddexp2
    abs = elementwise.abs
    abs_ = elementwise.abs_
    ceil = elementwise.ceil
    ceil_ = elementwise.ceil.inplace
    exp = elementwise.exp
    exp_ = elementwise.exp.inplace
    exp2 = elementwise.exp2
    exp2_ = elementwise.exp2.inplace
    expm1 = elementwise.expm1
    expm1_ = elementwise.expm1.inplace
    floor = elementwise.floor
    floor_ = elementwise.floor.inplace
    frac = elementwise.frac
    frac_ = elementwise.frac.inplace
    log = elementwise.log
    log_ = elementwise.log.inplace
    log10 = elementwise.log10
    log10_ = elementwise.log10.inplace
    log1p = elementwise.log1p
    log1p_ = elementwise.log1p.inplace
    log2 = elementwise.log2
    log2_ = elementwise.log2.inplace
    nan_to_num = elementwise.nan_to_num
    nan_to_num_ = elementwise.nan_to_num.inplace
    rsqrt = elementwise.rsqrt
    rsqrt_ = elementwise.rsqrt.inplace
    sign = elementwise.sign
    sign_ = elementwise.sign.inplace
    sqrt = elementwise.sqrt
    sqrt_ = elementwise.sqrt.inplace
    trunc = elementwise.trunc
    trunc_ = elementwise.trunc.inplace
    absolute = elementwise.abs
    absolute_ = elementwise.abs_
    fix = elementwise.trunc
    fix_ = elementwise.trunc.inplace
    __abs__ = elementwise.abs

    # ops/extremum.py
    max = extremum.max
    min = extremum.min
    amax = extremum.amax
    amin = extremum.amin
    aminmax = extremum.aminmax
    argmax = extremum.argmax
    argmin = extremum.argmin
    median = extremum.median

    # ops/fft/
    stft = on_demand("gradcore.ops.fft.short_time", "stft")
    istft = on_demand("gradcore.ops.fft.short_time", "istft")

    # ops/floating_point.py
    ldexp = on_demand("gradcore.ops.floating_point", "ldexp")
    ldexp_ = on_demand("gradcore.ops.floating_point", "ldexp_")
    frexp = on_demand("gradcore.ops.floating_point", "frexp")
    nextafter = on_demand("gradcore.ops.floating_point", "nextafter")
    nextafter_ = on_demand("gradcore.ops.floating_point", "nextafter_")
    float_power = on_demand("gradcore.ops.floating_point", "float_power")
    float_power_ = on_demand("gradcore.ops.floating_point", "float_power_")

    # ops/gathering.py
    gather = gathering.gather
    scatter = gathering.scatter
    scatter_ = gathering.scatter_
    scatter_add = gathering.scatter_add
    scatter_add_ = gathering.scatter_add_
    take_along_dim = gathering.take_along_dim

    # ops/indexing.py
    __getitem__ = indexing.getitem
    __setitem__ = indexing.setitem
    index_put = indexing.index_put
    index_put_ = indexing.index_put_

    # ops/integers.py
    gcd = on_demand("gradcore.ops.integers", "gcd")
    gcd_ = on_demand("gradcore.ops.integers", "gcd.inplace")
    lcm = on_demand("gradcore.ops.integers", "lcm")
    lcm_ = on_demand("gradcore.ops.integers", "lcm.inplace")

    # ops/joining.py
    unbind = joining.unbind
    split = joining.split
    split_with_sizes = joining.split_with_sizes
    chunk = joining.chunk
    tensor_split = joining.tensor_split
    hsplit = joining.hsplit
    vsplit = joining.vsplit
    dsplit = joining.dsplit

    # ops/linalg/
    det = on_demand("gradcore.ops.linalg.determinant", "det")
    cholesky = on_demand("gradcore.ops.linalg.cholesky", "cholesky")
    cholesky_inverse = on_demand("gradcore.ops.linalg.cholesky", "cholesky_inverse")
    cholesky_solve = on_demand("gradcore.ops.linalg.cholesky", "cholesky_solve")
    qr = on_demand("gradcore.ops.linalg.qr", "qr")
    svd = on_demand("gradcore.ops.linalg.svd", "svd")
    pinverse = on_demand("gradcore.ops.linalg.pseudoinverse", "pinverse")
    lu = on_demand("gradcore.ops.linalg.lu", "lu")
    lu_solve = on_demand("gradcore.ops.linalg.lu_equations", "lu_solve")
    geqrf = on_demand("gradcore.ops.linalg.householder", "geqrf")
    orgqr = on_demand("gradcore.ops.linalg.householder", "orgqr")
    ormqr = on_demand("gradcore.ops.linalg.householder", "ormqr")
    slogdet = on_demand("gradcore.ops.linalg.determinant", "slogdet")
    logdet = on_demand("gradcore.ops.linalg.determinant", "logdet")
    inverse = on_demand("gradcore.ops.linalg.inverse", "inverse")
    triangular_solve = on_demand("gradcore.ops.linalg.triangular", "triangular_solve")
    matrix_exp = on_demand("gradcore.ops.linalg.exponential", "matrix_exp")

    # ops/masking.py
    where = masking.where_method
    masked_fill = masking.masked_fill
    masked_fill_ = masking.masked_fill_
    masked_select = masking.masked_select
    masked_scatter = masking.masked_scatter
    masked_scatter_ = masking.masked_scatter_
    nonzero = masking.nonzero
    argwhere = masking.argwhere

    # ops/matmul.py
    mm = matmul_ops.mm
    mv = matmul_ops.mv
    dot = matmul_ops.dot
    vdot = matmul_ops.vdot
    bmm = matmul_ops.bmm
    matmul = matmul_ops.matmul
    __matmul__ = matmul_ops.matmul_operator
    __rmatmul__ = matmul_ops.reflected_matmul_operator

    # ops/matrix_chain.py
    matrix_power = matrix_chain.matrix_power

    # ops/moments.py
    var = moments.var
    std = moments.std

    # ops/norms.py
    norm = norms.norm

    # ops/numeric_types.py
    type = on_demand("gradcore.ops.numeric_types", "type_of")

    # ops/powers.py
    pow = powers.pow
    pow_ = powers.pow_
    square = powers.square
    square_ = powers.square_
    __pow__ = powers.pow_operator
    __rpow__ = powers.rpow_operator
    __ipow__ = powers.pow_

    # ops/products.py
    outer = products.outer
    ger = products.ger
    inner = products.inner
    kron = products.kron
    cross = products.cross

    # ops/rearranging.py
    flip = rearranging.flip
    fliplr = rearranging.fliplr
    flipud = rearranging.flipud
    roll = rearranging.roll
    rot90 = rearranging.rot90
    repeat = rearranging.repeat
    tile = rearranging.tile
    repeat_interleave = rearranging.repeat_interleave
    tril = rearranging.tril
    tril_ = rearranging.tril.inplace
    triu = rearranging.triu
    triu_ = rearranging.triu.inplace
    unfold = rearranging.unfold

    # ops/reduction.py
    sum = reduction.sum
    nansum = reduction.nansum
    mean = reduction.mean
    nanmean = reduction.nanmean
    prod = reduction.prod
    logsumexp = reduction.logsumexp
    any = reduction.any
    all = reduction.all
    count_nonzero = reduction.count_nonzero

    # ops/scatter_reduce.py
    scatter_reduce = scatter_reduce_ops.scatter_reduce
    scatter_reduce_ = scatter_reduce_ops.scatter_reduce_
    index_reduce = scatter_reduce_ops.index_reduce
    index_reduce_ = scatter_reduce_ops.index_reduce_

    # ops/selecting.py
    index_select = selecting.index_select
    index_add = selecting.index_add
    index_add_ = selecting.index_add_
    index_copy = selecting.index_copy
    index_copy_ = selecting.index_copy_
    index_fill = selecting.index_fill
    index_fill_ = selecting.index_fill_

    # ops/shape.py
    view = shape_ops.view
    view_as = shape_ops.view_as
    reshape = shape_ops.reshape
    reshape_as = shape_ops.reshape_as
    ravel = shape_ops.ravel
    flatten = shape_ops.flatten
    unflatten = shape_ops.unflatten
    contiguous = shape_ops.contiguous
    as_strided = shape_ops.as_strided

    # ops/shape_in_place.py
    t_ = shape_in_place.t_
    transpose_ = shape_in_place.transpose_
    swapaxes_ = shape_in_place.swapaxes_
    swapdims_ = shape_in_place.swapdims_
    as_strided_ = shape_in_place.as_strided_
    unsqueeze_ = shape_in_place.unsqueeze_
    squeeze_ = shape_in_place.squeeze_
    set_ = shape_in_place.set_
    resize_ = shape_in_place.resize_
    resize_as_ = shape_in_place.resize_as_

    # ops/slicing.py
    select = slicing.select
    narrow = slicing.narrow
    select_scatter = slicing.select_scatter
    slice_scatter = slicing.slice_scatter

    # ops/smooth_activation.py
    sigmoid = smooth_activation.sigmoid
    sigmoid_ = smooth_activation.sigmoid.inplace

    # ops/sorting.py
    sort = sorting.sort
    argsort = sorting.argsort
    msort = sorting.msort
    topk = sorting.topk
    kthvalue = sorting.kthvalue
    unique = sorting.unique

    # ops/special/
    erf = error_functions.erf
    erf_ = error_functions.erf.inplace
    erfc = error_functions.erfc
    erfc_ = error_functions.erfc.inplace
    sinc = on_demand("gradcore.ops.special.sinc", "sinc")
    sinc_ = on_demand("gradcore.ops.special.sinc", "sinc.inplace")
    xlogy = on_demand("gradcore.ops.special.entropy", "xlogy")
    xlogy_ = on_demand("gradcore.ops.special.entropy", "xlogy_")
    lgamma = on_demand("gradcore.ops.special.gamma", "lgamma")
    lgamma_ = on_demand("gradcore.ops.special.gamma", "lgamma.inplace")
    digamma = on_demand("gradcore.ops.special.gamma", "digamma")
    digamma_ = on_demand("gradcore.ops.special.gamma", "digamma.inplace")
    polygamma = on_demand("gradcore.ops.special.gamma", "polygamma_method")
    polygamma_ = on_demand("gradcore.ops.special.gamma", "polygamma_")
    mvlgamma = on_demand("gradcore.ops.special.gamma", "mvlgamma")
    mvlgamma_ = on_demand("gradcore.ops.special.gamma", "mvlgamma.inplace")
    igamma = on_demand("gradcore.ops.special.incomplete_gamma", "igamma")
    igamma_ = on_demand("gradcore.ops.special.incomplete_gamma", "igamma_")
    igammac = on_demand("gradcore.ops.special.incomplete_gamma", "igammac")
    igammac_ = on_demand("gradcore.ops.special.incomplete_gamma", "igammac_")
    erfinv = on_demand("gradcore.ops.special.normal_distribution", "erfinv")
    erfinv_ = on_demand("gradcore.ops.special.normal_distribution", "erfinv.inplace")
    i0 = on_demand("gradcore.ops.special.bessel", "i0")
    i0_ = on_demand("gradcore.ops.special.bessel", "i0.inplace")
    logit = on_demand("gradcore.ops.special.logit", "logit")
    logit_ = on_demand("gradcore.ops.special.logit", "logit.inplace")

    # ops/squeezing.py
    unsqueeze = squeezing.unsqueeze
    squeeze = squeezing.squeeze

    # ops/statistics/
    cummax = on_demand("gradcore.ops.statistics.running", "cummax")
    cummin = on_demand("gradcore.ops.statistics.running", "cummin")
    logcumsumexp = on_demand("gradcore.ops.statistics.running", "logcumsumexp")
    mode = on_demand("gradcore.ops.statistics.order", "mode")
    nanmedian = on_demand("gradcore.ops.statistics.order", "nanmedian")
    quantile = on_demand("gradcore.ops.statistics.quantile", "quantile")
    nanquantile = on_demand("gradcore.ops.statistics.quantile", "nanquantile")
    renorm = on_demand("gradcore.ops.statistics.scaling", "renorm")
    renorm_ = on_demand("gradcore.ops.statistics.scaling", "renorm_")
    dist = on_demand("gradcore.ops.statistics.distance", "dist")
    cov = on_demand("gradcore.ops.statistics.covariance", "cov")
    corrcoef = on_demand("gradcore.ops.statistics.covariance", "corrcoef")
    diff = on_demand("gradcore.ops.statistics.differences", "diff")
    bincount = on_demand("gradcore.ops.statistics.histograms", "bincount")
    histc = on_demand("gradcore.ops.statistics.histograms", "histc")
    histogram = on_demand("gradcore.ops.statistics.histograms", "histogram")
    unique_consecutive = on_demand("gradcore.ops.statistics.distinct", "unique_consecutive")

    # ops/step.py
    heaviside = on_demand("gradcore.ops.step", "heaviside")
    heaviside_ = on_demand("gradcore.ops.step", "heaviside.inplace")

    # ops/strided.py
    as_strided_scatter = on_demand("gradcore.ops.strided", "as_strided_scatter")
    new_empty_strided = on_demand("gradcore.ops.strided", "new_empty_strided")

    # ops/taking.py
    take = taking.take
    put = taking.put
    put_ = taking.put_

    # ops/transposing.py
    permute = transposing.permute
    transpose = transposing.transpose
    swapaxes = transposing.swapaxes
    swapdims = transposing.swapdims
    movedim = transposing.movedim
    moveaxis = transposing.movedim
    t = transposing.t
    T = property(transposing.reversed_dims)
    mT = property(transposing.matrix_transpose)
    H = property(transposing.conjugate_transpose)
    mH = property(transposing.batch_adjoint)
    adjoint = transposing.adjoint

    # ops/trigonometry.py
    atan2 = trigonometry.atan2
    atan2_ = trigonometry.atan2.inplace
    acos = trigonometry.acos
    acos_ = trigonometry.acos.inplace
    acosh = trigonometry.acosh
    acosh_ = trigonometry.acosh.inplace
    asin = trigonometry.asin
    asin_ = trigonometry.asin.inplace
    asinh = trigonometry.asinh
    asinh_ = trigonometry.asinh.inplace
    atan = trigonometry.atan
    atan_ = trigonometry.atan.inplace
    atanh = trigonometry.atanh
    atanh_ = trigonometry.atanh.inplace
    cos = trigonometry.cos
    cos_ = trigonometry.cos.inplace
    cosh = trigonometry.cosh
    cosh_ = trigonometry.cosh.inplace
    deg2rad = trigonometry.deg2rad
    deg2rad_ = trigonometry.deg2rad.inplace
    rad2deg = trigonometry.rad2deg
    rad2deg_ = trigonometry.rad2deg.inplace
    sin = trigonometry.sin
    sin_ = trigonometry.sin.inplace
    sinh = trigonometry.sinh
    sinh_ = trigonometry.sinh.inplace
    tan = trigonometry.tan
    tan_ = trigonometry.tan.inplace
    tanh = trigonometry.tanh
    tanh_ = trigonometry.tanh.inplace
    arccos = trigonometry.acos
    arccos_ = trigonometry.acos.inplace
    arcsin = trigonometry.asin
    arcsin_ = trigonometry.asin.inplace
    arctan = trigonometry.atan
    arctan_ = trigonometry.atan.inplace
    arctan2 = trigonometry.atan2
    arctan2_ = trigonometry.atan2.inplace
    arccosh = trigonometry.acosh
    arccosh_ = trigonometry.acosh.inplace
    arcsinh = trigonometry.asinh
    arcsinh_ = trigonometry.asinh.inplace
    arctanh = trigonometry.atanh
    arctanh_ = trigonometry.atanh.inplace

    # ops/softmax.py
    log_softmax = softmax.log_softmax
    # Last, since it hides the module for what follows.
    softmax = softmax.softmax
