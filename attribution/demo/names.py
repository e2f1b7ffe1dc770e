"""Names and numbers as the demo's systems write them: all made up, none can be a real person's.

E-mail addresses end in example.org; phone numbers have the exchange 555, which no one is given.
"""

import numpy as np
import numpy.typing as npt

from attribution.demo.draws import Bools, Draws, Ints
from attribution.demo.folk import Folk

Texts = npt.NDArray[np.object_]
_AREAS = np.array(
    [201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224,
     225, 228, 229, 231, 234, 239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270,
     276, 281, 301, 302]
)  # fmt: skip
_SHARES_PHONE, _SHARES_EMAIL = 0.03, 0.02
_SLIPS = 0.012  # in typed addresses
_LOST_COOKIE, _OTHER_DEVICE = 0.13, 0.28


def texts(values: Ints, form: str) -> Texts:
    """Each number in this form: `texts(numbers, "p%06d")`."""
    return np.array([form % value for value in values.tolist()], dtype=object)


def where(condition: Bools, values: Texts) -> Texts:
    """The values, and nothing where the condition does not hold."""
    chosen: Texts = np.where(condition, values, np.array(None, dtype=object))
    return chosen


def twins(folk: Folk) -> Bools:
    """Who gives the address and the phone of a twin, the person beside them."""
    second: Bools = folk.draws.uniform(115) < folk.knobs.twins
    return second


def emails(folk: Folk) -> Texts:
    """One address each; a few people use that of someone in the family."""
    shares = folk.draws.uniform(110) < folk.knobs.lost(_SHARES_EMAIL)
    shares |= twins(folk)
    return texts(np.where(shares, folk.ids ^ 1, folk.ids), "p%06d@example.org")


def phone_numbers(folk: Folk) -> Ints:
    """Ten digits each; some families share a line."""
    shares = folk.draws.uniform(111) < folk.knobs.lost(_SHARES_PHONE)
    shares |= twins(folk)
    owner = np.where(shares, folk.ids ^ 1, folk.ids)
    area = _AREAS[owner % len(_AREAS)]
    turn = owner // len(_AREAS)
    numbers: Ints = area * 10_000_000 + (555 + turn // 10_000) * 10_000 + turn % 10_000
    return numbers


def formatted(numbers: Ints, style: str) -> Texts:
    """Phone numbers as a system shows them: `e164`, `national` or `dashed`."""
    forms = {"e164": "+1%03d%03d%04d", "national": "(%03d) %03d-%04d", "dashed": "%03d-%03d-%04d"}
    form = forms[style]
    split = zip(
        (numbers // 10_000_000).tolist(),
        (numbers // 10_000 % 1000).tolist(),
        (numbers % 10_000).tolist(),
        strict=True,
    )
    return np.array([form % parts for parts in split], dtype=object)


def typed(folk: Folk) -> Texts:
    """Addresses as people type them into forms: some in capitals, some with the same slip."""
    out, drawn = emails(folk), folk.draws.uniform(126)
    slips = folk.knobs.lost(_SLIPS)
    for position in np.flatnonzero(drawn < 0.05).tolist():
        slip = drawn[position] < slips
        out[position] = (
            out[position].replace("example", "exmaple") if slip else out[position].upper()
        )
    return out


def mrn(people: Ints) -> Texts:
    """The number of a person in the medical record; leading zeros matter, and 0 is nobody's."""
    return texts(people + 1, "%08d")


def contact_ids(people: Ints) -> Texts:
    """The number of a person in the CRM, which counts in its own way."""
    return texts(100_000 + people * 7, "%d")


def cookies(folk: Folk, at: Ints, week: Ints, stream: int) -> Ints:
    """Which cookie a visit carries: new ones come every few months and with each device.

    The number is unique to the person at this position; -1 where consent was refused or the
    browser threw it away.
    """
    draws, knobs = folk.draws, folk.knobs
    life = 10 + (30 * draws.uniform(112, 0, at)).astype(np.int64)
    worn = (knobs.tracking * week).astype(np.int64)
    age = (worn + (life * draws.uniform(113, 0, at)).astype(np.int64)) // life % 32
    device = (draws.uniform(stream, week, at) < knobs.lost(_OTHER_DEVICE)).astype(np.int64)
    lost = draws.uniform(stream + 1, week, at) < knobs.lost(_LOST_COOKIE)
    return np.where(lost, -1, at * 64 + age * 2 + device)


def client_ids(numbers: Ints) -> Texts:
    """Cookies as Google Analytics writes them."""
    unique, position = np.unique(numbers, return_inverse=True)
    hashed = Draws(112, unique).uniform(1)
    stamp = Draws(112, unique).uniform(2)
    made = [
        f"{drawn}.{second}"
        for drawn, second in zip(
            (1e9 + 1e9 * hashed).astype(np.int64).tolist(),
            (1.70e9 + 6e7 * stamp).astype(np.int64).tolist(),
            strict=True,
        )
    ]
    table = np.array(made, dtype=object)
    table[unique < 0] = None
    chosen: Texts = table[position]
    return chosen


def record_ids(prefix: str, *parts: Ints) -> Texts:
    """Numbers of records, from what makes them unique, so that no run's order matters."""
    form = prefix + "-".join(["%d"] * len(parts))
    rows = zip(*(part.tolist() for part in parts), strict=True)
    return np.array([form % row for row in rows], dtype=object)
