-- Deterministic, on top of the small data: customers up to 100,000 (every tenth a member, one in 25 unsubscribed),
-- products up to 2,000, registries up to 5,000, 10,000 reviews, 20,000 orders that were mailed about long ago.
-- Addresses are of a reserved domain.

insert into customers (id, email, name, lang, unsubscribed)
select n,
       'customer-' || lpad(n::text, greatest(4, length(n::text)), '0') || '@shop.example',
       (array['Ada', 'Basile', 'Clara', 'Denis', 'Edith', 'Florent', 'Grace', 'Hugo', 'Irene', 'Jules'])[1 + n % 10]
           || ' ' || (array['Martin', 'Smith', 'Petit', 'Jones', 'Durand', 'Brown', 'Moreau'])[1 + n % 7],
       case n % 2 when 0 then 'fr' else 'en' end,
       n % 25 = 0
from generate_series(201, 100000) as n;

insert into members (id, email, name, lang, idempotency_key, since)
select md5('member-' || id)::uuid, email, name, lang, 'seed-member-' || id, now() - (id % 2000) * interval '1 day'
from customers where id between 201 and 100000 and id % 10 = 0;

insert into products (id, name_en, name_fr, price_cents, description_en, description_fr)
select 'p' || lpad(n::text, greatest(3, length(n::text)), '0'),
       first.name_en || ' no. ' || n, first.name_fr || ' nº ' || n, 495 + 35 * (n % 110) + n % 5,
       first.description_en, first.description_fr
from generate_series(41, 2000) as n
join products as first on first.id = 'p' || lpad((1 + n % 40)::text, 3, '0');

insert into registries (id, owner_id)
select 'r' || lpad(n::text, 4, '0'), n from generate_series(21, 5000) as n;

insert into reviews (id, product_id, author, stars, text, idempotency_key, created_at)
select md5('review-' || n)::uuid,
       'p' || lpad((1 + n % 2000)::text, greatest(3, length((1 + n % 2000)::text)), '0'),
       (array['Ada', 'Basile', 'Clara', 'Denis', 'Edith', 'Florent', 'Grace', 'Hugo'])[1 + n % 8],
       1 + (n * 7) % 5,
       (array['Just as shown.', 'Arrivé vite, bien emballé.', 'Used every day.', 'Très joli.'])[1 + n % 4],
       'seed-review-' || n,
       now() - n * interval '20 minutes'
from generate_series(91, 10000) as n;

update products set review_count = counted.reviews, review_stars = counted.stars
from (select product_id, count(*) as reviews, sum(stars) as stars from reviews group by product_id) as counted
where id = product_id;

insert into orders (id, idempotency_key, cart_id, email, total_cents, created_at)
select md5('order-' || n)::uuid, 'seed-order-' || n, md5('cart-' || n), email,
       (1 + n % 3) * price_cents, now() - n * interval '15 minutes'
from generate_series(1, 20000) as n
join customers on customers.id = 1 + (n * 37) % 100000
join products on products.id = 'p' || lpad((1 + n % 40)::text, 3, '0');

insert into order_lines (order_id, product_id, quantity, price_cents)
select md5('order-' || n)::uuid, products.id, 1 + n % 3, price_cents
from generate_series(1, 20000) as n
join products on products.id = 'p' || lpad((1 + n % 40)::text, 3, '0');

-- Their confirmations went out long ago.
insert into mails_sent (template, event_id, recipient, sent_at)
select 'order-confirmation', id, email, created_at from orders where idempotency_key like 'seed-order-%';
