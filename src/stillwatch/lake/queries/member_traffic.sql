-- For each member of a campaign: what serves the campaign and what does not, side by side.
-- Disjoint networks, an earlier life and another rhythm tell a stolen key from an operator;
-- many end users in the rest, or software that the campaign never used, tell a reseller.
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

-- A network or client is one of a side's own when a tenth of its exchanges use it: an attribution has
-- an error rate, and one exchange on the wrong side must not decide a role.
usual as (
  select
    *,
    count(*) over (partition by campaign_id, account_id, serves, client_net_token) * 10
      >= count(*) over (partition by campaign_id, account_id, serves) as usual_network,
    count(*) over (partition by campaign_id, account_id, serves, client) * 10
      >= count(*) over (partition by campaign_id, account_id, serves) as usual_client
  from marked
)

select
  campaign_id,
  account_id,
  count(*) as exchanges,
  count(*) filter (serves) as serving,
  coalesce(sum(output_tokens) filter (serves), 0) as serving_tokens,
  epoch_us(min(started_at) filter (serves)) as first_serving,
  epoch_us(max(started_at) filter (serves)) as last_serving,
  epoch_us(min(started_at) filter (not serves)) as first_other,
  count(distinct end_user_token) filter (not serves) as other_end_users,
  coalesce(list_sort(list(distinct credential_id) filter (serves and credential_id is not null)), [])
    as credentials,
  coalesce(
    list(distinct client_net_token)
      filter (serves and usual_network and client_net_token is not null), []
  ) as serving_networks,
  coalesce(
    list(distinct client_net_token)
      filter (not serves and usual_network and client_net_token is not null), []
  ) as other_networks,
  coalesce(
    list(distinct client) filter (serves and usual_client and client is not null), []
  ) as serving_clients,
  coalesce(
    list(distinct client) filter (not serves and usual_client and client is not null), []
  ) as other_clients
from usual
group by campaign_id, account_id
order by campaign_id, account_id
