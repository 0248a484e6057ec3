"""The words of the pages: each in English and in French, side by side, so that neither can be without the other."""
# ruff: noqa: RUF001 - the apostrophes and spaces of good typesetting

LANGUAGES = ("en", "fr")

_SAID: dict[str, tuple[str, str]] = {
    # What every page has.
    "shop": ("The Little Shop", "La Petite Boutique"),
    "tagline": ("Small things for small people", "De petites choses pour les petits"),
    "skip": ("Skip to the content", "Aller au contenu"),
    "menu": ("Shop", "Boutique"),
    "home": ("Today’s deals", "Offres du jour"),
    "registry": ("Gift registry", "Liste de naissance"),
    "membership": ("Membership", "Le club"),
    "cart": ("Cart", "Panier"),
    "choose_language": ("Language", "Langue"),
    "item_1": ("{n} thing", "{n} article"),
    "item_n": ("{n} things", "{n} articles"),
    "footer": (
        "Wrapped by hand, sent within two days, and taken back within sixty, even with a bite mark.",
        "Emballé à la main, expédié en deux jours, repris pendant soixante, même avec une trace de dents.",
    ),
    # Home.
    "welcome": ("Soft, small and made to be loved", "Doux, petit et fait pour être aimé"),
    "deals": ("Today’s deals", "Les offres du jour"),
    "deals_intro": (
        "Other things each day, until midnight or until the last teddy has found a home.",
        "D’autres chaque jour, jusqu’à minuit ou jusqu’à ce que le dernier ours ait trouvé sa maison.",
    ),
    "was": ("Usual price", "Prix habituel"),
    "now": ("Price today", "Prix du jour"),
    "deal": ("Deal of the day", "Offre du jour"),
    "expecting": ("Expecting somebody small?", "Vous attendez quelqu’un de petit ?"),
    "expecting_more": (
        "Open a registry, and friends and family know what to bring.",
        "Ouvrez une liste, et vos proches sauront quoi apporter.",
    ),
    "join_us": ("Come and join the club", "Rejoignez le club"),
    "join_us_more": (
        "It costs nothing, and birthdays are never forgotten.",
        "C’est gratuit, et aucun anniversaire n’y est oublié.",
    ),
    "nap": ("Our deals are taking a nap", "Nos offres font la sieste"),
    "nap_more": (
        "Shh! The shop is open all the same, and your cart is safe. The deals are back as soon as they wake up.",
        "Chut ! La boutique reste ouverte, votre panier est en sécurité. Les offres reviennent dès leur réveil.",
    ),
    # A product.
    "quantity": ("Quantity", "Quantité"),
    "quantity_error": ("Please choose a number from 1 to 99.", "Merci de choisir un nombre de 1 à 99."),
    "add": ("Add to cart", "Ajouter au panier"),
    "give_this": ("Give it to somebody’s registry", "L’offrir sur une liste de naissance"),
    "reviews": ("What others say", "Ce qu’en disent les autres"),
    "review_1": ("{n} review", "{n} avis"),
    "review_n": ("{n} reviews", "{n} avis"),
    "no_reviews": ("Nobody has written about it yet.", "Personne n’a encore donné son avis."),
    "reviews_away": (
        "The reviews are out of reach for a moment; everything else works.",
        "Les avis sont hors de portée pour un instant ; tout le reste fonctionne.",
    ),
    "rated": ("{n} out of 5 stars", "{n} étoiles sur 5"),
    "write_review": ("Write a review", "Donner votre avis"),
    "author": ("Your name", "Votre nom"),
    "author_error": (
        "Please tell us your name, in 80 characters at most.",
        "Merci d’indiquer votre nom, en 80 caractères au plus.",
    ),
    "stars": ("Your rating", "Votre note"),
    "stars_error": ("Please choose 1 to 5 stars.", "Merci de choisir de 1 à 5 étoiles."),
    "stars_5": ("5 – we love it", "5 – on l’adore"),
    "stars_4": ("4 – very nice", "4 – très bien"),
    "stars_3": ("3 – fine", "3 – bien"),
    "stars_2": ("2 – not quite", "2 – pas tout à fait"),
    "stars_1": ("1 – not for us", "1 – pas pour nous"),
    "text": ("Your review", "Votre avis"),
    "text_error": (
        "Please write a few words, 1000 characters at most.",
        "Merci d’écrire quelques mots, 1000 caractères au plus.",
    ),
    "send_review": ("Publish", "Publier"),
    # Cart, checkout, confirmation.
    "your_cart": ("Your cart", "Votre panier"),
    "cart_empty": ("Your cart is empty, for now.", "Votre panier est vide, pour l’instant."),
    "cart_empty_more": ("The deals would like to change that.", "Les offres aimeraient y remédier."),
    "see_deals": ("See today’s deals", "Voir les offres du jour"),
    "change": ("Update", "Modifier"),
    "remove": ("Remove", "Retirer"),
    "each": ("each", "l’unité"),
    "total": ("Total", "Total"),
    "prices_away": (
        "Prices are out of reach for a moment. Nothing in your cart is lost, and you can order all the same.",
        "Les prix sont hors de portée pour un instant. Rien n’est perdu, et vous pouvez commander quand même.",
    ),
    "checkout": ("Check out", "Commander"),
    "keep_looking": ("Keep looking around", "Continuer vos achats"),
    "email": ("E-mail address", "Adresse e-mail"),
    "email_hint": ("For the confirmation, and nothing else.", "Pour la confirmation, et rien d’autre."),
    "email_error": (
        "Please enter an e-mail address, such as ada@shop.example.",
        "Merci d’indiquer une adresse e-mail, par exemple ada@shop.example.",
    ),
    "order": ("Place the order", "Passer la commande"),
    "in_the_cart": ("In your cart", "Dans votre panier"),
    "once": (
        "Pressing twice orders once: this form is good for one order only.",
        "Appuyer deux fois ne commande qu’une fois : ce formulaire vaut pour une seule commande.",
    ),
    "thanks": ("Thank you for your order", "Merci pour votre commande"),
    "thanks_more": (
        "We are looking for the nicest box already. The confirmation is on its way to you by e-mail.",
        "Nous cherchons déjà le plus joli carton. La confirmation est en route vers votre boîte aux lettres.",
    ),
    "order_number": ("Order number", "Numéro de commande"),
    "what": ("What", "Quoi"),
    "price": ("Price", "Prix"),
    # Registries and gifts.
    "registry_of": ("The registry of {name}", "La liste de naissance de {name}"),
    "gift_1": ("{n} present so far", "{n} cadeau déjà offert"),
    "gift_n": ("{n} presents so far", "{n} cadeaux déjà offerts"),
    "thank_you_list": ("The thank-you list", "La liste des remerciements"),
    "no_gifts": ("No present yet. Be the first!", "Pas encore de cadeau. Soyez le premier !"),
    "from": ("From", "De la part de"),
    "from_error": (
        "Please say whom it is from, in 80 characters at most.",
        "Merci d’indiquer de la part de qui, en 80 caractères au plus.",
    ),
    "give_a_gift": ("Give a present", "Offrir un cadeau"),
    "pick": ("Pick a present", "Choisissez un cadeau"),
    "product_error": ("Please pick one of our things.", "Merci de choisir l’un de nos articles."),
    "product": ("The product’s number", "Le numéro de l’article"),
    "message": ("A few words to go with it", "Quelques mots pour l’accompagner"),
    "message_hint": ("If you like, 500 characters at most.", "Si vous le souhaitez, 500 caractères au plus."),
    "message_error": ("Please write 500 characters at most.", "Merci d’écrire 500 caractères au plus."),
    "give": ("Give it", "L’offrir"),
    "gift_for": ("A present for {name}", "Un cadeau pour {name}"),
    "see_registry": ("See the whole registry", "Voir toute la liste"),
    "see_product": ("See the product", "Voir l’article"),
    "find_registry": ("Find a registry", "Trouver une liste"),
    "registry_number": ("Registry number", "Numéro de la liste"),
    "registry_hint": (
        "It is on the card that you were sent, such as r0001.",
        "Il est sur le faire-part, par exemple r0001.",
    ),
    "registry_error": ("Please enter a number such as r0001.", "Merci d’indiquer un numéro comme r0001."),
    "find": ("Open it", "L’ouvrir"),
    "start_registry": ("Start your own", "Créer la vôtre"),
    "owner_hint": ("The address that you are a customer with.", "L’adresse avec laquelle vous êtes client."),
    "owner_error": ("We know no customer with this address.", "Nous ne connaissons aucun client avec cette adresse."),
    "registry_name": ("A name for it", "Un nom pour elle"),
    "registry_name_hint": (
        "If you like, such as For our third.",
        "Si vous le souhaitez, par exemple Pour le petit troisième.",
    ),
    "registry_name_error": ("Please use 80 characters at most.", "Merci d’utiliser 80 caractères au plus."),
    "start": ("Start a registry", "Créer une liste"),
    # Membership.
    "club": ("The club of The Little Shop", "Le club de La Petite Boutique"),
    "club_more": (
        "Free for ever. Members hear of the deals first, and of birthdays in time.",
        "Gratuit pour toujours. Les membres apprennent les offres d’abord, et les anniversaires à temps.",
    ),
    "club_deals": ("The deals a day early, by e-mail", "Les offres un jour plus tôt, par e-mail"),
    "club_birthday": ("A small present for each birthday", "Un petit cadeau à chaque anniversaire"),
    "club_leave": ("Leave whenever you like, with one click", "Vous partez quand vous voulez, en un clic"),
    "name": ("Your name", "Votre nom"),
    "name_error": (
        "Please tell us your name, in 80 characters at most.",
        "Merci d’indiquer votre nom, en 80 caractères au plus.",
    ),
    "member_email_hint": ("One membership for each address.", "Une adhésion par adresse."),
    "join": ("Join the club", "Rejoindre le club"),
    "member": ("Welcome, {name}!", "Bienvenue, {name} !"),
    "member_more": (
        "You are one of us now. A cup of cocoa is on the house, as soon as we find out how to send it.",
        "Vous êtes des nôtres. Un chocolat chaud vous est offert, dès que nous saurons comment l’envoyer.",
    ),
    "member_since": ("Member since", "Membre depuis le"),
    "member_number": ("Membership number", "Numéro de membre"),
    # Unsubscribing from bulk mail.
    "newsletter": ("Our newsletter", "Notre lettre d’information"),
    "unsubscribe_question": (
        "Do you want no more of our newsletter?",
        "Ne plus recevoir notre lettre d’information ?",
    ),
    "unsubscribe": ("Unsubscribe", "Se désabonner"),
    "unsubscribed": (
        "You are unsubscribed. No newsletter will come any more.",
        "Vous êtes désabonné. Vous ne recevrez plus notre lettre.",
    ),
    # Problems.
    "errors_1": ("One thing needs another look:", "Un point est à revoir :"),
    "errors_n": ("{n} things need another look:", "{n} points sont à revoir :"),
    "sorry": ("This did not work", "Cela n’a pas marché"),
    "lost": ("This page has gone astray", "Cette page s’est égarée"),
    "back_home": ("Back to the home page", "Retour à l’accueil"),
    "reference": ("If you write to us, please quote", "Si vous nous écrivez, merci d’indiquer"),
    "problem_400": (
        "Your browser sent something that we do not understand. Please go back and try again.",
        "Votre navigateur a envoyé quelque chose que nous ne comprenons pas. Merci de revenir et de réessayer.",
    ),
    "problem_403": (
        "This form came from another site, so we did not act on it. Please fill it in on our own page.",
        "Ce formulaire venait d’un autre site, nous n’y avons donc pas donné suite. Merci de le remplir chez nous.",
    ),
    "problem_404": (
        "We looked behind the cushions and under the bed, and there is no such page.",
        "Nous avons cherché derrière les coussins et sous le lit : cette page n’existe pas.",
    ),
    "problem_405": (
        "This page cannot be used in that way. Please go back and try again.",
        "Cette page ne s’utilise pas ainsi. Merci de revenir en arrière et de réessayer.",
    ),
    "problem_409": (
        "This form was sent before, with other words in it. Please go back, reload the page and fill it in anew.",
        "Ce formulaire a déjà été envoyé, rempli autrement. Merci de recharger la page et de le remplir à nouveau.",
    ),
    "problem_413": (
        "That is more than we can carry at once. Please send something smaller.",
        "C’est plus que nous ne pouvons porter d’un coup. Merci d’envoyer quelque chose de plus petit.",
    ),
    "problem_422": (
        "We could not take this as it is. Please go back, have a look at what you entered, and try again.",
        "Nous n’avons pas pu l’accepter tel quel. Merci de revenir, de vérifier votre saisie et de réessayer.",
    ),
    "problem_500": (
        "We are sorry: an error on our side. Please go back and try again.",
        "Nous sommes désolés : une erreur de notre côté. Merci de revenir en arrière et de réessayer.",
    ),
    "problem_503": (
        "We are sorry: this part of the shop is out of reach at the moment. Please try again.",
        "Nous sommes désolés : cette partie de la boutique est hors de portée. Merci de réessayer.",
    ),
}

PHRASES = {lang: {name: said[place] for name, said in _SAID.items()} for place, lang in enumerate(LANGUAGES)}
"""What is said under each name, by language."""

#: What a language is called by those who speak it.
NAMES = {"en": "English", "fr": "Français"}

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
}
MONTHS = {lang: names.split() for lang, names in _MONTHS.items()}
