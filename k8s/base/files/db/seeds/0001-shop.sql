-- Deterministic: 200 customers (French for even numbers), 40 products, 20 registries of customers 1 to 20.

insert into customers (id, email, name, lang, unsubscribed)
select n,
       'customer-' || lpad(n::text, 4, '0') || '@shop.example',
       (array['Ada', 'Basile', 'Clara', 'Denis', 'Edith', 'Florent', 'Grace', 'Hugo', 'Irene', 'Jules'])[1 + n % 10]
           || ' ' || (array['Martin', 'Smith', 'Petit', 'Jones', 'Durand', 'Brown', 'Moreau'])[1 + n % 7],
       case n % 2 when 0 then 'fr' else 'en' end,
       n % 25 = 0
from generate_series(1, 200) as n;

insert into products (id, name_en, name_fr, price_cents)
select 'p' || lpad(n::text, 3, '0'),
       (array['Wooden', 'Woollen', 'Striped', 'Cotton', 'Little'])[1 + (n - 1) / 8] || ' '
           || (array['blanket', 'teddy bear', 'rattle', 'night light', 'building blocks', 'bib', 'mobile', 'story book'])[1 + (n - 1) % 8],
       (array['Couverture', 'Ours en peluche', 'Hochet', 'Veilleuse', 'Cubes', 'Bavoir', 'Mobile', 'Livre d’histoires'])[1 + (n - 1) % 8] || ' '
           || (array['en bois', 'en laine', 'à rayures', 'en coton', 'de poche'])[1 + (n - 1) / 8],
       495 + 350 * (n % 11) + 5 * n
from generate_series(1, 40) as n;

insert into registries (id, owner_id)
select 'r' || lpad(n::text, 4, '0'), n
from generate_series(1, 20) as n;
