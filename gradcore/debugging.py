"""Debug mode: gradcore remembers lines, and notices writes that it did not make."""

from __future__ import annotations

from gradcore.grad_mode import Mode, _ModeManager
from gradcore.watch import Watch

__all__ = ["debug"]


class debug(_ModeManager):  # noqa: N801 - a context manager, spelled as no_grad
    """A context manager, and a decorator, for finding out what happens to gradients.

    Inside,

    * operations, writes in place, ``detach`` and the like remember the lines that called them, so that
      :func:`gradcore.explain` and the errors of backward tell them;
    * a backward notices that an array which an operation saved was written to behind gradcore's back: through
      ``.numpy()`` or ``np.asarray(tensor)``, through a NumPy array that shares memory with a tensor (``from_numpy``), or
      through ``.data``. Each of these gives wrong gradients silently otherwise. For this, the bytes of what is saved are
      hashed when it is saved, and again in backward; on a GPU they are copied to the cpu for it.

    ``autograd.detect_anomaly`` does not look for such writes; ``debug`` does not look for nan. They can be used together.

    Args:
        check_saved: look for writes to saved arrays.

    Raises:
        RuntimeError: (in backward) a saved array does not hold what it held when it was saved.
    """

    def __init__(self, check_saved: bool = True) -> None:
        self.check_saved = bool(check_saved)

    def _clone(self) -> debug:
        return debug(self.check_saved)

    def _mode(self, outer: Mode) -> Mode:
        settings = outer.anomaly or Watch()
        return outer._replace(anomaly=settings._replace(lines=True, fingerprints=self.check_saved))
