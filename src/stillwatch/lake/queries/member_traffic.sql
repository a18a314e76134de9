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
    [count(*), count(*) filter (serves), epoch_us(min(started_at) filter (not serves))] as counted
  from (
    select *, unnest(['network', 'client']) as kind, unnest([client_net_token, client]) as place
    from marked
  )
  where place is not null
  group by all
),

listed as (
  select
    campaign_id,
    account_id,
    list(counted) filter (kind = 'network') as networks,
    list(counted) filter (kind = 'client') as clients
  from places
  group by all
)

select
  campaign_id,
  account_id,
  count(*) as exchanges,
  count(*) filter (serves) as serving,
  coalesce(sum(output_tokens) filter (serves), 0) as serving_tokens,
  epoch_us(min(started_at) filter (serves)) as first_serving,
  epoch_us(max(started_at) filter (serves)) as last_serving,
  count(distinct end_user_token) filter (not serves) as other_end_users,
  coalesce(list_sort(list(distinct credential_id) filter (serves and credential_id is not null)), [])
    as credentials,
  coalesce(any_value(networks), []) as networks,
  coalesce(any_value(clients), []) as clients
from marked
left join listed using (campaign_id, account_id)
group by campaign_id, account_id
order by campaign_id, account_id
