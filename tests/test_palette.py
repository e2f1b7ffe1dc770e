"""The theme's colours can be told apart, on their background and by people who see colours less."""

import tomllib
from itertools import combinations

import numpy as np
import pytest

from attribution.paths import ROOT
from attribution.ui import charts

CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
GREY = 7  # the place of what is not known
FIRST_SEQUENTIAL = 11  # the slot of the palest
CAPTION = 0.6  # how much of its colour Streamlit gives a caption
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], LUMINANCE, [0.0193339, 0.119192, 0.9503041]])
WHITE = np.array([0.95047, 1.0, 1.08883])
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "usual": np.eye(3),
    "deuteranope": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.01182, 0.04294, 0.968881],
        ]
    ),
    "protanope": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "tritanope": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.3039],
        ]
    ),
}


def linear(colour: str) -> np.ndarray:
    channel = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channel <= 0.04045, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    low, high = sorted((float(linear(one) @ LUMINANCE), float(linear(other) @ LUMINANCE)))
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, sight: np.ndarray) -> np.ndarray:
    seen = np.clip(sight @ linear(colour), 0, 1)
    xyz = TO_XYZ @ seen / WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def ciede2000(one: np.ndarray, other: np.ndarray) -> float:
    chroma = (np.hypot(*one[1:]) + np.hypot(*other[1:])) / 2
    g = 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25**7)))
    a1, a2 = one[1] * (1 + g), other[1] * (1 + g)
    c1, c2 = np.hypot(a1, one[2]), np.hypot(a2, other[2])
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for b, a in ((one[2], a1), (other[2], a2)))
    turn = (h2 - h1 + 180) % 360 - 180
    around = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    light, c = (one[0] + other[0]) / 2, (c1 + c2) / 2
    h = (h1 + turn / 2) % 360
    t = 1 - 0.17 * np.cos(np.radians(h - 30)) + 0.24 * np.cos(np.radians(2 * h))
    t += 0.32 * np.cos(np.radians(3 * h + 6)) - 0.2 * np.cos(np.radians(4 * h - 63))
    by_light = (other[0] - one[0]) / (
        1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    )
    by_chroma = (c2 - c1) / (1 + 0.045 * c)
    by_hue = around / (1 + 0.015 * c * t)
    rotation = -2 * np.sqrt(c**7 / (c**7 + 25**7))
    rotation *= np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2))))
    return float(np.sqrt(by_light**2 + by_chroma**2 + by_hue**2 + rotation * by_chroma * by_hue))


def test_the_difference_agrees_with_published_pairs():
    """Sharma, Wu and Dalal 2005, pairs 1, 7 and 25."""
    pairs = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ]
    for one, other, difference in pairs:
        assert ciede2000(np.array(one), np.array(other)) == pytest.approx(difference, abs=1e-3)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out_from_the_background(theme):
    for colour in CONFIG[theme]["chartCategoricalColors"]:
        assert contrast(colour, CONFIG[theme]["backgroundColor"]) >= 3
    assert contrast(CONFIG[theme]["textColor"], CONFIG[theme]["backgroundColor"]) >= 7


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_tells_something_in_a_sequential_colour_stands_out(theme):
    shades, ground = CONFIG[theme]["chartSequentialColors"], CONFIG[theme]["backgroundColor"]
    middle_half = charts.percentiles(["a"], [(1, 2, 3, 4, 5)], [""])["data"][1]["marker"]["color"]
    (ways,) = charts.flows([("a", "#000001", 0), ("b", "#000002", 2)], [(0, 1, 9, "")])["data"]
    for slot in (*middle_half, ways["link"]["line"]["color"]):
        assert contrast(shades[int(slot[1:]) - FIRST_SEQUENTIAL], ground) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_commands_in_captions_can_be_read(theme):
    ink, ground = (
        np.array([int(CONFIG[theme][name][i : i + 2], 16) for i in (1, 3, 5)])
        for name in ("codeTextColor", "backgroundColor")
    )
    seen = CAPTION * ink + (1 - CAPTION) * ground
    assert (
        contrast("#" + "".join(f"{round(v):02x}" for v in seen), CONFIG[theme]["backgroundColor"])
        >= 4.5
    )


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stay_apart(theme, sight):
    colours = CONFIG[theme]["chartCategoricalColors"]
    seen = [lab(each, SIGHT[sight]) for place, each in enumerate(colours) if place != GREY]
    assert min(ciede2000(one, other) for one, other in combinations(seen, 2)) >= 12
