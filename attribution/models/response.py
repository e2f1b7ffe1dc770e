"""Response curves: what a channel brings in a week at steady spend, one curve for each draw.

    brings(spend) = top * spend / (spend + half)

`top` is what no spend reaches, `half` the spend that brings half of it. Every curve rises and is
concave: each further amount of money brings less than the one before. (A Hill curve of exponent 1;
Jin et al., *Bayesian Methods for Media Mix Modeling*, Google 2017.) A steady spend carries over to
itself, so carry-over does not show here.
"""

from dataclasses import dataclass

from attribution.models.incremental_design import Floats


@dataclass(frozen=True, slots=True)
class Curves:
    """Draws of the curves of all channels: both draw x channel, money and conversions a week."""

    top: Floats
    half: Floats

    @property
    def draws(self) -> int:
        return len(self.top)

    def brings(self, spend: Floats) -> Floats:
        """Conversions a week: draw x channel, of spend by channel (or draw x channel)."""
        brought: Floats = self.top * spend / (spend + self.half)
        return brought

    def marginal(self, spend: Floats) -> Floats:
        """Conversions that one unit of money more brings: draw x channel."""
        slope: Floats = self.top * self.half / (spend + self.half) ** 2
        return slope

    def along(self, channel: int, spend: Floats) -> Floats:
        """One channel's conversions at many spends: draw x spend."""
        top, half = self.top[:, channel, None], self.half[:, channel, None]
        brought: Floats = top * spend / (spend + half)
        return brought
