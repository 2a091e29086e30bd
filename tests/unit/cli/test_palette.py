"""Colours can be read on a black terminal and on a white one."""

import pytest
from rich.color import Color

from orchestrator.cli import output
from orchestrator.cli.cluster import doctor
from orchestrator.cli.events import showing
from orchestrator.cli.local.demo import display, timeline

CONTRAST_MIN = 3.3
"""Between the 3.0 that the guidelines ask of large text and the 4.5 of small text; nothing of the
fixed palette that is far from grey has 4.5 from both."""
SHOWN = {
    one.removeprefix("bold ")
    for one in (
        *output.COLOURS.values(),
        *showing.COLOURS.values(),
        *doctor.COLOURS.values(),
        *display.STATES.values(),
        *timeline.HUES,
        output.DIM,
    )
} - {"bold"}


@pytest.mark.parametrize("name", sorted(SHOWN))
@pytest.mark.parametrize("ground", [0.0, 1.0])
def test_a_colour_stands_out(name: str, ground: float) -> None:
    colour = Color.parse(name)
    assert colour.number is not None
    assert colour.number >= 16, "the first sixteen are whatever a theme says"
    light, dark = sorted((_luminance(colour), ground), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= CONTRAST_MIN


@pytest.mark.parametrize("hue", [*timeline.HUES, *timeline.LIGHTER.values()])
def test_a_name_can_be_read_on_its_bar(hue: str) -> None:
    letters, bar = (_luminance(Color.parse(one)) for one in (timeline.ON_BAR, hue))
    assert (bar + 0.05) / (letters + 0.05) >= CONTRAST_MIN


def _luminance(colour: Color) -> float:
    """As the Web Content Accessibility Guidelines 2 define it."""
    red, green, blue = (_linear(part / 255) for part in colour.get_truecolor())
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
