"""The built-in error page: plain, complete, and needing no file, for when the page template is broken."""

from __future__ import annotations

from typing import Final

from jinja2 import Environment, StrictUndefined

FALLBACK_WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "title": "We'll be right back",
        "heading": "Oh dear. Something went wrong.",
        "apology": "We are sorry. This is our fault, not yours.",
        "cause": "We are mending it right now.",
        "retry": "Please go back and try again in a moment.",
        "home": "Go to the home page",
        "reference": "If you write to us, please quote",
        "dog": "A dog's face, looking sorry",
        "problem_title": "Service unavailable",
        "problem_detail": "We are sorry: this is our fault, not yours. Please try again in a moment.",
        "request_title": "That did not reach us",
        "request_heading": "We could not read that.",
        "request_apology": "We are sorry: this did not reach us in one piece.",
        "request_cause": "It was too large, too slow, or not in a form that we know.",
        "request_retry": "Please go back and try again.",
        "request_problem_title": "The request could not be read",
        "request_problem_detail": "It was too large, too slow, or not in a form that we know.",
        "home_title": "The shop",
        "home_heading": "Welcome! This is our small home page.",
        "home_apology": "The shop is very busy at the moment.",
        "home_cause": "Your cart and your orders are safe.",
        "home_retry": "The whole shop will be back in a moment.",
        "home_home": "Show me the whole shop",
    },
    "fr": {
        "title": "Nous revenons tout de suite",
        "heading": "Oh là là ! Quelque chose a mal tourné.",
        "apology": "Nous sommes désolés. C'est notre faute, pas la vôtre.",
        "cause": "Nous le réparons en ce moment même.",
        "retry": "Revenez en arrière et réessayez dans un instant.",
        "home": "Aller à la page d'accueil",
        "reference": "Si vous nous écrivez, merci d'indiquer",
        "dog": "La tête d'un chien à l'air désolé",
        "problem_title": "Service indisponible",
        "problem_detail": "Nous sommes désolés : c'est notre faute, pas la vôtre. Veuillez réessayer dans un instant.",
        "request_title": "Cela ne nous est pas parvenu",
        "request_heading": "Nous n'avons pas pu lire cela.",
        "request_apology": "Nous sommes désolés : cela ne nous est pas parvenu en entier.",
        "request_cause": "C'était trop grand, trop lent, ou d'une forme que nous ne connaissons pas.",
        "request_retry": "Revenez en arrière et réessayez.",
        "request_problem_title": "La requête n'a pas pu être lue",
        "request_problem_detail": "Elle était trop grande, trop lente, ou d'une forme que nous ne connaissons pas.",
        "home_title": "La boutique",
        "home_heading": "Bienvenue ! Voici notre petite page d'accueil.",
        "home_apology": "Il y a beaucoup de monde en ce moment.",
        "home_cause": "Votre panier et vos commandes sont en sécurité.",
        "home_retry": "La boutique entière sera de retour dans un instant.",
        "home_home": "Montrez-moi toute la boutique",
    },
}

_SOURCE = """<!doctype html>
<html lang="{{ lang }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ words.title }}</title>
<link rel="icon" href="data:,">
<style>body{margin:12vh auto;max-width:34rem;padding:0 1.5rem;text-align:center;background:#fff7ec;color:#3a2a1f;\
font:1.1rem/1.6 system-ui,sans-serif}a{color:#9a4a12}</style>
</head>
<body>
<main data-page="{{ page }}">
<svg role="img" aria-label="{{ words.dog }}" viewBox="0 0 120 110" width="180">
<path d="M22 52Q22 16 60 16t38 36q0 44-38 44T22 52z" fill="#d3935a"/>
<path d="M34 22Q10 20 10 58q6 22 20 4zM86 22q24-2 24 36-6 22-20 4z" fill="#8a5428"/>
<ellipse cx="60" cy="72" rx="22" ry="18" fill="#fff3e2"/>
<path d="M52 62q8-5 16 0-1 9-8 11-7-2-8-11z" fill="#35241a"/>
<circle cx="44" cy="48" r="5" fill="#35241a"/><circle cx="76" cy="48" r="5" fill="#35241a"/>
<path d="M50 80q5 5 10-2 5 7 10 2" fill="none" stroke="#35241a" stroke-width="3" stroke-linecap="round"/>
</svg>
<h1>{{ words.heading }}</h1>
<p><strong>{{ words.apology }}</strong></p>
<p>{{ words.cause }} {{ words.retry }}</p>
<p><a href="/">{{ words.home }}</a></p>
<p><small>{{ words.reference }} <code>{{ request_id }}</code></small></p>
</main>
</body>
</html>
"""

#: Rendered with ``lang``, ``words`` (of :data:`FALLBACK_WORDS`), ``request_id`` and ``page`` (``error``, ``fallback``).
FALLBACK_PAGE: Final = Environment(autoescape=True, undefined=StrictUndefined).from_string(_SOURCE)
