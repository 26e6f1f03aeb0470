"""The usual mistakes of a layer such as Dropout: some numbers become 0, the rest are scaled."""

import numpy as np

from tinynn.gradcheck.evidence import Evidence, close


def dropped(evidence: Evidence) -> str:
    """Of a layer such as Dropout, whose out is 0 or x times one number, which is not 1."""
    x, out, dout = evidence.x, evidence.out, evidence.dout
    if evidence.key != "x" or x.shape != out.shape:
        return ""
    factor = np.divide(out, x, out=np.full(x.shape, np.nan), where=x != 0)  # nan: not known
    scale = float(factor[factor > 0].max(initial=0))
    mask = np.where(np.isnan(factor), np.nan, factor != 0)
    if scale <= 1.001 or not close(scale * mask, factor) or not (mask == 0).any():
        return ""
    if not evidence.is_right(dout * factor):
        return ""
    known = f"forward keeps {np.nanmean(mask):.0%} of x, times {scale:.3g}, and sets the rest to 0"
    if evidence.is_computed(dout * mask):
        return f"The factor 1 / (1 - rate) is missing: {known}; backward must do the same to dout."
    if evidence.is_computed(dout) or evidence.is_computed(dout * scale):
        return f"The mask is not applied: {known}; backward must do the same to dout."
    drawn = np.isclose(evidence.gradient, 0) | np.isclose(evidence.gradient, dout * scale)
    if drawn.all():
        return (
            f"The mask is another one: {known}. backward must use the mask that forward drew: keep "
            "it as self.mask, and do not draw again."
        )
    return ""
