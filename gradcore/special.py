"""Special functions, as ``torch.special``."""

from __future__ import annotations

from gradcore.ops.activation import sigmoid as expit
from gradcore.ops.elementwise import exp2, expm1, log1p, round
from gradcore.ops.reduction import logsumexp
from gradcore.ops.softmax import log_softmax, softmax
from gradcore.ops.special.bessel import i0, i0e, i1, i1e
from gradcore.ops.special.entropy import entr, xlog1py, xlogy
from gradcore.ops.special.error_functions import erf, erfc, erfcx
from gradcore.ops.special.gamma import digamma, polygamma
from gradcore.ops.special.gamma import lgamma as gammaln
from gradcore.ops.special.gamma import mvlgamma as multigammaln
from gradcore.ops.special.incomplete_gamma import igamma as gammainc
from gradcore.ops.special.incomplete_gamma import igammac as gammaincc
from gradcore.ops.special.logit import logit
from gradcore.ops.special.normal_distribution import erfinv, log_ndtr, ndtr, ndtri
from gradcore.ops.special.sinc import sinc
from gradcore.ops.special.zeta import zeta

__all__ = [
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
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
    "zeta",
]

psi = digamma
