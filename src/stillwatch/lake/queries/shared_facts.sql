-- Facts that two accounts may share: one row an account, value and $hours hours from midnight
-- (UTC; 24 is a day), with the exchanges of that time and the first moment, so that what was known
-- at a midnight, or at a moment between, can be told. Facts of accounts come from sign-up, facts of exchanges from use.
-- Country and language are not facts: they are never evidence.
-- A value is hashed with its kind, so that nothing readable leaves this query.
with from_accounts as materialized (
  select account_id, created_at, kind, fact
  from (
    select
      account_id,
      created_at,
      payment_token as payment,
      device_token as device,
      phone_token as phone,
      email_token as email,
      signup_net_token as signup_network
    from accounts
  )
  unpivot (fact for kind in (payment, device, phone, email, signup_network))
),

per_exchange as not materialized (
  select
    account_id,
    started_at,
    credential_id,
    client_net_token,
    client_metadata,
    end_user_token,
    cache_key,
    conversation_id,
    reasoning_signature_issued,
    reasoning_signatures_presented,
    output_digest,
    prefix_digests,
    -- Client software, sampling settings and limits read as one fingerprint: each alone is common.
    case when user_agent is not null or tls_fingerprint is not null then
      concat_ws('|', user_agent, tls_fingerprint, number_text(temperature),
        cast(max_output_tokens as string), number_text(settings.top_p),
        cast(settings.seed as string), cast(settings.n as string), settings.reasoning_effort)
    end as client
  from exchanges
),

used as not materialized (
  select account_id, 'network' as kind, client_net_token as fact, started_at from per_exchange
  union all
  select account_id, 'client' as kind, client as fact, started_at from per_exchange
  union all
  select account_id, 'metadata' as kind, client_metadata as fact, started_at from per_exchange
  where client_metadata <> '{}'
  union all
  select account_id, 'credential' as kind, credential_id as fact, started_at from per_exchange
  union all
  select account_id, 'end_user' as kind, end_user_token as fact, started_at from per_exchange
  union all
  select account_id, 'cache_key' as kind, cache_key as fact, started_at from per_exchange
  union all
  select account_id, 'conversation' as kind, conversation_id as fact, started_at from per_exchange
  union all
  -- A reasoning block issued to one account and presented by another.
  select account_id, 'reasoning_block' as kind, reasoning_signature_issued as fact, started_at
  from per_exchange
  union all
  select account_id, 'reasoning_block' as kind, explode(reasoning_signatures_presented) as fact,
    started_at
  from per_exchange
  union all
  -- An answer given to one account and sent again as history by another.
  select account_id, 'continuation' as kind, output_digest as fact, started_at from per_exchange
  union all
  select account_id, 'continuation' as kind, explode(prefix_digests) as fact, started_at
  from per_exchange
),

-- Most values belong to one account. Numbers tell them apart in little memory; two values that
-- have one number are no more than asked about in vain.
hashed as not materialized (
  select quick_number_of_two(kind, fact) as number, quick_number(account_id) as holder
  from used
  where fact is not null
  union all
  select quick_number_of_two(kind, fact) as number, quick_number(account_id) as holder
  from from_accounts
),

perhaps_shared as materialized (
  select number
  from hashed
  group by number
  having min(holder) <> max(holder)
),

facts as (
  select account_id, kind, fact, 1 as exchanges, created_at as first_seen
  from from_accounts
  where quick_number_of_two(kind, fact) in (select number from perhaps_shared)
  union all
  select account_id, kind, fact, count(*) as exchanges, min(started_at) as first_seen
  from used
  where fact is not null and quick_number_of_two(kind, fact) in (select number from perhaps_shared)
  group by account_id, kind, fact, epoch_us(started_at) - epoch_us(started_at) % ($hours * 3600000000)
),

shared as (
  select kind, fact
  from facts
  group by kind, fact
  having min(account_id) <> max(account_id)
)

select
  facts.account_id,
  facts.kind,
  -- 60 bits of md5: the same in every engine, and a signed 64-bit column holds it.
  stable_hash(facts.kind || ':' || facts.fact) as value,
  facts.exchanges,
  coalesce(epoch_us(facts.first_seen), 0) as first_seen
from facts
join shared using (kind, fact)
order by value, facts.account_id, first_seen
