-- The storefront's tables.

create table customers (
    id           integer primary key,
    email        text not null unique,
    name         text not null,
    lang         text not null check (lang in ('en', 'fr')),
    unsubscribed boolean not null default false
);

create table products (
    id          text primary key,
    name_en     text not null,
    name_fr     text not null,
    price_cents integer not null check (price_cents > 0)
);

create table carts (
    id         text primary key,
    created_at timestamptz not null default now()
);

create table cart_items (
    cart_id    text not null references carts on delete cascade,
    product_id text not null references products,
    quantity   integer not null check (quantity between 1 and 999),
    primary key (cart_id, product_id)
);

-- One row for each addition that was carried out: a retried one finds its key here and adds nothing.
create table cart_additions (
    cart_id         text not null references carts on delete cascade,
    idempotency_key text not null,
    primary key (cart_id, idempotency_key)
);

create table orders (
    id              uuid primary key,
    idempotency_key text not null unique,
    cart_id         text not null,
    email           text not null,
    total_cents     integer not null check (total_cents > 0),
    created_at      timestamptz not null default now()
);

create table order_lines (
    order_id    uuid not null references orders on delete cascade,
    product_id  text not null references products,
    quantity    integer not null check (quantity > 0),
    price_cents integer not null,
    primary key (order_id, product_id)
);

create table registries (
    id       text primary key,
    owner_id integer not null references customers
);

create table gifts (
    id              uuid primary key,
    registry_id     text not null references registries,
    product_id      text not null references products,
    from_name       text not null,
    message         text not null,
    idempotency_key text not null unique,
    created_at      timestamptz not null default now()
);
create index gifts_of_registry on gifts (registry_id, created_at);

-- The transactional outbox: an event is written with what it tells of, or not at all.
create table outbox (
    id           bigserial primary key,
    kind         text not null check (kind in ('order-confirmation', 'gift-alert')),
    event_id     uuid not null,
    payload      jsonb not null default '{}',
    created_at   timestamptz not null default now(),
    processed_at timestamptz,
    unique (kind, event_id)
);
create index outbox_pending on outbox (id) where processed_at is null;

create table mails_sent (
    template  text not null,
    event_id  uuid not null,
    recipient text not null,
    sent_at   timestamptz not null default now(),
    primary key (template, event_id, recipient)
);
