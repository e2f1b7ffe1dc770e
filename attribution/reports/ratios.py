"""The ratios of reports as spreadsheet formulas, beside how they are computed here."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Amounts = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A formula over named amounts, defined while all of `positive` are above zero."""

    formula: str
    positive: tuple[str, ...]
    compute: Callable[[Amounts], float]

    @property
    def parts(self) -> frozenset[str]:
        """The amounts that it is made of."""
        return frozenset(re.findall(r"{(\w+)}", self.formula)) | {*self.positive}

    def excel(self, cells: Mapping[str, str]) -> str:
        """The formula over these cells; an empty text where the ratio is undefined."""
        tests = ",".join(f"{cells[name]}>0" for name in self.positive)
        guard = f"AND({tests})" if len(self.positive) > 1 else tests
        return f'=IF({guard},{self.formula.format_map(cells)},"")'

    def value(self, amounts: Amounts) -> float | None:
        """What the formula comes to."""
        if any(not amounts[name] > 0 for name in self.positive):
            return None
        return self.compute(amounts)


RATIOS = {
    "cpl": Ratio("{spend}/{leads}", ("spend", "leads"), lambda a: a["spend"] / a["leads"]),
    "cac": Ratio(
        "{spend}/{new_patients}",
        ("spend", "new_patients"),
        lambda a: a["spend"] / a["new_patients"],
    ),
    "roas": Ratio("{collected}/{spend}", ("spend",), lambda a: a["collected"] / a["spend"]),
    "roi": Ratio(
        "({collected}-{spend})/{spend}",
        ("spend",),
        lambda a: (a["collected"] - a["spend"]) / a["spend"],
    ),
    "kept_of_booked": Ratio("{kept}/{booked}", ("booked",), lambda a: a["kept"] / a["booked"]),
    "kept_rate": Ratio("{kept}/{silent}", ("silent",), lambda a: a["kept"] / a["silent"]),
}
for _blended, _plain in (
    *(("line_cpl", "cpl"), ("blended_cac", "cac"), ("blended_roas", "roas"), ("line_roi", "roi")),
):
    RATIOS[_blended] = RATIOS[_plain]
