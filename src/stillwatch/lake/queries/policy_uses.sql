-- The credentials and conversations with which the accounts of a campaign serve it, and how much of each
-- does. Reads `attributed` (campaign_id, exchange_id, account_id), one row an exchange.
with members as (
  select distinct campaign_id, account_id from attributed
),

marked as (
  select
    members.campaign_id,
    e.account_id,
    e.started_at,
    e.credential_id,
    e.conversation_id,
    e.output_tokens,
    attributed.exchange_id is not null as serves
  from exchanges e
  join members on members.account_id = e.account_id
  left join attributed
    on attributed.exchange_id = e.exchange_id
    and attributed.campaign_id = members.campaign_id
    and attributed.account_id = e.account_id
),

used as (
  select
    campaign_id,
    account_id,
    scope,
    subject,
    count(*) as exchanges,
    count(*) filter (where serves) as serving,
    max(started_at) filter (where serves) as last_at,
    cast(coalesce(sum(output_tokens) filter (where serves), 0) as bigint) as output_tokens
  from (
    select
      campaign_id,
      account_id,
      started_at,
      output_tokens,
      serves,
      credential_id as credential,
      conversation_id as conversation
    from marked
  )
  unpivot (subject for scope in (credential, conversation))
  group by campaign_id, account_id, scope, subject
  having count(*) filter (where serves) > 0
),

-- What is said of a credential; of one that several accounts name, by all of them.
told as (
  select
    credential_id,
    bool_or(reported_leaked_at is not null) as is_reported_leaked,
    bool_and(revoked_at is not null) as is_revoked
  from credentials
  group by credential_id
),

-- How many credentials each account has that nobody revoked: those that were seen, and those declared.
kept as (
  select account_id, count(distinct credential_id) as credentials
  from (
    select account_id, credential_id from marked
    union
    select account_id, credential_id from credentials
  )
  where credential_id is not null
    and credential_id not in (select credential_id from told where is_revoked)
  group by account_id
)

select
  used.campaign_id,
  used.account_id,
  used.scope,
  used.subject,
  used.exchanges,
  used.serving,
  used.last_at,
  used.output_tokens,
  used.scope = 'credential' and coalesce(told.is_reported_leaked, false) as is_reported_leaked,
  used.scope = 'credential' and coalesce(kept.credentials, 0) <= 1 as is_only_one
from used
left join told on used.scope = 'credential' and told.credential_id = used.subject
left join kept on kept.account_id = used.account_id
order by used.campaign_id, used.account_id, used.scope, used.subject
