"""Pictures of the shop's things, drawn as SVG from a product's id and English name: the same for ever, no two alike.

The name says what it is and what it is made of, the id (as the seed of a dice) its colours, its ground and the look
on its face. No picture has an id, a style or a link in it, so that many can be on a page under its strict policy.
"""

import random
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup

from gameday.storefront.web.motifs import MOTIFS, Paint, face

KEPT = 512

#: ground, main, dark, light, accent
PALETTES = (
    ("#fde4d8", "#e8896a", "#b4583d", "#fbd0bd", "#4f7f86"),
    ("#e2eff5", "#6ba3c4", "#3d7394", "#cfe5f1", "#e7a54a"),
    ("#fdeecb", "#e9b44c", "#b07d1c", "#fbe3ad", "#a5586f"),
    ("#e3f0e1", "#83b18a", "#4f7d58", "#cfe6cf", "#d9795d"),
    ("#f1e4f3", "#b088bf", "#7d5590", "#e4d0ea", "#e0a03f"),
    ("#fbe0e6", "#d9819a", "#a34e69", "#f6ccd6", "#5b8f93"),
    ("#dff1ee", "#5fa8a0", "#357871", "#c6e6e1", "#e58a63"),
    ("#ece8df", "#a99a86", "#75664f", "#e0d8c9", "#c4605a"),
)
WOOD = ("#d9a066", "#9c6a38", "#f0cfa2")


@dataclass(frozen=True)
class Subject:
    """What a picture is of: a motif, and what it is made of."""

    motif: str
    material: str

    @classmethod
    def of(cls, name: str) -> "Subject":
        """Read from the English name; something unheard of comes as a parcel, of cotton."""
        said = name.lower()
        motif = next((known for known in MOTIFS if known in said), "parcel")
        materials = {"wood": "wooden", "wool": "woollen", "strip": "striped", "little": "little"}
        return cls(motif, next((made for sign, made in materials.items() if sign in said), "cotton"))


@lru_cache(KEPT)
def picture(product: str, name: str, label: str = "") -> Markup:
    """The picture of a product; `label` says what it is to those who do not see it, without one it is decoration."""
    dice = random.Random(f"picture:{product}")  # noqa: S311 - a likeness, not a secret
    subject = Subject.of(name)
    ground, main, dark, light, accent = PALETTES[dice.randrange(len(PALETTES))]
    if subject.material == "wooden":
        main, dark, light = WOOD
    paint = Paint(main, dark, light, accent, subject.material, dice)
    role = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    drawn = f'<rect width="200" height="200" fill="{ground}"/>{_ground(dice, light)}{_shadow(subject)}'
    drawn += _placed(MOTIFS[subject.motif](paint) + face(paint, subject.motif), subject, dice)
    return Markup('<svg class="picture" {} viewBox="0 0 200 200">{}</svg>').format(role, Markup(drawn))  # noqa: S704 - all of it is drawn here, the label is escaped


def _placed(drawn: str, subject: Subject, dice: random.Random) -> str:
    """The thing, a bit askew; a little one is smaller."""
    scale = 0.78 if subject.material == "little" else 1
    tilt = dice.choice((-5, -3, 0, 3, 5))
    moved = f"translate({100 - 100 * scale:g} {172 - 172 * scale:g}) scale({scale:g})"
    return f'<g transform="rotate({tilt} 100 172) {moved}">{drawn}</g>'


def _shadow(subject: Subject) -> str:
    if subject.motif in {"mobile", "rattle"}:
        return ""
    width = 46 if subject.material == "little" else 62
    return f'<ellipse cx="100" cy="174" rx="{width}" ry="8" fill="#3b2a3a" opacity=".13"/>'


def _ground(dice: random.Random, light: str) -> str:
    """What is behind it: the sun, clouds, hills or confetti."""
    kind = dice.choice(("sun", "clouds", "hills", "confetti"))
    if kind == "sun":
        return f'<circle cx="{dice.randint(80, 120)}" cy="96" r="78" fill="#fff" opacity=".55"/>'
    if kind == "hills":
        high = dice.randint(120, 145)
        return (
            f'<path d="M0 {high}q50-40 100-10t100-16V200H0z" fill="{light}"/>'
            f'<circle cx="{dice.choice((38, 162))}" cy="40" r="18" fill="#fff" opacity=".75"/>'
        )
    if kind == "clouds":
        places = ((dice.randint(20, 50), dice.randint(28, 60)), (dice.randint(120, 150), dice.randint(22, 50)))
        cloud = '<path transform="translate({} {})" d="M0 18a9 9 0 0 1 4-17 14 14 0 0 1 26 2 8 8 0 0 1 2 15z"/>'
        return '<g fill="#fff" opacity=".8">' + "".join(cloud.format(*place) for place in places) + "</g>"
    spots = (
        f'<circle cx="{dice.randint(8, 192)}" cy="{dice.randint(8, 192)}" r="{dice.choice((2, 3, 4))}"/>'
        for _ in range(16)
    )
    return '<g fill="#fff" opacity=".85">' + "".join(spots) + "</g>"
