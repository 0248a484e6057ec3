"""How each kind of thing is drawn, on a square of 200 by 200 with the floor at 172."""
# ruff: noqa: E501 - lines of a drawing

import random
from collections.abc import Callable
from dataclasses import dataclass

INK = "#3a2b35"


@dataclass(frozen=True)
class Paint:
    """The colours that a thing is drawn in, what it is made of, and the dice for what is left to chance."""

    main: str
    dark: str
    light: str
    accent: str
    material: str
    dice: random.Random


#: Where the face of each motif is, and how large: x, y, scale.
FACES = {
    "teddy bear": (100, 78, 1.0),
    "blanket": (100, 132, 0.95),
    "rattle": (100, 70, 0.95),
    "night light": (100, 146, 0.7),
    "building blocks": (100, 76, 0.8),
    "bib": (100, 128, 0.9),
    "mobile": (100, 118, 0.6),
    "story book": (106, 112, 1.0),
    "parcel": (100, 136, 0.9),
}


def face(paint: Paint, motif: str) -> str:
    """Two eyes, a mouth and rosy cheeks."""
    x, y, scale = FACES[motif]
    eyes = paint.dice.choice(
        (
            '<circle cx="-15" r="3.6"/><circle cx="15" r="3.6"/>',
            '<path d="M-20 1q5-6 10 0M10 1q5-6 10 0" fill="none" stroke-width="3" stroke="{ink}" stroke-linecap="round"/>',
            '<ellipse cx="-15" rx="3.2" ry="4.6"/><ellipse cx="15" rx="3.2" ry="4.6"/>',
        )
    ).format(ink=INK)
    mouth = paint.dice.choice(("M-6 8q6 7 12 0", "M-7 9q3.5 4 7 0q3.5 4 7 0", "M-4 8q4 5 8 0"))
    return (
        f'<g transform="translate({x} {y}) scale({scale:g})" fill="{INK}">{eyes}'
        f'<path d="{mouth}" fill="none" stroke="{INK}" stroke-width="2.6" stroke-linecap="round"/>'
        '<g fill="#f2788a" opacity=".45"><ellipse cx="-25" cy="9" rx="6" ry="4"/><ellipse cx="25" cy="9" rx="6" ry="4"/></g></g>'
    )


