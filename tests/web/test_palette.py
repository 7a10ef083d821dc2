"""The colours of states can be told apart by everybody, and be seen on what they lie on.

Colour vision as G. M. Machado and others, "A Physiologically-based Model for Simulation of Color
Vision Deficiency" (2009), severity 1; distances in OKLab, times 100; contrast as WCAG 2.
"""

import math
import re
from itertools import combinations
from pathlib import Path

import pytest

import koo.web

STYLE = (Path(koo.web.__file__).parent / "static/style.css").read_text()
VISIONS = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}  # fmt: skip
# The least distance between two of them: critical must leap to the eye.
APART = {
    "light": {("ok", "crit"): 18, ("warn", "crit"): 15},
    "dark": {("ok", "crit"): 18, ("warn", "crit"): 10},
}
GROUNDS = ("card", "crit-soft", "warn-soft")


def palette(theme):
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    light, dark = ({k: full(v) for k, v in re.findall(r"--([\w-]+): (#\w+)", it)} for it in blocks)
    return light if theme == "light" else dark


def full(colour):
    digits = colour[1:]
    return "".join(2 * digit for digit in digits) if len(digits) == 3 else digits


def linear(colour):
    parts = (int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4))
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def seen(colour, vision):
    return [
        min(1, max(0, math.sumprod(row, linear(colour))))
        if hasattr(math, "sumprod")
        else min(1, max(0, sum(a * b for a, b in zip(row, linear(colour), strict=True))))
        for row in VISIONS[vision]
    ]


def oklab(rgb):
    red, green, blue = rgb
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def distance(one, other, vision):
    return 100 * math.dist(oklab(seen(one, vision)), oklab(seen(other, vision)))


def contrast(one, other):
    light = sorted(
        sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(it), strict=True)) + 0.05
        for it in (one, other)
    )
    return light[1] / light[0]


def test_the_measure_finds_fault_with_the_usual_green_and_red():
    assert distance("2e7d32", "c62828", "deuteranopia") < 6
    assert distance("2e7d32", "c62828", "usual") > 18


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_states_can_be_told_apart(theme, vision):
    colours = palette(theme)
    for (one, other), least in APART[theme].items():
        found = distance(colours[one], colours[other], vision)
        assert found >= least, f"{one} and {other} are {found:.1f} apart"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_shapes_can_be_seen_and_words_be_read(theme):
    colours = palette(theme)
    for state in ("ok", "warn", "crit", "unk"):
        assert contrast(colours[state], colours["card"]) >= 3, state
    for ground in GROUNDS:
        for words in ("text", "mute"):
            assert contrast(colours[words], colours[ground]) >= 4.5, (words, ground)


def test_every_state_has_a_shape_of_its_own():
    shapes = (Path(koo.web.__file__).parent / "static/shapes.js").read_text()
    drawings = dict(re.findall(r"^  (\w+): \(\) => html`(.+?)`,$", shapes, re.MULTILINE))
    assert {"ok", "warn", "half", "crit", "unk", "info"} == drawings.keys()
    assert all(one != other for one, other in combinations(drawings.values(), 2))
