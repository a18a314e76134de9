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

used as not materialized (
  select account_id, started_at, kind, fact
  from (
    select
      account_id,
      started_at,
      client_net_token as network,
      -- Client software, sampling settings and limits read as one fingerprint: each alone is common.
      case when user_agent is not null or tls_fingerprint is not null then
        concat_ws('|', user_agent, tls_fingerprint, number_text(temperature),
          cast(max_output_tokens as string), number_text(settings.top_p),
          cast(settings.seed as string), cast(settings.n as string), settings.reasoning_effort)
      end as client,
      nullif(client_metadata, '{}') as metadata,
      credential_id as credential,
      end_user_token as end_user,
      cache_key,
      conversation_id as conversation,
      -- A reasoning block issued to one account and presented by another.
      reasoning_signature_issued as reasoning_block,
      -- An answer given to one account and sent again as history by another.
      output_digest as continuation
    from exchanges
  )
  unpivot (fact for kind in (
    network, client, metadata, credential, end_user, cache_key, conversation, reasoning_block,
    continuation
  ))
  union all
  select account_id, started_at, 'reasoning_block' as kind,
    explode(reasoning_signatures_presented) as fact
  from exchanges
  union all
  select account_id, started_at, 'continuation' as kind, explode(prefix_digests) as fact
  from exchanges
),

-- What each account showed: when, or with its sign-up.
shown as not materialized (
  select account_id, kind, fact, started_at as shown_at, true as in_use
  from used
  where fact is not null
  union all
  select account_id, kind, fact, created_at as shown_at, false as in_use from from_accounts
),

-- Most values belong to one account. Numbers tell them apart in little memory; two values that
-- have one number are no more than asked about in vain.
perhaps_shared as materialized (
  select quick_number_of_two(kind, fact) as number
  from shown
  group by quick_number_of_two(kind, fact)
  having min(quick_number(account_id)) <> max(quick_number(account_id))
),

facts as (
  select account_id, kind, fact, count(*) as exchanges, min(shown_at) as first_seen
  from shown
  where quick_number_of_two(kind, fact) in (select number from perhaps_shared)
  group by account_id, kind, fact, in_use,
    epoch_us(shown_at) - epoch_us(shown_at) % ($hours * 3600000000)
)

select
  account_id,
  kind,
  -- 60 bits of md5: the same in every engine, and a signed 64-bit column holds it.
  stable_hash(kind || ':' || fact) as value,
  exchanges,
  coalesce(epoch_us(first_seen), 0) as first_seen
from facts
qualify min(account_id) over (partition by kind, fact) <> max(account_id) over (partition by kind, fact)
order by value, account_id, first_seen
