"""Special functions, as ``torch.special``.

All but ``softmax`` and its like work element by element, in the dtype of their operands after promotion; integers become the
default dtype. Unless a function says otherwise, complex numbers raise NotImplementedError.
"""

from __future__ import annotations

from gradcore.ops.elementwise import exp2, expm1, log1p, round
from gradcore.ops.reduction import logsumexp
from gradcore.ops.smooth_activation import sigmoid as expit
from gradcore.ops.softmax import log_softmax, softmax
from gradcore.ops.special.airy import airy_ai
from gradcore.ops.special.bessel import i0, i0e, i1, i1e
from gradcore.ops.special.cylinder import (
    bessel_j0,
    bessel_j1,
    bessel_y0,
    bessel_y1,
    modified_bessel_i0,
    modified_bessel_i1,
    modified_bessel_k0,
    modified_bessel_k1,
    scaled_modified_bessel_k0,
    scaled_modified_bessel_k1,
    spherical_bessel_j0,
)
from gradcore.ops.special.entropy import entr, xlog1py, xlogy
from gradcore.ops.special.error_functions import erf, erfc, erfcx
from gradcore.ops.special.gamma import digamma, polygamma
from gradcore.ops.special.gamma import lgamma as gammaln
from gradcore.ops.special.gamma import mvlgamma as multigammaln
from gradcore.ops.special.incomplete_gamma import igamma as gammainc
from gradcore.ops.special.incomplete_gamma import igammac as gammaincc
from gradcore.ops.special.logit import logit
from gradcore.ops.special.normal_distribution import erfinv, log_ndtr, ndtr, ndtri
from gradcore.ops.special.polynomials import (
    chebyshev_polynomial_t,
    chebyshev_polynomial_u,
    chebyshev_polynomial_v,
    chebyshev_polynomial_w,
    hermite_polynomial_h,
    hermite_polynomial_he,
    laguerre_polynomial_l,
    legendre_polynomial_p,
    shifted_chebyshev_polynomial_t,
    shifted_chebyshev_polynomial_u,
    shifted_chebyshev_polynomial_v,
    shifted_chebyshev_polynomial_w,
)
from gradcore.ops.special.sinc import sinc
from gradcore.ops.special.zeta import zeta

__all__ = [
    "airy_ai",
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "chebyshev_polynomial_t",
    "chebyshev_polynomial_u",
    "chebyshev_polynomial_v",
    "chebyshev_polynomial_w",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
    "sinc",
    "softmax",
    "spherical_bessel_j0",
    "xlog1py",
    "xlogy",
    "zeta",
]

psi = digamma