def stuff(paint: Paint, x: float, y: float, width: float, height: float) -> str:
    """What the thing is made of, within a rectangle: grain, stitches, stripes or dots."""
    if paint.material == "wooden":
        grain = (y + height * part for part in (0.22, 0.5, 0.8))
        lines = "".join(f"M{x:g} {line:g}q{width / 4:g}-4 {width / 2:g} 0t{width / 2:g} 0" for line in grain)
        return f'<path d="{lines}" fill="none" stroke="{paint.dark}" stroke-width="1.6" opacity=".45"/>'
    if paint.material == "striped":
        bands = range(4)
        band = height / 8
        paths = "".join(f"M{x:g} {y + band * (2 * n + 0.5):g}h{width:g}v{band:g}h{-width:g}z" for n in bands)
        return f'<path d="{paths}" fill="{paint.light}" opacity=".75"/>'
    columns, rows = max(2, int(width // 15)), max(2, int(height // 14))
    spots = [
        (x + width * (column + 0.5) / columns, y + height * (row + 0.5) / rows)
        for row in range(rows)
        for column in range(columns)
    ]
    if paint.material == "woollen":
        lines = "".join(f"M{a - 4:.1f} {b - 2:.1f}l4 4l4-4" for a, b in spots)
        return f'<path d="{lines}" fill="none" stroke="{paint.light}" stroke-width="2" opacity=".8"/>'
    lines = "".join(f"M{a:.1f} {b:.1f}h.01" for a, b in spots[::2])
    return f'<path d="{lines}" stroke="{paint.light}" stroke-width="6" stroke-linecap="round"/>'


def star(x: float, y: float, size: float, colour: str) -> str:
    """A star with five round points."""
    return (
        f'<path transform="translate({x:g} {y:g}) scale({size:g})" fill="{colour}" stroke="{colour}" stroke-width="3"'
        ' stroke-linejoin="round" d="M0-10L2.9-3.5 9.6-3.1 4.5 1.4 6.2 8.1 0 4.4-6.2 8.1-4.5 1.4-9.6-3.1-2.9-3.5z"/>'
    )


def heart(x: float, y: float, size: float, colour: str) -> str:
    """A heart."""
    path = "M0 8C-14-2-9-11-3-9q2 .6 3 3q1-2.4 3-3C9-11 14-2 0 8z"
    return f'<path transform="translate({x:g} {y:g}) scale({size:g})" fill="{colour}" d="{path}"/>'


def teddy_bear(paint: Paint) -> str:
    """A bear that sits, with a bow or a heart."""
    worn = paint.dice.choice(("bow", "heart"))
    bow = f'<path d="M100 112l-17-9v18zM100 112l17-9v18z" fill="{paint.accent}"/><circle cx="100" cy="112" r="5" fill="{paint.dark}"/>'
    return (
        f'<g fill="{paint.main}"><circle cx="66" cy="44" r="17"/><circle cx="134" cy="44" r="17"/>'
        '<ellipse cx="100" cy="140" rx="42" ry="36"/><ellipse cx="58" cy="128" rx="13" ry="22" transform="rotate(28 58 128)"/>'
        '<ellipse cx="142" cy="128" rx="13" ry="22" transform="rotate(-28 142 128)"/></g>'
        f'<g fill="{paint.light}"><circle cx="66" cy="44" r="9"/><circle cx="134" cy="44" r="9"/></g>'
        f'<circle cx="100" cy="74" r="44" fill="{paint.main}"/>'
        + stuff(paint, 76, 124, 48, 40)
        + f'<g fill="{paint.dark}"><ellipse cx="70" cy="164" rx="19" ry="13"/><ellipse cx="130" cy="164" rx="19" ry="13"/></g>'
        f'<g fill="{paint.light}"><ellipse cx="70" cy="165" rx="10" ry="7"/><ellipse cx="130" cy="165" rx="10" ry="7"/>'
        '<ellipse cx="100" cy="90" rx="21" ry="16"/></g>'
        f'<ellipse cx="100" cy="81" rx="7" ry="4.5" fill="{INK}"/>'
        + (bow if worn == "bow" else heart(100, 140, 1.5, paint.accent))
    )


def blanket(paint: Paint) -> str:
    """A blanket, folded twice, with a fringe."""
    fringe = "".join(f"M{x} 164v8" for x in range(46, 156, 9))
    return (
        f'<rect x="46" y="58" width="108" height="46" rx="16" fill="{paint.light}"/>'
        f'<rect x="42" y="74" width="116" height="48" rx="18" fill="{paint.dark}"/>'
        f'<rect x="38" y="90" width="124" height="76" rx="18" fill="{paint.main}"/>'
        + stuff(paint, 48, 98, 104, 60)
        + f'<path d="{fringe}" stroke="{paint.dark}" stroke-width="4" stroke-linecap="round"/>'
        f'<ellipse cx="100" cy="134" rx="36" ry="21" fill="{paint.light}"/>' + heart(141, 106, 1, paint.accent)
    )


def rattle(paint: Paint) -> str:
    """A rattle with a ring."""
    return (
        f'<path d="M100 100v48" stroke="{paint.dark}" stroke-width="14" stroke-linecap="round"/>'
        f'<path d="M100 112v24" stroke="{paint.accent}" stroke-width="14"/>'
        f'<circle cx="100" cy="160" r="14" fill="none" stroke="{paint.main}" stroke-width="9"/>'
        f'<circle cx="100" cy="68" r="43" fill="{paint.main}"/>'
        + stuff(paint, 74, 36, 52, 22)
        + f'<path d="M58 78q42 20 84 0q-3 12-9 18q-33 15-66 0q-6-6-9-18z" fill="{paint.light}"/>'
        + f'<g fill="none" stroke="{paint.dark}" stroke-width="4" stroke-linecap="round"><path d="M44 40q-8 12-8 26"/><path d="M156 40q8 12 8 26"/></g>'
        + star(148, 118, 0.8, paint.accent)
        + star(54, 130, 0.6, paint.accent)
    )


def night_light(paint: Paint) -> str:
    """A mushroom that glows."""
    return (
        '<circle cx="100" cy="108" r="76" fill="#fff6cf" opacity=".55"/><circle cx="100" cy="112" r="56" fill="#fff0b3" opacity=".6"/>'
        '<path d="M78 112h44l8 50q0 10-10 10H80q-10 0-10-10z" fill="#fff4d2"/>'
        f'<path d="M34 112q0-66 66-66t66 66q0 8-10 8H44q-10 0-10-8z" fill="{paint.main}"/>'
        + stuff(paint, 62, 62, 76, 48)
        + f'<path d="M44 112h112" stroke="{paint.dark}" stroke-width="5" stroke-linecap="round"/>'
        + star(36, 52, 0.7, "#f3c64e")
        + star(168, 66, 0.9, "#f3c64e")
        + star(158, 148, 0.5, "#f3c64e")
    )


def building_blocks(paint: Paint) -> str:
    """Two blocks with a third on them."""

    def block(x: int, y: int, colour: str, edge: str) -> str:
        return f'<rect x="{x}" y="{y}" width="62" height="60" rx="9" fill="{colour}" stroke="{edge}" stroke-width="4"/>'

    return (
        block(34, 112, paint.light, paint.dark)
        + block(104, 112, paint.accent, paint.dark)
        + block(69, 48, paint.main, paint.dark)
        + stuff(paint, 78, 90, 44, 14)
        + star(65, 143, 1.5, paint.main)
        + (heart if paint.dice.random() < 0.5 else star)(135, 143, 1.7, paint.light)  # noqa: PLR2004
    )


def bib(paint: Paint) -> str:
    """A bib with its strings."""
    return (
        f'<path d="M62 44q-16-6-20-18M138 44q16-6 20-18" fill="none" stroke="{paint.dark}" stroke-width="6" stroke-linecap="round"/>'
        f'<path d="M64 40q-20 30-20 72q0 58 56 58t56-58q0-42-20-72q-4 40-36 40T64 40z" fill="{paint.main}" stroke="{paint.dark}" stroke-width="4"'
        ' stroke-linejoin="round"/>'
        + stuff(paint, 60, 88, 80, 66)
        + f'<ellipse cx="100" cy="130" rx="37" ry="23" fill="{paint.light}"/>'
        + heart(64, 92, 1, paint.accent)
        + heart(136, 92, 1, paint.accent)
    )


def mobile(paint: Paint) -> str:
    """A hoop on a ribbon, with stars, hearts and a cloud that has a face."""
    left, right = paint.dice.sample((star, heart), 2)
    return (
        f'<path d="M100 8v34M44 60v54M156 60v48M100 60v36M70 58v92M130 58v86" stroke="{paint.dark}" stroke-width="2.4"/>'
        f'<path d="M100 22l-58 34h116z" fill="none" stroke="{paint.dark}" stroke-width="2.4" stroke-linejoin="round"/>'
        f'<rect x="36" y="52" width="128" height="14" rx="7" fill="{paint.main}"/>'
        + stuff(paint, 44, 54, 112, 10)
        + '<path d="M72 132a17 17 0 0 1 2-33 27 27 0 0 1 52 2 16 16 0 0 1 2 31z" fill="#fff"/>'
        + left(44, 124, 1.5, paint.accent)
        + right(156, 118, 1.5, paint.main)
        + star(70, 158, 1, paint.main)
        + heart(130, 154, 1.2, paint.accent)
        + f'<circle cx="100" cy="10" r="6" fill="{paint.accent}"/>'
    )


def story_book(paint: Paint) -> str:
    """A thick book with a star and a bookmark."""
    return (
        f'<path d="M52 50q0-12 12-12h88q8 0 8 8v118q0 8-8 8H64q-12 0-12-12z" fill="{paint.dark}"/>'
        '<path d="M60 150h94v16H64q-6 0-6-8t2-8z" fill="#fffaf0"/><path d="M66 155h84M66 160h84" stroke="#e3d6c3" stroke-width="1.5"/>'
        f'<path d="M50 44q0-10 10-10h92q8 0 8 8v110H60q-10 0-10 8z" fill="{paint.main}"/>'
        f'<path d="M50 44q0-10 10-10h6v118h-6q-10 0-10 8z" fill="{paint.dark}" opacity=".55"/>'
        + stuff(paint, 76, 128, 74, 18)
        + f'<rect x="74" y="84" width="66" height="44" rx="12" fill="{paint.light}"/>'
        + star(107, 60, 1.4, paint.accent)
        + f'<path d="M132 150v32l7-7 7 7v-32z" fill="{paint.accent}"/>'
    )


def parcel(paint: Paint) -> str:
    """What is in it, nobody knows."""
    return (
        f'<rect x="42" y="92" width="116" height="80" rx="9" fill="{paint.main}"/>'
        f'<rect x="34" y="70" width="132" height="30" rx="8" fill="{paint.dark}"/>'
        + stuff(paint, 48, 104, 104, 62)
        + f'<path d="M92 70h16v30h-16z" fill="{paint.accent}"/>'
        f'<path d="M100 70q-42 2-38-22 4-20 38 22q34-42 38-22 4 24-38 22z" fill="{paint.accent}"/>'
        f'<ellipse cx="100" cy="138" rx="38" ry="23" fill="{paint.light}"/>'
    )


MOTIFS: dict[str, Callable[[Paint], str]] = {
    "teddy bear": teddy_bear,
    "blanket": blanket,
    "rattle": rattle,
    "night light": night_light,
    "building blocks": building_blocks,
    "bib": bib,
    "mobile": mobile,
    "story book": story_book,
    "parcel": parcel,
}
"""By the word in the English name."""
