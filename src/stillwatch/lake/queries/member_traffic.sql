-- For each member of a campaign: what serves the campaign and what does not, side by side.
-- Networks that the campaign hardly uses, and an earlier life there, tell a stolen key from an operator;
-- many end users in the rest, or software that the campaign hardly uses, tell a reseller.
-- Each network and client comes as its exchanges, those of them that serve, and the first that does not.
-- Reads the table `attributed` (campaign_id, exchange_id, account_id), one row an exchange.
with members as (
  select distinct campaign_id, account_id from attributed
),

marked as (
  select
    members.campaign_id,
    e.account_id,
    e.started_at,
    e.credential_id,
    e.client_net_token,
    e.end_user_token,
    nullif(concat_ws('|', e.user_agent, e.tls_fingerprint), '') as client,
    e.output_tokens,
    attributed.exchange_id is not null as serves
  from exchanges e
  join members on members.account_id = e.account_id
  left join attributed
    on attributed.exchange_id = e.exchange_id and attributed.campaign_id = members.campaign_id
),

places as (
  select
    campaign_id,
    account_id,
    kind,
    place,
    place_counts(
      count(*),
      count(*) filter (where serves),
      epoch_us(min(started_at) filter (where not serves))
    ) as counted
  from (
    select campaign_id, account_id, started_at, serves, client_net_token as network, client
    from marked
  )
  unpivot (place for kind in (network, client))
  group by campaign_id, account_id, kind, place
),

listed as (
  select
    campaign_id,
    account_id,
    array_agg(counted) filter (where kind = 'network') as networks,
    array_agg(counted) filter (where kind = 'client') as clients
  from places
  group by campaign_id, account_id
)

select
  campaign_id,
  account_id,
  count(*) as exchanges,
  count(*) filter (where serves) as serving,
  cast(coalesce(sum(output_tokens) filter (where serves), 0) as bigint) as serving_tokens,
  epoch_us(min(started_at) filter (where serves)) as first_serving,
  epoch_us(max(started_at) filter (where serves)) as last_serving,
  count(distinct end_user_token) filter (where not serves) as other_end_users,
  array_agg(distinct credential_id) filter (where serves and credential_id is not null)
    as credentials,
  any_value(networks) as networks,
  any_value(clients) as clients
from marked
left join listed using (campaign_id, account_id)
group by campaign_id, account_id
order by campaign_id, account_id
