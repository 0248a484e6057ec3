-- Deterministic: 200 customers (French for even numbers), 40 products with their reviews, 20 registries of customers
-- 1 to 20, 50 members. Addresses are of a reserved domain.

insert into customers (id, email, name, lang, unsubscribed)
select n,
       'customer-' || lpad(n::text, 4, '0') || '@shop.example',
       (array['Ada', 'Basile', 'Clara', 'Denis', 'Edith', 'Florent', 'Grace', 'Hugo', 'Irene', 'Jules'])[1 + n % 10]
           || ' ' || (array['Martin', 'Smith', 'Petit', 'Jones', 'Durand', 'Brown', 'Moreau'])[1 + n % 7],
       case n % 2 when 0 then 'fr' else 'en' end,
       n % 25 = 0
from generate_series(1, 200) as n;

insert into products (id, name_en, name_fr, price_cents, description_en, description_fr)
select 'p' || lpad(n::text, 3, '0'),
       (array['Wooden', 'Woollen', 'Striped', 'Cotton', 'Little'])[1 + (n - 1) / 8] || ' '
           || (array['blanket', 'teddy bear', 'rattle', 'night light', 'building blocks', 'bib', 'mobile', 'story book'])[1 + (n - 1) % 8],
       (array['Couverture', 'Ours en peluche', 'Hochet', 'Veilleuse', 'Cubes', 'Bavoir', 'Mobile', 'Livre d’histoires'])[1 + (n - 1) % 8] || ' '
           || (array['en bois', 'en laine', 'à rayures', 'en coton', 'de poche'])[1 + (n - 1) / 8],
       495 + 350 * (n % 11) + 5 * n,
       (array['Warm enough for a nap in the garden, light enough for the pram.',
              'Soft to hold, hard to lose, and a good listener at night.',
              'Easy to hold for small hands, and gentle to the ears of the tall.',
              'A warm glow that keeps the dark where it belongs.',
              'For towers, bridges and the joy of pulling them down.',
              'Catches what the spoon misses, and comes clean at forty degrees.',
              'Turns slowly above the cot and tells a different story each evening.',
              'Twelve stories, one for each month, short enough for tired parents.'])[1 + (n - 1) % 8],
       (array['Assez chaude pour une sieste au jardin, assez légère pour le landau.',
              'Doux à serrer, difficile à perdre, et il sait écouter la nuit.',
              'Facile à tenir pour les petites mains, doux pour les grandes oreilles.',
              'Une lueur chaude qui garde le noir à sa place.',
              'Pour des tours, des ponts, et la joie de tout faire tomber.',
              'Attrape ce que la cuillère oublie, et se lave à quarante degrés.',
              'Tourne lentement au-dessus du berceau et raconte chaque soir autre chose.',
              'Douze histoires, une par mois, assez courtes pour des parents fatigués.'])[1 + (n - 1) % 8]
from generate_series(1, 40) as n;

insert into registries (id, owner_id)
select 'r' || lpad(n::text, 4, '0'), n
from generate_series(1, 20) as n;

insert into reviews (id, product_id, author, stars, text, idempotency_key, created_at)
select md5('review-' || n)::uuid,
       'p' || lpad((1 + (n * 7) % 40)::text, 3, '0'),
       (array['Ada', 'Basile', 'Clara', 'Denis', 'Edith', 'Florent', 'Grace', 'Hugo'])[1 + n % 8],
       3 + (n * 5) % 3,
       (array['Just as shown, and loved at first sight.', 'Arrivé vite, bien emballé, très joli.',
              'Survived the washing machine and the dog.', 'Notre fille ne le quitte plus.',
              'A gift that was used the same day.', 'Un peu plus petit que prévu, mais parfait.'])[1 + n % 6],
       'seed-review-' || n,
       now() - n * interval '7 hours'
from generate_series(1, 90) as n;

update products set review_count = counted.reviews, review_stars = counted.stars
from (select product_id, count(*) as reviews, sum(stars) as stars from reviews group by product_id) as counted
where id = product_id;

insert into members (id, email, name, lang, idempotency_key, since)
select md5('member-' || id)::uuid, email, name, lang, 'seed-member-' || id, now() - id * interval '1 day'
from customers where id <= 50;
