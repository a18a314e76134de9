-- What one account was given and another took over: one row a value and taker, with both moments.
-- A signed reasoning block, or a conversation that goes on.
-- The giver is the account that had it first; `given_again` is when anybody was given the same
-- block anew. Values leave as hashes.
with presented as materialized (
  select distinct explode(reasoning_signatures_presented) as value
  from exchanges
),

given as (
  select
    'reasoning_block' as kind,
    reasoning_signature_issued as value,
    min_by(account_id, (started_at, exchange_id)) as giver,
    min(started_at) as given_at,
    -- Engines differ in whether a null may be the least's value: nulls are left out beforehand.
    min_by(model, (started_at, exchange_id)) filter (where model is not null) as model,
    try_element_at(min_by(started_at, started_at, 2), 2) as given_again
  from exchanges
  where reasoning_signature_issued in (select value from presented)
  group by reasoning_signature_issued
),

sent as (
  select
    'reasoning_block' as kind,
    explode(reasoning_signatures_presented) as value,
    account_id, started_at, exchange_id, model
  from exchanges
),

taken as (
  select
    sent.kind,
    sent.value,
    given.giver,
    sent.account_id as taker,
    given.given_at,
    given.given_again,
    min(sent.started_at) as taken_at,
    min_by(sent.exchange_id, (sent.started_at, sent.exchange_id)) as exchange_id,
    coalesce(
      min_by(sent.model, (sent.started_at, sent.exchange_id)) filter (where sent.model is not null)
        <> max(given.model),
      false
    ) as other_model
  from sent
  join given using (kind, value)
  where sent.account_id <> given.giver and sent.started_at > given.given_at
  group by 1, 2, 3, 4, 5, 6
),

-- Most conversations are one account's. Numbers tell these apart in little memory.
perhaps_passed_on as materialized (
  select quick_number(conversation_id) as number
  from exchanges
  where conversation_id is not null
  group by number
  having min(quick_number(account_id)) <> max(quick_number(account_id))
),

visits as (
  select
    conversation_id,
    account_id,
    min(started_at) as first_at,
    min_by(exchange_id, (started_at, exchange_id)) as exchange_id,
    min_by(model, (started_at, exchange_id)) filter (where model is not null) as model,
    min_by(turn_index, (started_at, exchange_id)) filter (where turn_index is not null) as first_turn
  from exchanges
  where quick_number(conversation_id) in (select number from perhaps_passed_on)
  group by conversation_id, account_id
),

begun as (
  select
    conversation_id,
    min_by(account_id, (first_at, exchange_id)) as giver,
    min(first_at) as given_at,
    min_by(model, (first_at, exchange_id)) filter (where model is not null) as model,
    min_by(first_turn, (first_at, exchange_id)) filter (where first_turn is not null) as first_turn
  from visits
  group by conversation_id
  having count(*) > 1
),

continued as (
  -- Who goes on enters later in the talk than the giver did. Clients that count their talks begin
  -- each at turn 0, and exercises that name theirs begin everybody's after the same examples.
  select
    'conversation' as kind,
    visits.conversation_id as value,
    begun.giver,
    visits.account_id as taker,
    begun.given_at,
    moment(null) as given_again,
    visits.first_at as taken_at,
    visits.exchange_id,
    coalesce(visits.model <> begun.model, false) as other_model
  from visits
  join begun using (conversation_id)
  where visits.account_id <> begun.giver and visits.first_turn > begun.first_turn
)

select
  kind,
  stable_hash(kind || ':' || value) as value,
  giver,
  taker,
  epoch_us(given_at) as given_at,
  epoch_us(taken_at) as taken_at,
  coalesce(epoch_us(given_again), 0) as given_again,
  exchange_id,
  other_model
from (select * from taken union all select * from continued)
order by taken_at, exchange_id, kind, value
