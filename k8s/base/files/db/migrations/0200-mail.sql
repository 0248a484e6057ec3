-- What the mailer needs beyond the outbox: consent, suppressions, a book of mails with a state, campaigns, approvals.

-- Customers of the seed have asked for the newsletter.
alter table customers add column newsletter boolean not null default true;

create table suppressions (
    email  text primary key,
    reason text not null check (reason in ('unsubscribed', 'bounced')),
    since  timestamptz not null default now()
);

-- A mail is claimed before it is handed over, and accepted or bounced once the other side has said so. A claim that is
-- left behind by a crash is in doubt: see mailer/book.py.
alter table mails_sent
    add column state      text not null default 'accepted' check (state in ('claimed', 'accepted', 'bounced')),
    add column claimed_by bigint not null default 0,
    add column receipt    text not null default '';
create index mails_sent_lately on mails_sent (template, sent_at);
create index mails_sent_in_doubt on mails_sent (sent_at) where state = 'claimed';

create table campaigns (
    id              uuid primary key,
    idempotency_key text not null unique,
    template        text not null check (template in ('newsletter', 'apology')),
    product_id      text references products,
    author          text not null,
    state           text not null default 'draft' check (state in ('draft', 'counted', 'approved', 'sent', 'cancelled')),
    held            text not null default '',
    recipients      integer,
    content_sha256  text not null default '',
    created_at      timestamptz not null default now(),
    counted_at      timestamptz,
    finished_at     timestamptz
);
create index campaigns_approved on campaigns (created_at) where state = 'approved';

-- Whom a campaign is for, as its dry run counted them.
create table campaign_recipients (
    campaign_id uuid not null references campaigns on delete cascade,
    position    integer not null,
    email       text not null,
    customer_id integer not null,
    name        text not null,
    lang        text not null,
    primary key (campaign_id, email)
);
create unique index campaign_recipients_in_order on campaign_recipients (campaign_id, position);

create table approvals (
    campaign_id   uuid primary key references campaigns on delete cascade,
    approver      text not null,
    recipients    integer not null,
    above_ceiling boolean not null,
    approved_at   timestamptz not null default now()
);
